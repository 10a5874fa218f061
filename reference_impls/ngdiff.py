"""Normalised gradient difference (NGDiff).

Paper: Bu et al. 2024, "Unlearning as multi-task optimization: A normalized gradient difference approach with an
adaptive learning rate": gradient difference with both gradients brought to the same length, so that neither side
outweighs the other however large its loss has become,

    g_f = grad L(D_f; theta),    g_r = grad L(D_r; theta),    L: mean negative log-likelihood
    g = g_r / ||g_r|| - g_f / ||g_f||                                                         (g is descended)

Which variant this is, and how it differs:

1. A constant rate from a grid; the authors' second part, a rate found while training by a quadratic fit of the loss
   along the step (GeN), is left out.
2. The mean over all scored tokens of a batch, on both sides; only the answer's tokens are scored. There is no public
   code to compare with.
3. The norms are those of the whole model's gradients, of one batch each.
4. AdamW without weight decay.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {}
SPACE = {"learning_rate": (3e-5, 6e-5, 1e-4, 2e-4, 3e-4, 6e-4, 1e-3, 2e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    learning_rate: float = 3e-4
    steps: int = 80
    batch_size: int = 32


def normalised(gradients: list[Tensor]) -> list[Tensor]:
    """Return g / ||g||, the norm being that of all gradients together: tensors -> tensors of the same shapes."""
    norm = torch.stack([g.norm() for g in gradients]).norm()
    return [g / norm.clamp(min=1e-30) for g in gradients]


def ngdiff(forget: list[Tensor], retain: list[Tensor]) -> list[Tensor]:
    """Return the direction that is descended: two whole-model gradients -> tensors of the same shapes."""
    return [r - f for f, r in zip(normalised(forget), normalised(retain), strict=True)]


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Ascend on the forget set and descend on the retain set in equal parts; the model is changed in place."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)
    weights = list(model.parameters())

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        forget_gradients = torch.autograd.grad(mean_nll(logits_of(model, lost), lost.labels), weights)
        retain_gradients = torch.autograd.grad(mean_nll(logits_of(model, kept), kept.labels), weights)
        direction = ngdiff(list(forget_gradients), list(retain_gradients))
        # A sum whose gradient is the direction.
        return torch.stack([(d * weight).sum() for d, weight in zip(direction, weights, strict=True)]).sum()

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
