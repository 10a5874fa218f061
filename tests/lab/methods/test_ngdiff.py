from __future__ import annotations

import copy
import math

import torch
from by_hand import module, paper_mean_nll
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def vector(gradients: list[Tensor]) -> Tensor:
    """Return a whole-model gradient as one long vector."""
    return torch.cat([g.flatten() for g in gradients])


def paper_ngdiff(forget: list[Tensor], retain: list[Tensor]) -> Tensor:
    """Bu et al. 2024: g_r / ||g_r|| - g_f / ||g_f||, for the whole model's gradients as vectors."""
    f, r = vector(forget), vector(retain)
    return r / math.sqrt(r @ r) - f / math.sqrt(f @ f)


def random_gradients(seed: int, size: float) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) * size for shape in ((3, 2), (4,), (1, 2, 2))]


def test_ngdiff() -> None:
    for seed, size in enumerate((1e-6, 1.0, 1e6)):
        forget, retain = random_gradients(seed, size), random_gradients(seed + 10, 1.0)
        found = module("ngdiff").ngdiff(forget, retain)
        torch.testing.assert_close(vector(found), paper_ngdiff(forget, retain))


def test_ngdiff_lowers_the_retain_loss_and_raises_the_forget_loss_to_first_order() -> None:
    """The paper's reason: whatever the sizes, <g, g_r> >= 0 and <g, g_f> <= 0; a plain difference promises neither."""
    for seed in range(20):
        forget, retain = random_gradients(seed, 10.0 ** (seed - 10)), random_gradients(seed + 50, 1.0)
        g = vector(module("ngdiff").ngdiff(forget, retain))
        assert g @ vector(retain) > 0
        assert g @ vector(forget) < 0


def test_ngdiff_takes_the_papers_steps(model: TinyTransformer, data: Data) -> None:
    """Two steps by hand, through torch's own AdamW."""
    ours, model = module("ngdiff"), model.double()
    after = ours.unlearn(copy.deepcopy(model), data, seed=4, steps=2, batch_size=8, learning_rate=1e-3)
    forget, retain = (ours.shuffled(part, 8, 4) for part in (data.forget, data.retain))
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0)
    for _ in range(2):
        lost, kept = next(forget), next(retain)
        losses = (paper_mean_nll(logits_of(model, part), part.labels) for part in (lost, kept))
        g_f, g_r = (list(torch.autograd.grad(loss, weights)) for loss in losses)
        direction, start = paper_ngdiff(g_f, g_r), 0
        for weight in weights:
            weight.grad = direction[start : start + weight.numel()].view_as(weight)
            start += weight.numel()
        optimizer.step()
    for one, two in zip(weights, after.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)
