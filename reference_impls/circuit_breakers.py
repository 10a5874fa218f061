"""Circuit breakers: representation rerouting.

Paper: Zou et al. 2024, "Improving Alignment and Robustness with Circuit Breakers": turn the hidden states of what is
to be forgotten until they are at right angles to what they were, and hold those of the rest in place,

    L(theta) = c_s(t) E_{D_f} mean ReLU( cos( h_ref(x), h_theta(x) ) )
               + c_r(t) E_{D_r} mean || h_ref(x) - h_theta(x) ||_2                               (minimised)
    c_s = alpha (1 - t / 2T),   c_r = alpha t / 2T,     t: step of T

Which variant this is, and how it differs:

1. Means run over every token of a text that is not padding.
2. Both terms are read at one layer; the authors read the first at two layers and the second at all.
3. The norm is divided by the mean norm of the frozen states on the retain set, so that alpha means the same for models
   of any width.
4. Every weight up to that layer is trained; the authors train low-rank adapters. T is the run's number of steps.
5. AdamW at a constant rate without weight decay.
6. A further weight on the second term, retain_weight, is searched; the authors have none.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab.anatomy import state_at
from unlearning_atlas.lab.batches import shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend

PAPER: dict[str, object] = {"alpha": 10, "target_layers": (10, 20), "steps": 150, "lr": 1e-4, "lora_r": 16}
SPACE = {"layer": (1, 2), "retain_weight": (5.0, 50.0), "learning_rate": (3e-4, 1e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    layer: int = 1
    alpha: float = 10.0
    retain_weight: float = 50.0
    learning_rate: float = 1e-3
    steps: int = 120
    batch_size: int = 32


def rerouting(states: Tensor, frozen: Tensor, mask: Tensor) -> Tensor:
    """Return the positive part of the cosine, averaged over tokens: (B, T, D), (B, T, D), (B, T) bool -> scalar."""
    turned: Tensor = F.cosine_similarity(states, frozen, dim=-1).relu()[mask]
    return turned.mean()


def drift(states: Tensor, frozen: Tensor, mask: Tensor) -> Tensor:
    """Return the distance, averaged over tokens: (B, T, D), (B, T, D), (B, T) bool -> scalar."""
    moved: Tensor = (states - frozen)[mask].norm(dim=-1)
    return moved.mean()


def schedule(step: int, steps: int, alpha: float) -> tuple[float, float]:
    """Return c_s and c_r before a step, counted from 0."""
    progress = step / (2 * steps)
    return alpha * (1 - progress), alpha * progress


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Reroute one layer's states on the forget set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    with torch.no_grad():
        unit = state_at(reference, data.retain, hp.layer)[data.retain.attention_mask].norm(dim=-1).mean()
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)
    done = 0

    def loss() -> Tensor:
        nonlocal done
        lost, kept = next(forget), next(retain)
        with torch.no_grad():
            then = state_at(reference, lost, hp.layer), state_at(reference, kept, hp.layer)
        forgetting, keeping = schedule(done, hp.steps, hp.alpha)
        done += 1
        away = rerouting(state_at(model, lost, hp.layer), then[0], lost.attention_mask)
        near = drift(state_at(model, kept, hp.layer), then[1], kept.attention_mask) / unit
        total: Tensor = forgetting * away + hp.retain_weight * keeping * near
        return total

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
