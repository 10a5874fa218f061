"""Gradient difference (GradDiff).

Paper: Liu et al. 2022, "Continual Learning and Private Unlearning", as Maini et al. 2024 (TOFU) use it:
gradient ascent on the forget set and descent on the retain set, in one loss,

    L(theta) = - L(D_f; theta) + lambda L(D_r; theta),      L: mean negative log-likelihood   (minimised)

Which variant this is, and how it differs:

1. TOFU's: each step pairs a batch of the forget set with one drawn from the retain set; Liu et al. alternate learning
   and unlearning requests over a stream of tasks.
2. The mean over all scored tokens of a batch, on both sides; only the answer's tokens are scored.
3. lambda is a hyper-parameter here; in TOFU it is 1.
4. AdamW at a constant rate without weight decay.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"retain_weight": 1.0, "lr": 1e-5, "epochs": 5, "batch_size": 32}
SPACE = {"learning_rate": (3e-5, 1e-4, 3e-4, 1e-3), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    retain_weight: float = 5.0
    learning_rate: float = 1e-4
    steps: int = 140
    batch_size: int = 32


def grad_diff_loss(forget_nll: Tensor, retain_nll: Tensor, retain_weight: float) -> Tensor:
    """Return the difference of the two likelihoods: scalars -> scalar."""
    return -forget_nll + retain_weight * retain_nll


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Ascend on the forget set and descend on the retain set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        forget_nll = mean_nll(logits_of(model, lost), lost.labels)
        retain_nll = mean_nll(logits_of(model, kept), kept.labels)
        return grad_diff_loss(forget_nll, retain_nll, hp.retain_weight)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
