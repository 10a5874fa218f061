from __future__ import annotations

import math

import pytest
import torch
from by_hand import answers, gradient, module, same
from torch import Tensor


def paper_npo(logits: Tensor, reference: Tensor, wanted: Tensor, beta: float) -> Tensor:
    """The loss of Zhang et al. 2024, with the sequence's probability as the product over its tokens."""
    rows = zip(answers(logits, wanted), answers(reference, wanted), strict=True)
    total = torch.zeros((), dtype=torch.float64)
    for ours, theirs in rows:
        p = torch.exp(torch.stack([torch.zeros((), dtype=torch.float64), *ours]).sum())
        q = torch.exp(torch.stack([torch.zeros((), dtype=torch.float64), *theirs]).sum())
        sigmoid = 1 / (1 + torch.exp(beta * torch.log(p / q)))
        total = total - 2 / beta * torch.log(sigmoid)
    return total / wanted.shape[0]


@pytest.mark.parametrize("beta", [0.05, 0.5, 3.0])
def test_npo(batch: tuple[Tensor, Tensor, Tensor], beta: float) -> None:
    wanted, logits, reference = batch
    logits.requires_grad_()
    ours = module("npo")
    loss = ours.npo_loss(ours.answer_log_prob(logits, wanted), ours.answer_log_prob(reference, wanted), beta)
    same(loss, paper_npo(logits, reference, wanted, beta), logits)


def test_npo_becomes_gradient_ascent_as_beta_vanishes(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Shown in Zhang et al. 2024: L_NPO - (2 / beta) log 2 tends to the ascent on summed likelihoods."""
    wanted, logits, reference = batch
    logits.requires_grad_()
    ours, beta = module("npo"), 1e-6
    log_p_ref = ours.answer_log_prob(reference, wanted)
    loss = ours.npo_loss(ours.answer_log_prob(logits, wanted), log_p_ref, beta)
    ascent = torch.stack([token for row in answers(logits, wanted) for token in row]).sum() / wanted.shape[0]
    torch.testing.assert_close(gradient(loss, logits), gradient(ascent, logits), rtol=1e-4, atol=1e-8)
    limit = ascent - log_p_ref.mean()
    torch.testing.assert_close(loss - 2 / beta * math.log(2), limit, rtol=1e-4, atol=1e-4)


def test_npo_gradient_is_ascent_weighted_by_how_likely_the_answer_still_is() -> None:
    """As Zhang et al. 2024 derive: each answer's gradient is 2 p^beta / (p^beta + q^beta) times that of ascent."""
    log_p, log_q = torch.tensor([-1.0, -20.0], dtype=torch.float64, requires_grad=True), torch.tensor([-2.0, -3.0])
    (found,) = torch.autograd.grad(module("npo").npo_loss(log_p, log_q.double(), 0.7) * 2, log_p)
    p, q = log_p.detach().exp() ** 0.7, log_q.double().exp() ** 0.7
    torch.testing.assert_close(found, 2 * p / (p + q))


def test_npo_is_bounded_below_where_gradient_ascent_is_not() -> None:
    log_q = torch.zeros(1, dtype=torch.float64)
    found = [module("npo").npo_loss(log_q - fall, log_q, 0.1).item() for fall in (0.0, 10.0, 1e3, 1e5)]
    assert found == sorted(found, reverse=True)
    assert found[-1] >= 0
