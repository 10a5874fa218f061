from __future__ import annotations

import math

import torch
from by_hand import V, gradient, log_p, module, paper_mean_nll, same
from torch import Tensor


def test_me_gd(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    mask = torch.ones_like(wanted, dtype=torch.bool)
    mask[-1, wanted.shape[1] // 2 + 1 :] = False
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if mask[row, t]:
                for word in range(V):
                    total = total + 1 / V * (math.log(1 / V) - log_p(logits, row, t, word))
                count += 1
    ours = module("me-gd")
    same(ours.uniform_kl(logits, mask), total / count, logits)
    same(ours.mean_nll(logits, wanted), paper_mean_nll(logits, wanted), logits)


def test_me_gd_gradient_is_softmax_less_uniform() -> None:
    logits = torch.randn(1, 2, V, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    found = gradient(module("me-gd").uniform_kl(logits, torch.ones(1, 2, dtype=torch.bool)), logits)
    torch.testing.assert_close(found[0, 0], logits[0, 0].softmax(-1) - 1 / V)
    assert not found[0, 1].any(), "nothing comes after the last position"
