from __future__ import annotations

import math

import pytest
import torch
from by_hand import V, gradient, log_p, module, same
from torch import Tensor


@pytest.mark.parametrize("skip", [0, 1])
def test_ce_u(batch: tuple[Tensor, Tensor, Tensor], skip: int) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    total, count = (logits * 0).sum(), 0
    for row in range(wanted.shape[0]):
        answer = [t for t in range(1, wanted.shape[1]) if int(wanted[row, t]) != -100]
        for t in answer[skip:]:
            scores = {word: logits[row, t - 1, word].item() for word in range(V) if word != int(wanted[row, t])}
            mass = sum(math.exp(score) for score in scores.values())
            for word, score in scores.items():
                total = total - math.exp(score) / mass * log_p(logits, row, t, word)
            count += 1
    same(module("ce-u").ce_u_loss(logits, wanted, skip), total / max(count, 1), logits)


def test_ce_u_pushes_the_right_token_down_by_its_probability() -> None:
    """The gradient with respect to the logits is p - q: p on the right token, since q is 0 there."""
    logits = torch.randn(1, 2, V, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    found = gradient(module("ce-u").ce_u_loss(logits, torch.tensor([[-100, 3]]), 0), logits)[0, 0]
    p = logits[0, 0].detach().softmax(-1)
    expected = p - p / (1 - p[3])
    expected[3] = p[3]
    torch.testing.assert_close(found, expected)
