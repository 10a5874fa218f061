"""What is measured on a model: exact match, probability, truth ratio, utility, and forget quality.

The definitions are TOFU's (Maini et al. 2024), with these differences: exact match stands in place of
ROUGE-L recall, since answers have one to three words; the probability is not normalised over the answer choices on any
set; the right answer is not paraphrased in the truth ratio, since it is a name, a number or a title; and the averages
over wrong answers are arithmetic, as in the paper's equation (its public code averages log-probabilities).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import harmonic_mean
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, Batch, Tokenizer, encode, token_log_probs
from unlearning_atlas.lab.task import questions
from unlearning_atlas.lab.training import logits_of

if TYPE_CHECKING:
    from unlearning_atlas.lab.task import Fact, Task

CHUNK = 256
"""Sequences per forward pass."""
UTILITY_SETS = ("retain", "neighbour", "world")


@torch.no_grad()
def exact_matches(model: nn.Module, sequences: Batch) -> Tensor:
    """Return, for each of N sequences, whether greedy decoding gives the whole answer and its end: (N,) bool.

    Greedy decoding follows the answer exactly when each of its tokens is the most likely one after those before it,
    which one forward pass over the whole sequence shows.
    """
    found = []
    for batch in sequences.split(CHUNK):
        targets = batch.labels[:, 1:]
        right = logits_of(model, batch)[:, :-1].argmax(dim=-1) == targets
        found.append((right | (targets == IGNORE)).all(dim=1))
    return torch.cat(found)


@torch.no_grad()
def answer_probabilities(model: nn.Module, sequences: Batch) -> Tensor:
    """Return each answer's length-normalised probability P(a|q)^(1/|a|), its end counted in |a|: (N,)."""
    found = []
    for batch in sequences.split(CHUNK):
        log_p, scored = token_log_probs(logits_of(model, batch), batch.labels)
        found.append((log_p.sum(dim=1) / scored.sum(dim=1)).exp())
    return torch.cat(found)


def truth_ratios(model: nn.Module, facts: tuple[Fact, ...], tokenizer: Tokenizer) -> Tensor:
    """Return each fact's truth ratio, asked in its first learnt wording: (N,), from 0 (knows) upwards.

    The mean normalised probability of the wrong answers over that of the right one (TOFU).
    """
    right = encode([(fact.learnt[0], fact.answer) for fact in facts], tokenizer)
    wrong = encode([(fact.learnt[0], answer) for fact in facts for answer in fact.wrong], tokenizer)
    wrong_p = answer_probabilities(model, wrong).view(len(facts), -1).mean(dim=1)
    return wrong_p / answer_probabilities(model, right)


def kolmogorov_smirnov(left: Tensor, right: Tensor) -> float:
    """Return the log10 of the p-value of a two-sample Kolmogorov-Smirnov test; 0 means no difference was found."""
    import math

    from scipy.stats import ks_2samp

    p = float(ks_2samp(left.numpy(), right.numpy()).pvalue)
    return math.log10(max(p, 1e-300))


@dataclass(frozen=True)
class Scores:
    """A model's scores, each from 0 to 1. ``paraphrase`` is exact match on held-out wordings of the forgotten facts."""

    forget: float
    paraphrase: float
    retain: float
    neighbour: float
    world: float
    utility: float
    truth_ratios: Tensor
    """(N,): one per forgotten fact, for forget quality."""


class Meter:
    """Measures models on one task; sequences are encoded once."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.learnt = {name: encode(questions(task.facts[name]), task.tokenizer) for name in ("forget", *UTILITY_SETS)}
        self.held_out = encode(questions(task.facts["forget"], held_out=True), task.tokenizer)

    def matches(self, model: nn.Module) -> dict[str, float]:
        """Return exact match on every set, and on the held-out wordings of the forgotten facts as ``paraphrase``."""
        found = {name: exact_matches(model, sequences) for name, sequences in self.learnt.items()}
        found["paraphrase"] = exact_matches(model, self.held_out)
        return {name: matches.double().mean().item() for name, matches in found.items()}

    def scores(self, model: nn.Module) -> Scores:
        """Measure everything.

        Utility is the harmonic mean of nine numbers, as TOFU's: probability, exact match and max(0, 1 - truth ratio)
        on each of the retained, neighbouring and general-knowledge sets. It is zero when any of them is.
        """
        matches = self.matches(model)
        parts = []
        for name in UTILITY_SETS:
            ratios = truth_ratios(model, self.task.facts[name], self.task.tokenizer)
            parts += [
                matches[name],
                answer_probabilities(model, self.learnt[name]).double().mean().item(),
                (1 - ratios).clamp(min=0).double().mean().item(),
            ]
        forget = truth_ratios(model, self.task.facts["forget"], self.task.tokenizer)
        return Scores(utility=harmonic_mean(parts), truth_ratios=forget, **matches)
