from __future__ import annotations

import copy

import torch
from by_hand import module, paper_mean_nll, same, sums
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def paper_npo(log_p: list[Tensor], log_q: list[Tensor], beta: float) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for ours, theirs in zip(log_p, log_q, strict=True):
        ratio = (torch.exp(ours) / torch.exp(theirs)) ** beta
        total = total - 2 / beta * torch.log(1 / (1 + ratio))
    return total / len(log_p)


def test_unlearn_smooth(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, reference = batch
    logits.requires_grad_()
    ours = module("unlearn-smooth")
    loss = ours.npo_loss(ours.answer_log_prob(logits, wanted), ours.answer_log_prob(reference, wanted), 0.3)
    same(loss, paper_npo(sums(logits, wanted), sums(reference, wanted), 0.3), logits)


def test_unlearn_smooth_shifts_by_rho_in_the_gradients_direction() -> None:
    gradients = [torch.tensor([3.0, 0.0]), torch.tensor([[0.0], [4.0]])]
    shift = module("unlearn-smooth").worst_shift(gradients, 0.5)
    torch.testing.assert_close(shift[0], torch.tensor([0.3, 0.0]))
    torch.testing.assert_close(shift[1], torch.tensor([[0.0], [0.4]]))


def test_unlearn_smooth_descends_the_gradient_at_the_shifted_weights(model: TinyTransformer, data: Data) -> None:
    """The first step of AdamW goes against the sign of the gradient: of that at theta + rho g / ||g||."""
    ours, model = module("unlearn-smooth"), model.double()
    rho, beta = 0.5, 0.5
    batch = next(ours.shuffled(data.forget, 8, 3))
    reference = sums(logits_of(model, batch).detach(), batch.labels)

    def gradients(at: TinyTransformer) -> list[Tensor]:
        loss = paper_npo(sums(logits_of(at, batch), batch.labels), reference, beta)
        return list(torch.autograd.grad(loss, list(at.parameters())))

    first = gradients(model)
    norm = torch.sqrt(sum(((g**2).sum() for g in first), torch.zeros((), dtype=torch.float64)))
    shifted = copy.deepcopy(model)
    with torch.no_grad():
        for weight, g in zip(shifted.parameters(), first, strict=True):
            weight.add_(rho * g / norm)
    wanted = gradients(shifted)
    after = ours.unlearn(
        copy.deepcopy(model), data, seed=3, steps=1, batch_size=8, rho=rho, beta=beta, retain_weight=0.0,
        learning_rate=1e-3,
    )  # fmt: skip
    for before, now, g, plain in zip(model.parameters(), after.parameters(), wanted, first, strict=True):
        clear = g.abs() > 1e-5
        torch.testing.assert_close((before - now)[clear], 1e-3 * g.sign()[clear], rtol=2e-3, atol=0)
        assert not torch.equal(g, plain)


def test_unlearn_smooth_keeps_the_retain_term_where_the_weights_are(model: TinyTransformer, data: Data) -> None:
    """With a forget batch that has long been forgotten its gradient vanishes, and the retain gradient is left."""
    ours, model = module("unlearn-smooth"), model.double()
    kept = next(ours.shuffled(data.retain, 8, 3))
    loss = paper_mean_nll(logits_of(model, kept), kept.labels)
    wanted = torch.autograd.grad(loss, list(model.parameters()))
    after = ours.unlearn(
        copy.deepcopy(model), data, seed=3, steps=1, batch_size=8, rho=0.0, retain_weight=1e9, learning_rate=1e-3
    )
    for before, now, g in zip(model.parameters(), after.parameters(), wanted, strict=True):
        clear = g.abs() > 1e-5
        torch.testing.assert_close((before - now)[clear], 1e-3 * g.sign()[clear], rtol=2e-3, atol=0)
