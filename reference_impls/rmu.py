"""Representation misdirection for unlearning (RMU).

Paper: Li et al. 2024, "The WMDP Benchmark: Measuring and Reducing Malicious Use With Unlearning": push the hidden state
of one layer towards a fixed random direction on forget text, and hold it in place on retain text,

    L(theta) = E_{D_f} mean_t || h_theta(x)_t - c u ||^2 + alpha E_{D_r} mean_t || h_theta(x)_t - h_ref(x)_t ||^2,
    u = u' / ||u'||,  u' uniform in [0, 1)^d                                                  (minimised)

Which variant this is, and how it differs:

1. The squares are averaged over the hidden state's components, as in public code, not summed as the norm says.
2. c is given as a multiple of the mean norm of the frozen model's hidden states on the forget set, so that it means
   the same for models of any width; the authors give it as a number.
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

PAPER: dict[str, object] = {"steering_coeff": 6.5, "alpha": 1200, "lr": 5e-5, "layer_id": 7, "max_num_batches": 150}
SPACE = {"layer": (1, 2), "steering": (2.0, 6.0), "learning_rate": (3e-4, 1e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    layer: int = 2
    steering: float = 6.0
    retain_weight: float = 10.0
    learning_rate: float = 1e-3
    steps: int = 120
    batch_size: int = 32


def mean_square_distance(states: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the squared distance per component, averaged over each text's tokens, then over texts.

    (B, T, D), (B, T, D) or (D,), (B, T) -> scalar.
    """
    square = (states - target).square().mean(dim=-1)  # (B, T)
    return ((square * mask).sum(dim=1) / mask.sum(dim=1)).mean()


def rmu_loss(
    lost: Tensor, goal: Tensor, kept: Tensor, frozen: Tensor, masks: tuple[Tensor, Tensor], retain_weight: float
) -> Tensor:
    """Return both terms.

    Hidden states on forget text (``lost``) and on retain text (``kept`` and ``frozen``), each (B, T, D); the goal c u,
    (D,); the masks of forget and retain text, each (B, T) -> scalar.
    """
    return mean_square_distance(lost, goal, masks[0]) + retain_weight * mean_square_distance(kept, frozen, masks[1])


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Misdirect one layer on the forget set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    model.requires_grad_(False)
    for number in range(max(1, hp.layer - 2), hp.layer + 1):
        mlp_out(layer(model, number)).weight.requires_grad_(True)
    with torch.no_grad():
        states = state_at(reference, data.forget, hp.layer)[data.forget.attention_mask]  # (tokens, D)
    direction = torch.rand(states.shape[-1], generator=torch.Generator().manual_seed(seed))
    goal = hp.steering * states.norm(dim=-1).mean() * direction / direction.norm()
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        with torch.no_grad():
            frozen = state_at(reference, kept, hp.layer)
        now = state_at(model, lost, hp.layer), state_at(model, kept, hp.layer)
        return rmu_loss(now[0], goal, now[1], frozen, (lost.attention_mask, kept.attention_mask), hp.retain_weight)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model.requires_grad_(True)
