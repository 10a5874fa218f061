from __future__ import annotations

import pytest
import torch
from by_hand import module, same, sums
from torch import Tensor


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_idk_dpo(batch: tuple[Tensor, Tensor, Tensor], beta: float) -> None:
    """The refusal's batch is another one, as its answers are: here the rows in reverse."""
    wanted, logits, reference = batch
    logits.requires_grad_()
    refusal, refused = wanted.flip(0), logits * 0.5
    refused_reference = reference.flip(0)
    total = torch.zeros((), dtype=torch.float64)
    for win, win_ref, lose, lose_ref in zip(
        sums(refused, refusal),
        sums(refused_reference, refusal),
        sums(logits, wanted),
        sums(reference, wanted),
        strict=True,
    ):
        ratio = (torch.exp(win) / torch.exp(win_ref)) ** beta / (torch.exp(lose) / torch.exp(lose_ref)) ** beta
        total = total - 2 / beta * torch.log(ratio / (1 + ratio))
    ours = module("idk-dpo")
    log_p = ours.answer_log_prob
    loss = ours.dpo_loss(
        log_p(refused, refusal),
        log_p(refused_reference, refusal),
        log_p(logits, wanted),
        log_p(reference, wanted),
        beta,
    )
    same(loss, total / wanted.shape[0], logits)


def test_idk_dpo_without_a_preferred_answer_is_npo() -> None:
    """Zhang et al. 2024 get NPO by leaving the preferred answer out: a refusal that never moves does the same."""
    log_p, log_ref = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    fixed = torch.zeros(5, dtype=torch.float64)
    torch.testing.assert_close(
        module("idk-dpo").dpo_loss(fixed, fixed, log_p, log_ref, 0.3), module("npo").npo_loss(log_p, log_ref, 0.3)
    )
