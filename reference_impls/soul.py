"""Second-order unlearning (SOUL), here with gradient difference: SO-GradDiff.

Paper: Jia et al. 2024, "SOUL: Unlocking the Power of Second-Order Optimization for LLM Unlearning": an unlearning loss
descended with Sophia, which divides the momentum by an estimate of the curvature and clips what comes out,

    g_t = grad [ - L(D_f; theta) + lambda L(D_r; theta) ],     L: mean negative log-likelihood   (minimised)
    m_t = beta1 m_{t-1} + (1 - beta1) g_t,    h_t = beta2 h_{t-1} + (1 - beta2) g_t^2,
    theta_t = theta_{t-1} - eta clip( m_t / (rho B h_t + eps), 1 )

Which variant this is, and how it differs:

1. The loss is gradient difference; the authors also take preference optimisation and the other baselines.
2. h is the running mean of the squared gradient of the loss itself, renewed at every step, with B a constant of 5120,
   as in the authors' code; Sophia's paper estimates it from sampled labels every few steps, B being the batch's size.
3. The momentum is updated once a step; the authors' code updates it twice.
4. The divisor is max(rho B h, eps); the authors' code adds eps to it.
5. No weight decay; the authors decay by 0.1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import DivergedError, OnStep, logits_of

PAPER: dict[str, object] = {"betas": (0.9, 0.95), "rho": 0.04, "weight_decay": 0.1, "lr": 5e-6, "gamma": 2, "epochs": 5}
SPACE = {"learning_rate": (1e-4, 3e-4), "rho": (0.04, 0.004), "retain_weight": (2.0, 5.0)}

SCALE = 5120.0
"""B: the constant that stands for the batch's size in the authors' code."""


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    retain_weight: float = 5.0
    rho: float = 0.04
    beta1: float = 0.9
    beta2: float = 0.95
    learning_rate: float = 1e-4
    steps: int = 160
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.rho <= 0:
            raise ValueError(f"rho must be above 0 (got {self.rho}); it weighs the curvature")


def grad_diff_loss(forget_nll: Tensor, retain_nll: Tensor, retain_weight: float) -> Tensor:
    """Return the difference of the two likelihoods: scalars -> scalar."""
    return -forget_nll + retain_weight * retain_nll


def sophia_update(momentum: Tensor, curvature: Tensor, rho: float, scale: float = SCALE, eps: float = 1e-15) -> Tensor:
    """Return the step before it is multiplied by the rate, each entry between -1 and 1: two tensors -> same shape."""
    return (momentum / (rho * scale * curvature).clamp(min=eps)).clamp(-1, 1)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Take Sophia's steps on the difference of both likelihoods; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)
    weights = list(model.parameters())
    momenta, curvatures = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    model.train()
    for step in range(1, hp.steps + 1):
        lost, kept = next(forget), next(retain)
        forget_nll = mean_nll(logits_of(model, lost), lost.labels)
        loss = grad_diff_loss(forget_nll, mean_nll(logits_of(model, kept), kept.labels), hp.retain_weight)
        if not bool(loss.isfinite()):
            raise DivergedError(f"the loss is {loss.item()} at step {step}; lower learning_rate")
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient, m, h in zip(weights, gradients, momenta, curvatures, strict=True):
                m.lerp_(gradient, 1 - hp.beta1)
                h.lerp_(gradient.square(), 1 - hp.beta2)
                weight.sub_(hp.learning_rate * sophia_update(m, h, hp.rho))
        if on_step is not None:
            on_step(step, model)
    return model.eval()
