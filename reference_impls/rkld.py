"""Reverse KL divergence distillation (RKLD).

Paper: Wang et al. 2024, "RKLD: Reverse KL-Divergence-based Knowledge Distillation for Unlearning Personal Information
in Large Language Models": a teacher whose logits are lowered where a model that knows the forget set better is surer,

    z_T = z_ref - alpha ReLU( z_strong - z_ref ),
    L(theta) = E_{D_f} mean_t KL( p_theta(. | x_<t) || softmax(z_T) )                         (minimised)
    strong: the model, trained further on D_f with the mean negative log-likelihood

Which variant this is, and how it differs:

1. No official code is known; the teacher's form is equation 1 of the paper.
2. Divergences are averaged over the answer's tokens.
3. No retain term.
4. AdamW at a constant rate without weight decay, for the strengthened model and for the student.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {}
SPACE = {"alpha": (5.0, 20.0), "learning_rate": (3e-5, 1e-4, 3e-4, 1e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    alpha: float = 20.0
    strengthening_steps: int = 40
    learning_rate: float = 1e-4
    steps: int = 120
    batch_size: int = 32


def teacher_logits(reference: Tensor, strong: Tensor, alpha: float) -> Tensor:
    """Return the teacher's logits: (..., V), (..., V) -> (..., V)."""
    return reference - alpha * (strong - reference).relu()


def reverse_kl(logits: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """Return KL(model || teacher), averaged over scored tokens: (B, T, V), (B, T, V), (B, T) -> scalar."""
    log_p, log_q = logits[:, :-1].log_softmax(dim=-1), teacher[:, :-1].log_softmax(dim=-1)
    divergence = (log_p.exp() * (log_p - log_q)).sum(dim=-1)  # (B, T - 1)
    return divergence[labels[:, 1:] != IGNORE].mean()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Distil the weakened teacher on the forget set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reference, strong = copy.deepcopy(model).eval().requires_grad_(False), copy.deepcopy(model)
    learning = shuffled(data.forget, hp.batch_size, seed)

    def strengthening() -> Tensor:
        batch = next(learning)
        return mean_nll(logits_of(strong, batch), batch.labels)

    descend(strong, strengthening, steps=hp.strengthening_steps, learning_rate=1e-3)
    forget = shuffled(data.forget, hp.batch_size, seed)

    def loss() -> Tensor:
        batch = next(forget)
        with torch.no_grad():
            teacher = teacher_logits(logits_of(reference, batch), logits_of(strong, batch), hp.alpha)
        return reverse_kl(logits_of(model, batch), teacher, batch.labels)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
