from __future__ import annotations

from by_hand import module, paper_mean_nll, same
from torch import Tensor


def test_idk_sft(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, retain_logits = batch
    logits.requires_grad_()
    ours = module("idk-sft")
    loss = ours.idk_sft_loss(ours.mean_nll(logits, wanted), ours.mean_nll(retain_logits, wanted), 3.0)
    same(loss, paper_mean_nll(logits, wanted) + 3.0 * paper_mean_nll(retain_logits, wanted), logits)
