"""Adaptive representation misdirection for unlearning (adaptive RMU).

Paper: Huu-Tien et al. 2024, "On Effects of Steering Latent Representation for Large Language Model Unlearning": RMU
whose goal is as far out as each token's own state was, times a factor,

    L(theta) = E_{D_f} mean_t || h_theta(x)_t - beta ||h_ref(x)_t|| u ||^2
               + alpha E_{D_r} mean_t || h_theta(x)_t - h_ref(x)_t ||^2,
    u = u' / ||u'||,  u' uniform in [0, 1)^d                                                  (minimised)

Which variant this is, and how it differs:

1. The squares are averaged over the hidden state's components, as in public code, not summed as the norm says.
2. Each token's goal is scaled by the norm of its own state in the frozen model, as the equation says; the authors' code
   takes the mean norm over the first batch and keeps it.
3. Trained are the matrices that write to the residual stream from the feed-forward part of the steered layer and of up
   to two layers below it, as in the authors' code; a model of two layers has fewer.
4. Means run over every token of a text that is not padding, the question's with the answer's.
5. AdamW at a constant rate without weight decay.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import layer, mlp_out, state_at
from unlearning_atlas.lab.batches import shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend

PAPER: dict[str, object] = {"scale": 5, "alpha": 1200, "lr": 5e-5, "layer_id": 7, "max_num_batches": 500}
SPACE = {"layer": (1, 2), "scale": (2.0, 5.0), "learning_rate": (1e-3, 3e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    layer: int = 2
    scale: float = 5.0
    retain_weight: float = 10.0
    learning_rate: float = 1e-3
    steps: int = 120
    batch_size: int = 32


def goals(frozen: Tensor, direction: Tensor, scale: float) -> Tensor:
    """Return each token's goal: (B, T, D), (D,) -> (B, T, D)."""
    lengths: Tensor = frozen.norm(dim=-1, keepdim=True)
    length: Tensor = direction.norm()
    return scale * lengths * direction / length


def mean_square_distance(states: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the squared distance per component, averaged over each text's tokens, then over texts.

    (B, T, D), (B, T, D), (B, T) -> scalar.
    """
    square = (states - target).square().mean(dim=-1)  # (B, T)
    return ((square * mask).sum(dim=1) / mask.sum(dim=1)).mean()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Misdirect one layer on the forget set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    model.requires_grad_(False)
    for number in range(max(1, hp.layer - 2), hp.layer + 1):
        mlp_out(layer(model, number)).weight.requires_grad_(True)
    width = state_at(reference, data.forget.rows(torch.arange(1)), hp.layer).shape[-1]
    direction = torch.rand(width, generator=torch.Generator().manual_seed(seed))
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        with torch.no_grad():
            goal = goals(state_at(reference, lost, hp.layer), direction, hp.scale)
            frozen = state_at(reference, kept, hp.layer)
        away = mean_square_distance(state_at(model, lost, hp.layer), goal, lost.attention_mask)
        near = mean_square_distance(state_at(model, kept, hp.layer), frozen, kept.attention_mask)
        return away + hp.retain_weight * near

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model.requires_grad_(True)
