"""Sharpness-aware unlearning (Unlearn-Smooth), here with negative preference optimisation: NPO+SAM.

Paper: Fan et al. 2025, "Towards LLM Unlearning Resilient to Relearning Attacks: A Sharpness-Aware Minimization
Perspective and Beyond": take the forget gradient where a small step, the one that a relearner would take, hurts most,

    theta' = theta + rho g / ||g||,   g = grad L_f(theta),
    L(theta) = L_f(theta') + lambda L(D_r; theta),            L: mean negative log-likelihood   (minimised)
    L_f = - (2 / beta) E_{D_f} [ log sigmoid( - beta log( p_theta(y | x) / p_ref(y | x) ) ) ]

Which variant this is, and how it differs:

1. Sharpness-aware minimisation; the paper also smooths by random noise, weight averaging and other means.
2. The second gradient is taken at theta' and used at theta, as in the authors' code: theta' counts as a constant shift.
3. log p(y | x) is the sum over the answer's tokens, its end with them; the authors' WMDP code takes batch means and
   their MUSE code raw logits.
4. AdamW at a constant rate without weight decay.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab.batches import mean_nll, shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of, scores_of_rows

PAPER: dict[str, object] = {"beta": 0.1, "gamma": 1.0, "sam_rho": 0.1, "lr": 1e-5, "batch_size": 4}
SPACE = {"rho": (0.01, 0.1), "learning_rate": (1e-4, 3e-4), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    rho: float = 0.1
    beta: float = 0.5
    retain_weight: float = 5.0
    learning_rate: float = 1e-4
    steps: int = 200
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0 (got {self.beta})")
        if self.rho < 0:
            raise ValueError(f"rho must be at least 0 (got {self.rho}); at 0 the method is plain NPO")


def answer_log_prob(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log p(y | x), the sum over the answer's tokens: (B, T, V), (B, T) -> (B,)."""
    log_p, _ = token_log_probs(logits, labels)  # (B, T - 1), zero where not scored
    return log_p.sum(dim=1)


def npo_loss(log_p: Tensor, log_p_ref: Tensor, beta: float) -> Tensor:
    """Return the preference loss, averaged over answers: (B,), (B,) -> scalar."""
    return -2 / beta * F.logsigmoid(-beta * (log_p - log_p_ref)).mean()


def worst_shift(gradients: list[Tensor], rho: float) -> list[Tensor]:
    """Return rho g / ||g||, the norm being that of all gradients together: tensors -> tensors of the same shapes."""
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return [rho * gradient / norm.clamp(min=1e-12) for gradient in gradients]


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Push the forget answers down in a neighbourhood of the weights; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    log_p_ref = scores_of_rows(model, data.forget, answer_log_prob)
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)
    weights = list(model.parameters())

    def loss() -> Tensor:
        lost = next(forget)

        def forget_gradients() -> list[Tensor]:
            value = npo_loss(answer_log_prob(logits_of(model, lost), lost.labels), log_p_ref[lost.index], hp.beta)
            return list(torch.autograd.grad(value, weights))

        shift = worst_shift(forget_gradients(), hp.rho)
        with torch.no_grad():
            for weight, part in zip(weights, shift, strict=True):
                weight.add_(part)
        gradients = forget_gradients()
        with torch.no_grad():
            for weight, part in zip(weights, shift, strict=True):
                weight.sub_(part)
        # A sum whose gradient is the one taken at the shifted weights.
        total = sum(((g * weight).sum() for g, weight in zip(gradients, weights, strict=True)), torch.zeros(()))
        if hp.retain_weight:
            kept = next(retain)
            total = total + hp.retain_weight * mean_nll(logits_of(model, kept), kept.labels)
        return total

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
