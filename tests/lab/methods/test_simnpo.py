from __future__ import annotations

import pytest
import torch
from by_hand import answers, module, same, sums
from torch import Tensor


@pytest.mark.parametrize(("beta", "gamma"), [(2.5, 0.0), (0.3, 0.7)])
def test_simnpo(batch: tuple[Tensor, Tensor, Tensor], beta: float, gamma: float) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for row, log_p_y in zip(answers(logits, wanted), sums(logits, wanted), strict=True):
        inside = -beta / max(len(row), 1) * log_p_y - beta * gamma
        total = total - 2 / beta * torch.log(1 / (1 + torch.exp(-inside)))
    ours = module("simnpo")
    loss = ours.simnpo_loss(ours.mean_answer_log_prob(logits, wanted), beta, gamma)
    same(loss, total / wanted.shape[0], logits)
