"""Batches and formulas for tests of equality: plain Python over rows and positions, without the lab's own helpers.

A loss equals, in float64, a formula written from its paper token by token, which shares neither code nor shape tricks
with what it checks. The batches hold what goes wrong in practice: prompts, padding on either side, ragged rows, a row
without an answer, answers of one token and of the full length, a batch of one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.registry import implementation

IMPLEMENTATIONS = Path(__file__).resolve().parents[3] / "reference_impls"
V = 7

Changed = Callable[[nn.Module], set[str]]
"""Names the weights of a model, or of the one inside it, that differ from those at the start."""


def labels(*rows: str) -> Tensor:
    """Read rows of labels: a digit is a scored token, a dot is a position that is not scored."""
    return torch.tensor([[-100 if mark == "." else int(mark) for mark in row] for row in rows])


BATCHES = {
    "prompt masked": labels("..123", "..456"),
    "right padding": labels(".12..", "..345"),
    "left padding": labels("...12", ".3456"),
    "row without answer": labels("..12.", "....."),
    "first position scored": labels("01234", "56012"),
    "one answer token": labels("....3", ".2..."),
    "batch of one": labels("..061"),
    "length two": labels(".1", ".2", ".."),
}


def log_p(logits: Tensor, row: int, position: int, token: int) -> Tensor:
    """Return the log-probability of a token at a position, from the logits one position before it."""
    scores = logits[row, position - 1]
    return scores[token] - torch.log(sum((torch.exp(score) for score in scores), torch.zeros((), dtype=scores.dtype)))


def answers(logits: Tensor, wanted: Tensor) -> list[list[Tensor]]:
    """Return each row's log-probabilities of its scored tokens; nothing comes before the first position."""
    return [
        [log_p(logits, row, t, int(wanted[row, t])) for t in range(1, wanted.shape[1]) if wanted[row, t] != -100]
        for row in range(wanted.shape[0])
    ]


def module(id_: str) -> Any:
    import sys

    implementation(IMPLEMENTATIONS, id_)
    return sys.modules[f"unlearning_atlas_reference_{id_.replace('-', '_')}"]


def paper_mean_nll(logits: Tensor, wanted: Tensor) -> Tensor:
    tokens = [token for row in answers(logits, wanted) for token in row]
    return -torch.stack(tokens).sum() / len(tokens)


def gradient(loss: Tensor, logits: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, logits, retain_graph=True)
    assert torch.isfinite(found).all()
    return found


def same(ours: Tensor, paper: Tensor, logits: Tensor) -> None:
    """Compare two losses and their gradients with respect to the logits."""
    torch.testing.assert_close(ours, paper, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradient(ours, logits), gradient(paper, logits), rtol=1e-8, atol=1e-12)


def sums(logits: Tensor, wanted: Tensor) -> list[Tensor]:
    """Return each row's log-probability of its answer, 0 for a row without one."""
    zero = torch.zeros((), dtype=torch.float64)
    return [torch.stack([zero, *row]).sum() for row in answers(logits, wanted)]
