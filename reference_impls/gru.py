"""Gradient rectified unlearning (GRU), here with gradient ascent: GA+GRU.

Paper: Wang et al. 2025, "GRU: Mitigating the Trade-off between Unlearning and Retention for Large Language Models":
where the unlearning gradient would raise the loss on the retain set, take out the part of it that does,

    g_u = grad [ - L(D_f; theta) ],    g_r = grad L(D_r; theta),    L: mean negative log-likelihood
    m <- mu g_r + (1 - mu) m
    g = g_u - min(0, <g_u, m>) / ||m||^2  m  +  lambda g_r                                    (g is descended)

Which variant this is, and how it differs:

1. The unlearning loss is gradient ascent; the authors rectify other losses too, NPO and weighted ascent among them.
2. lambda = 0 is the authors' GRU, lambda > 0 their option of adding the retain gradient itself.
3. Whole-model gradients of one batch each; no limit on the cosine, an option that is off in the authors' configuration.
4. AdamW at a constant rate without weight decay; the authors decay weights by 0.01. What AdamW makes of a
   gradient need not stay orthogonal to m, here as there.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"moving_avg": 0.8, "lr": 1e-5, "num_epochs": 5, "batch_size": 32, "weight_decay": 0.01}
SPACE = {"learning_rate": (3e-5, 1e-4, 3e-4, 1e-3), "retain_weight": (0.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    moving_average: float = 0.8
    retain_weight: float = 5.0
    learning_rate: float = 3e-4
    steps: int = 80
    batch_size: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.moving_average <= 1:
            raise ValueError(
                f"moving_average must lie above 0 and not above 1 (got {self.moving_average}); "
                "it is the weight of the newest retain gradient"
            )


def rectified(unlearning: list[Tensor], retaining: list[Tensor]) -> list[Tensor]:
    """Return g_u without its part along m where the two point apart: tensors, tensors -> tensors of the same shapes.

    Inner products run over all tensors together.
    """
    inner = torch.stack([(g * m).sum() for g, m in zip(unlearning, retaining, strict=True)]).sum()
    square = torch.stack([m.square().sum() for m in retaining]).sum()
    share = inner.clamp(max=0) / square.clamp(min=1e-30)
    return [g - share * m for g, m in zip(unlearning, retaining, strict=True)]


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Ascend on the forget set where that does not hurt the retain set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)
    weights = list(model.parameters())
    averages = [torch.zeros_like(weight) for weight in weights]

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        unlearning = torch.autograd.grad(-mean_nll(logits_of(model, lost), lost.labels), weights)
        retaining = torch.autograd.grad(mean_nll(logits_of(model, kept), kept.labels), weights)
        for average, g in zip(averages, retaining, strict=True):
            average.lerp_(g, hp.moving_average)
        direction = rectified(list(unlearning), averages)
        if hp.retain_weight:
            direction = [d + hp.retain_weight * g for d, g in zip(direction, retaining, strict=True)]
        # A sum whose gradient is the direction.
        return torch.stack([(d * weight).sum() for d, weight in zip(direction, weights, strict=True)]).sum()

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
