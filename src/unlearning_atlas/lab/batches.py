"""Prompts with their targets as padded tensors, batches drawn from them, and the likelihood of their targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

IGNORE = -100
"""The label of a position that is not scored, as in torch and Hugging Face."""


class Tokenizer(Protocol):
    """Turns text into token ids and back."""

    end: int
    """The id that ends a target."""
    pad: int
    """The id of padding."""

    def __len__(self) -> int:
        """Return the number of ids, those of ``end`` and ``pad`` counted in."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without an end."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, without ends and padding."""
        ...


class Words:
    """A tokenizer with one id per word, words being what spaces separate."""

    pad, end = 0, 1

    def __init__(self, words: Iterable[str]) -> None:
        self._words = ("<pad>", "<end>", *sorted(set(words)))
        self._ids = {word: number for number, word in enumerate(self._words)}

    def __len__(self) -> int:
        return len(self._words)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text. Raises KeyError for a word it does not know."""
        return [self._ids[word] for word in text.split()]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, without ends and padding."""
        return " ".join(self._words[number] for number in ids if number not in (self.pad, self.end))


@dataclass(frozen=True)
class Batch:
    """B sequences of T tokens. Position t of ``labels`` holds token t where it belongs to the target, else IGNORE."""

    input_ids: Tensor
    """(B, T) int64."""
    labels: Tensor
    """(B, T) int64, not shifted."""
    attention_mask: Tensor
    """(B, T) bool, false on padding."""
    index: Tensor
    """(B,) int64: the number of each row in the whole set that it was drawn from."""

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    def rows(self, index: Tensor) -> Batch:
        """Return some rows, without the columns on the right that are padding in all of them."""
        mask = self.attention_mask[index]
        used = int(mask.any(dim=0).nonzero().max()) + 1
        return Batch(self.input_ids[index, :used], self.labels[index, :used], mask[:, :used], self.index[index])

    def split(self, size: int) -> Iterator[Batch]:
        """Yield the rows in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.rows(torch.arange(start, min(start + size, len(self))))


def encode(pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer) -> Batch:
    """Encode (prompt, target) pairs, padded on the right; the target and its end are scored."""
    prompts = [tokenizer.encode(prompt) for prompt, _ in pairs]
    targets = [[*tokenizer.encode(target), tokenizer.end] for _, target in pairs]
    return join(prompts, targets, tokenizer.pad)


def join(prompts: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], pad: int) -> Batch:
    """Join prompts with targets, both as ids, into one batch, padded on the right; only targets are scored."""
    rows = [([*a, *b], [*[IGNORE] * len(a), *b]) for a, b in zip(prompts, targets, strict=True)]
    width = max(len(ids) for ids, _ in rows)
    return Batch(
        torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows]),
        torch.tensor([labels + [IGNORE] * (width - len(labels)) for _, labels in rows]),
        torch.tensor([[True] * len(ids) + [False] * (width - len(ids)) for ids, _ in rows]),
        torch.arange(len(rows)),
    )


def shuffled(sequences: Batch, size: int, seed: int) -> Iterator[Batch]:
    """Yield batches without end: each pass takes every row once, in a new order; the last batch may be smaller."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(sequences), generator=generator)
        for start in range(0, len(sequences), size):
            yield sequences.rows(order[start : start + size])


def token_log_probs(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return each scored token's log-probability, and which tokens are scored.

    Args:
        logits: (B, T, V); those at position t predict token t + 1.
        labels: (B, T), IGNORE where a token is not scored.

    Returns:
        (B, T - 1) log-probabilities, zero where not scored, and a (B, T - 1) mask.
    """
    targets = labels[:, 1:]
    scored = targets != IGNORE
    log_probs = logits[:, :-1].log_softmax(dim=-1)
    picked = log_probs.gather(-1, targets.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return picked.where(scored, torch.zeros_like(picked)), scored


def mean_nll(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the scored tokens of a batch: (B, T, V), (B, T) -> scalar."""
    log_p, scored = token_log_probs(logits, labels)  # (B, T - 1) each
    return -log_p.sum() / scored.sum()
