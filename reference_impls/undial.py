"""UNDIAL: self-distillation with adjusted logits.

Paper: Dong et al. 2024, "Unmemorization in Large Language Models via Self-Distillation and Deliberate Imagination"
(later "UNDIAL: Self-Distillation with Adjusted Logits for Robust Unlearning in Large Language Models"): train towards
the model's own distribution with the logit of the memorised token lowered,

    L(theta) = mean_t H( softmax( z_ref,t - beta e_{y_t} ), p_theta(. | x_<t) ),   H: cross-entropy   (minimised)

Which variant this is, and how it differs:

1. Only the tokens of the answer are scored; the authors score every position of a sequence, padding too.
2. No focus on chosen tokens.
3. No retain term, as in the paper.
4. AdamW at a constant rate without weight decay.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"di_strength": 3, "lr_di": 1e-6, "num_epochs_di": 10, "train_batch_size": 64}
SPACE = {"beta": (10.0, 30.0), "learning_rate": (1e-5, 3e-5, 1e-4, 3e-4)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    beta: float = 10.0
    learning_rate: float = 3e-4
    steps: int = 200
    batch_size: int = 32


def undial_loss(logits: Tensor, teacher_logits: Tensor, labels: Tensor, beta: float) -> Tensor:
    """Return the distillation loss, averaged over scored tokens: (B, T, V), (B, T, V), (B, T) -> scalar."""
    targets = labels[:, 1:]  # (B, T - 1)
    scored = targets != IGNORE
    memorised = nn.functional.one_hot(targets.clamp(min=0), logits.shape[-1])  # (B, T - 1, V)
    wanted = (teacher_logits[:, :-1] - beta * memorised).softmax(dim=-1)
    cross_entropy = -(wanted * logits[:, :-1].log_softmax(dim=-1)).sum(dim=-1)  # (B, T - 1)
    return cross_entropy[scored].sum() / scored.sum()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Distil the adjusted teacher on the forget set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    teacher = copy.deepcopy(model).eval().requires_grad_(False)
    forget = shuffled(data.forget, hp.batch_size, seed)

    def loss() -> Tensor:
        batch = next(forget)
        with torch.no_grad():
            teacher_logits = logits_of(teacher, batch)
        return undial_loss(logits_of(model, batch), teacher_logits, batch.labels, hp.beta)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
