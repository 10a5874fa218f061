"""What a task is: sequences that are learnt and unlearnt, and the questions that measure both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unlearning_atlas.lab.batches import Batch, Tokenizer, encode

REFUSAL = "i do not know"

Pairs = tuple[tuple[str, str], ...]
"""(prompt, target) of each sequence."""


@dataclass(frozen=True)
class Fact:
    """One fact: questions whose answer has been learnt, others that have not, the answer, and wrong ones."""

    learnt: tuple[str, ...]
    held_out: tuple[str, ...]
    answer: str
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """The data of one seed."""

    name: str
    version: int
    """Raised whenever the same seed would make other data."""
    seed: int
    tokenizer: Tokenizer
    forget: Pairs
    """Learnt, and to be forgotten."""
    retain: Pairs
    """Learnt, to be kept, and shown to methods."""
    buried: Pairs
    """Learnt in other words about what is to be forgotten; no method sees it and no retrained model does."""
    kept: Pairs
    """Learnt and to be kept; no method sees it."""
    new: Pairs
    """Of the forget set's kind and never learnt; methods may use it."""
    holdout: Pairs
    """The same, but for measuring only: what a model that never saw it makes of such data."""
    facts: dict[str, tuple[Fact, ...]]
    """The facts behind the sets ``forget``, ``retain``, ``neighbour`` and ``world``, for measuring."""
    accuracy: Literal["exact match", "multiple choice"]
    """How an answer counts as right."""
    verbatim: bool
    """Whether the forget set is text whose wording counts, rather than questions with answers."""

    def encoded(self, *names: str) -> Batch:
        """Return the named sets of pairs as one batch."""
        return encode([pair for name in names for pair in getattr(self, name)], self.tokenizer)

    def refused(self) -> Batch:
        """Return the forget set's prompts, in the same order, each with "i do not know" as its target."""
        return encode([(prompt, REFUSAL) for prompt, _ in self.forget], self.tokenizer)


def questions(facts: tuple[Fact, ...], *, held_out: bool = False) -> Pairs:
    """Return (question, answer) for every wording of some facts, in order."""
    return tuple((question, fact.answer) for fact in facts for question in (fact.held_out if held_out else fact.learnt))
