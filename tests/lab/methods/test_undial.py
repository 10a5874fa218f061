from __future__ import annotations

import math

import pytest
import torch
from by_hand import V, gradient, labels, log_p, module, same
from torch import Tensor


@pytest.mark.parametrize("beta", [0.0, 3.0, 30.0])
def test_undial(batch: tuple[Tensor, Tensor, Tensor], beta: float) -> None:
    wanted, logits, teacher = batch
    logits.requires_grad_()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if (token := int(wanted[row, t])) == -100:
                continue
            scores = teacher[row, t - 1].tolist()
            scores[token] -= beta
            mass = sum(math.exp(score) for score in scores)
            for word, score in enumerate(scores):
                total = total - math.exp(score) / mass * log_p(logits, row, t, word)
            count += 1
    same(module("undial").undial_loss(logits, teacher, wanted, beta), total / count, logits)


def test_undial_has_its_least_loss_at_the_adjusted_teacher() -> None:
    wanted, teacher = labels(".12", ".3."), torch.randn(2, 3, V, dtype=torch.float64)
    adjusted = teacher.clone()
    for row, t in ((0, 1), (0, 2), (1, 1)):
        adjusted[row, t - 1, wanted[row, t]] -= 4.0
    adjusted.requires_grad_()
    loss = module("undial").undial_loss(adjusted, teacher, wanted, 4.0)
    torch.testing.assert_close(gradient(loss, adjusted), torch.zeros_like(adjusted), rtol=0, atol=1e-12)
