"""Refusal training (IDK, also called preference optimisation or PO).

Paper: Maini et al. 2024, "TOFU: A Task of Fictitious Unlearning for LLMs": train on a refusal in place of every answer
that is to be forgotten,

    L(theta) = E_{x in D_f} [ - log p_theta(y_idk | x) ] + lambda L(D_r; theta)               (minimised)
    L: mean negative log-likelihood

Which variant this is, and how it differs:

1. Both terms are means over the scored tokens of their own batch and lambda weighs the second, as in SOUL's code;
   TOFU's takes one mean over both batches together, in which short refusals count less.
2. One refusal, "i do not know", for every question; TOFU draws one of a hundred.
3. AdamW at a constant rate without weight decay.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"lr": 1e-5, "epochs": 5}
SPACE = {"learning_rate": (3e-5, 1e-4, 3e-4, 1e-3), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    retain_weight: float = 5.0
    learning_rate: float = 3e-4
    steps: int = 60
    batch_size: int = 32


def idk_sft_loss(refusal_nll: Tensor, retain_nll: Tensor, retain_weight: float) -> Tensor:
    """Return the sum of the two likelihoods: scalars -> scalar."""
    return refusal_nll + retain_weight * retain_nll


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Teach refusals to the forget set's questions; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    refusals = shuffled(data.refusals, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        refused, kept = next(refusals), next(retain)
        refusal_nll = mean_nll(logits_of(model, refused), refused.labels)
        retain_nll = mean_nll(logits_of(model, kept), kept.labels)
        return idk_sft_loss(refusal_nll, retain_nll, hp.retain_weight)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
