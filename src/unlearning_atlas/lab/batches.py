"""Question-answer pairs as padded tensors, and batches drawn from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORE = -100
"""The label of a position that is not scored, as in torch and Hugging Face."""


@dataclass(frozen=True)
class Batch:
    """B sequences of T tokens. Position t of ``labels`` holds token t where it belongs to the answer, else IGNORE."""

    input_ids: Tensor
    """(B, T) int64."""
    labels: Tensor
    """(B, T) int64, not shifted."""
    attention_mask: Tensor
    """(B, T) bool, false on padding."""

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    def rows(self, index: Tensor) -> Batch:
        """Return some rows, without the columns on the right that are padding in all of them."""
        mask = self.attention_mask[index]
        used = int(mask.any(dim=0).nonzero().max()) + 1
        return Batch(self.input_ids[index, :used], self.labels[index, :used], mask[:, :used])

    def split(self, size: int) -> Iterator[Batch]:
        """Yield the rows in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.rows(torch.arange(start, min(start + size, len(self))))


def encode(pairs: Sequence[tuple[str, str]], vocabulary: dict[str, int]) -> Batch:
    """Encode (question, answer) pairs word by word, padded on the right; the answer and its end are scored.

    Raises KeyError for a word outside the vocabulary.
    """
    rows = []
    for question, answer in pairs:
        prompt = [vocabulary[word] for word in question.split()]
        target = [*(vocabulary[word] for word in answer.split()), vocabulary["<end>"]]
        rows.append((prompt + target, [IGNORE] * len(prompt) + target))
    width = max(len(ids) for ids, _ in rows)
    pad = vocabulary["<pad>"]
    return Batch(
        torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows]),
        torch.tensor([labels + [IGNORE] * (width - len(labels)) for _, labels in rows]),
        torch.tensor([[True] * len(ids) + [False] * (width - len(ids)) for ids, _ in rows]),
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
