from __future__ import annotations

import pytest
import torch
from by_hand import answers, gradient, module, paper_mean_nll, same
from torch import Tensor


@pytest.mark.parametrize("alpha", [0.5, 1.0, 5.0])
def test_wga(batch: tuple[Tensor, Tensor, Tensor], alpha: float) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    tokens = [token for row in answers(logits, wanted) for token in row]
    total = torch.zeros((), dtype=torch.float64)
    for token in tokens:
        total = total + torch.exp(token).item() ** alpha * token
    same(module("wga").wga_loss(logits, wanted, alpha), total / len(tokens), logits)


def test_wga_without_weights_is_gradient_ascent(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    same(module("wga").wga_loss(logits, wanted, 0.0), -paper_mean_nll(logits, wanted), logits)


def test_wga_loses_interest_in_what_is_forgotten() -> None:
    """The gradient of an unlikely token vanishes, where that of gradient ascent is largest."""
    wanted = torch.tensor([[-100, 0]])
    sizes = []
    for height in (2.0, -20.0):
        logits = torch.tensor([[[height, 0.0, 0.0], [0.0, 0.0, 0.0]]], dtype=torch.float64, requires_grad=True)
        sizes.append(gradient(module("wga").wga_loss(logits, wanted, 1.0), logits).abs().max().item())
    assert sizes[1] < 1e-6 < sizes[0]
