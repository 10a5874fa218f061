"""Task-vector negation.

Paper: Ilharco et al. 2022, "Editing Models with Task Arithmetic": fine-tune a copy on what is to be forgotten and go as
far the other way,

    tau = theta_ft - theta_0,      theta = theta_0 - lambda tau,
    theta_ft from L(theta) = mean negative log-likelihood on D_f                              (minimised)

Which variant this is, and how it differs:

1. The vector starts at the weights it is subtracted from, as in the paper; some ports take other checkpoints.
2. Every weight takes part.
3. lambda is searched on the tuning seeds; the authors choose it on held-out data of the task.
4. The fine-tuning is AdamW at a constant rate without weight decay.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"scaling_coef": "0.0 to 1.0, chosen on held-out data"}
SPACE = {"scale": (1.0, 3.0, 10.0, 30.0), "learning_rate": (1e-4, 1e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    scale: float = 10.0
    learning_rate: float = 1e-4
    steps: int = 20
    batch_size: int = 32


@torch.no_grad()
def negate(model: nn.Module, start: nn.Module, tuned: nn.Module, scale: float) -> None:
    """Set every weight of ``model`` to start - scale * (tuned - start)."""
    for weight, before, after in zip(model.parameters(), start.parameters(), tuned.parameters(), strict=True):
        weight.copy_(before - scale * (after - before))


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Subtract the forget set's task vector; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    start, tuned = copy.deepcopy(model), copy.deepcopy(model)
    forget = shuffled(data.forget, hp.batch_size, seed)

    def loss() -> Tensor:
        batch = next(forget)
        return mean_nll(logits_of(tuned, batch), batch.labels)

    def watch(step: int, tuned: nn.Module) -> None:
        if on_step is not None:
            negate(model, start, tuned, hp.scale)
            on_step(step, model)

    descend(tuned, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=watch)
    negate(model, start, tuned, hp.scale)
    return model
