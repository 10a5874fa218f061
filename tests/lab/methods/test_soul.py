from __future__ import annotations

import copy

import pytest
import torch
from by_hand import module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def test_soul(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, retain_logits = batch
    logits.requires_grad_()
    ours = module("soul")
    loss = ours.grad_diff_loss(ours.mean_nll(logits, wanted), ours.mean_nll(retain_logits, wanted), 2.0)
    same(loss, -paper_mean_nll(logits, wanted) + 2.0 * paper_mean_nll(retain_logits, wanted), logits)


@pytest.mark.parametrize("rho", [1e-6, 0.04, 3.0])
def test_soul_updates_as_sophia_does(rho: float) -> None:
    generator = torch.Generator().manual_seed(0)
    momentum = torch.randn(6, generator=generator, dtype=torch.float64)
    curvature = torch.rand(6, generator=generator, dtype=torch.float64) * 1e-3
    curvature[2] = 0.0
    expected = []
    for m, h in zip(momentum.tolist(), curvature.tolist(), strict=True):
        size = min(abs(m) / max(rho * 5120 * h, 1e-15), 1.0)
        expected.append(size if m > 0 else -size)
    found = module("soul").sophia_update(momentum, curvature, rho)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_soul_takes_the_papers_steps(model: TinyTransformer, data: Data) -> None:
    """Two steps by hand on one weight, from gradients taken beforehand."""
    ours = module("soul")
    model = model.double()
    values = {"rho": 1e-5, "beta1": 0.9, "beta2": 0.95, "learning_rate": 1e-3, "retain_weight": 2.0}
    twin = ours.unlearn(copy.deepcopy(model), data, seed=4, steps=2, batch_size=8, **values)
    forget, retain = (ours.shuffled(part, 8, 4) for part in (data.forget, data.retain))
    state = {name: (torch.zeros_like(w), torch.zeros_like(w)) for name, w in model.named_parameters()}
    for _ in range(2):
        lost, kept = next(forget), next(retain)
        loss = -paper_mean_nll(logits_of(model, lost), lost.labels)
        loss = loss + 2.0 * paper_mean_nll(logits_of(model, kept), kept.labels)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        for (name, w), g in zip(model.named_parameters(), gradients, strict=True):
            m, h = state[name]
            m, h = 0.9 * m + 0.1 * g, 0.95 * h + 0.05 * g**2
            state[name] = m, h
            with torch.no_grad():
                w.sub_(1e-3 * torch.clamp(m / torch.clamp(1e-5 * 5120 * h, min=1e-15), -1, 1))
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-9)
