from __future__ import annotations

from by_hand import module, paper_mean_nll, same
from torch import Tensor


def test_ga(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    same(module("ga").ga_loss(logits, wanted), -paper_mean_nll(logits, wanted), logits)
