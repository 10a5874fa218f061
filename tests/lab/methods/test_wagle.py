from __future__ import annotations

import pytest
import torch
from by_hand import module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def test_wagle(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, forget, retain = batch
    both = torch.stack((forget, retain)).requires_grad_()
    module_ = module("wagle")
    loss = module_.grad_diff_loss(module_.mean_nll(both[0], wanted), module_.mean_nll(both[1], wanted), 2.5)
    same(loss, -paper_mean_nll(both[0], wanted) + 2.5 * paper_mean_nll(both[1], wanted), both)


@pytest.mark.parametrize("gamma", [1e-6, 0.3, 10.0])
def test_wagle_scores_weights_by_the_product_of_the_formula(gamma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, forget, retain = (torch.randn(2, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    expected = [
        [abs((float(weight[i, j]) - float(retain[i, j]) / gamma) * float(forget[i, j])) for j in range(3)]
        for i in range(2)
    ]
    found = module("wagle").attribution(weight, forget, retain, gamma)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_wagle_score_is_the_change_of_the_forget_loss_of_the_bilevel_problem() -> None:
    """Where its derivation is exact: a linear forget loss and a quadratic retain loss of curvature gamma.

    Removing weight i from where the weights are changes the retain loss's minimiser of that weight from theta - g_r /
    gamma to 0, and the forget loss by g_f times that way.
    """
    gamma, slope = 0.7, torch.tensor([0.5, -2.0, 0.1], dtype=torch.float64)
    theta = torch.tensor([1.0, 0.3, -4.0], dtype=torch.float64, requires_grad=True)
    best = torch.tensor([0.2, -0.9, -3.0], dtype=torch.float64)
    (retain_gradient,) = torch.autograd.grad((gamma / 2 * (theta - best) ** 2).sum(), theta)
    found = module("wagle").attribution(theta.detach(), slope, retain_gradient, gamma)
    for i in range(3):
        without = best.clone()
        without[i] = 0.0
        torch.testing.assert_close(found[i], (slope @ best - slope @ without).abs())


def test_wagle_keeps_the_highest_of_all_tensors_together() -> None:
    scores = [torch.tensor([[0.1, 5.0], [3.0, 0.2]]), torch.tensor([4.0, 0.3, 0.05, 0.0])]
    masks = module("wagle").highest(scores, 0.5)
    assert [mask.tolist() for mask in masks] == [[[False, True], [True, False]], [True, True, False, False]]


def test_wagle_takes_gradients_over_the_whole_set(model: TinyTransformer, data: Data) -> None:
    model = model.double()
    few = data.forget.rows(torch.arange(5))
    expected = torch.autograd.grad(paper_mean_nll(logits_of(model, few), few.labels), list(model.parameters()))
    for found, wanted in zip(module("wagle").gradient(model, few), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-12)
    together = module("wagle").gradient(model, data.retain)  # in more than one part
    assert len(data.retain) > module("wagle").CHUNK
    losses = [
        module("wagle").mean_nll(logits_of(model, part), part.labels) * int((part.labels[:, 1:] != -100).sum())
        for part in data.retain.split(100)
    ]
    mean = torch.stack(losses).sum() / int((data.retain.labels[:, 1:] != -100).sum())
    for found, wanted in zip(together, torch.autograd.grad(mean, list(model.parameters())), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-12)


def test_wagle_trains_the_weights_of_the_mask_only(model: TinyTransformer, data: Data) -> None:
    module_ = module("wagle")
    before = [weight.detach().clone() for weight in model.parameters()]
    pairs = zip(module_.gradient(model, data.forget), module_.gradient(model, data.retain), strict=True)
    scores = [module_.attribution(weight, *pair, 0.01) for weight, pair in zip(before, pairs, strict=True)]
    masks = module_.highest(scores, 0.1)
    after = module_.unlearn(model, data, steps=3, share=0.1, gamma=0.01, learning_rate=1e-3)
    for weight, old, mask in zip(after.parameters(), before, masks, strict=True):
        assert torch.equal(weight[~mask], old[~mask])
    moved = sum(int((weight != old).sum()) for weight, old in zip(after.parameters(), before, strict=True))
    assert moved > 0.9 * sum(int(mask.sum()) for mask in masks)
    after(input_ids=data.forget.input_ids[:2]).logits.sum().backward()  # and lets go of the gradients afterwards
    assert any(bool(weight.grad[~mask].any()) for weight, mask in zip(after.parameters(), masks, strict=True))


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.5}, {"gamma": 0.0}])
def test_wagle_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        module("wagle").Hyperparameters(**wrong)
