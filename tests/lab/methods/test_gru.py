from __future__ import annotations

import copy
import math

import pytest
import torch
from by_hand import module, paper_mean_nll
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def dot(one: list[Tensor], two: list[Tensor]) -> float:
    """Return the inner product of two whole-model gradients as that of two long vectors."""
    return float(torch.cat([part.flatten() for part in one]) @ torch.cat([part.flatten() for part in two]))


def paper_rectified(g: list[Tensor], m: list[Tensor]) -> list[Tensor]:
    """Wang et al. 2025: g - <g, m> / ||m||^2 m where <g, m> < 0, and g otherwise."""
    inner = dot(g, m)
    return [a - inner / dot(m, m) * b for a, b in zip(g, m, strict=True)] if inner < 0 else g


def random_gradients(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 2), (4,), (1, 2, 2))]


@pytest.mark.parametrize("seed", range(6))
def test_gru(seed: int) -> None:
    """Six draws, on both sides of orthogonality, each also turned around."""
    g, m = random_gradients(seed), random_gradients(seed + 100)
    for sign in (1.0, -1.0):
        turned = [sign * part for part in m]
        found = module("gru").rectified(g, turned)
        torch.testing.assert_close(found, paper_rectified(g, turned))
        assert dot(found, turned) > -1e-12
        changed = any(not torch.equal(a, b) for a, b in zip(found, g, strict=True))
        assert changed == (dot(g, turned) < 0)


def test_gru_is_the_nearest_gradient_that_does_not_hurt() -> None:
    """The paper's constrained problem: of all g' with <g', m> >= 0, the one nearest to g."""
    g, m = random_gradients(1), random_gradients(2)
    m = [-math.copysign(1.0, dot(g, m)) * part for part in m]
    best = module("gru").rectified(g, m)
    distance = dot([a - b for a, b in zip(best, g, strict=True)], [a - b for a, b in zip(best, g, strict=True)])
    for seed in range(40):
        other = [a + 0.5 * b for a, b in zip(best, random_gradients(seed + 300), strict=True)]
        if dot(other, m) >= 0:
            away = [a - b for a, b in zip(other, g, strict=True)]
            assert dot(away, away) >= distance


@pytest.mark.parametrize("retain_weight", [0.0, 0.7])
def test_gru_takes_the_papers_steps(model: TinyTransformer, data: Data, retain_weight: float) -> None:
    """Two steps by hand, the second with a moving average of both retain gradients, through torch's own AdamW."""
    ours, model = module("gru"), model.double()
    values = {"moving_average": 0.6, "retain_weight": retain_weight, "learning_rate": 1e-3}
    after = ours.unlearn(copy.deepcopy(model), data, seed=4, steps=2, batch_size=8, **values)
    forget, retain = (ours.shuffled(part, 8, 4) for part in (data.forget, data.retain))
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0)
    m = [torch.zeros_like(weight) for weight in weights]
    for _ in range(2):
        lost, kept = next(forget), next(retain)
        g_u = list(torch.autograd.grad(-paper_mean_nll(logits_of(model, lost), lost.labels), weights))
        g_r = list(torch.autograd.grad(paper_mean_nll(logits_of(model, kept), kept.labels), weights))
        m = [0.6 * new + 0.4 * old for new, old in zip(g_r, m, strict=True)]
        assert dot(g_u, m) < 0
        for weight, g, kept_g in zip(weights, paper_rectified(g_u, m), g_r, strict=True):
            weight.grad = g + retain_weight * kept_g
        optimizer.step()
    for one, two in zip(weights, after.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)
