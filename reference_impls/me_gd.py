"""Maximising entropy on the forget set, with gradient descent on the retain set (ME+GD).

Paper: Yuan et al. 2024, "A Closer Look at Machine Unlearning for Large Language Models": make the model guess on what
is to be forgotten, by bringing its predictions close to uniform,

    L(theta) = E_{D_f} mean_t KL( U || p_theta(. | x_<t) ) + lambda L(D_r; theta)             (minimised)
    U: uniform over the vocabulary,  L: mean negative log-likelihood

Which variant this is, and how it differs:

1. The divergence runs from uniform to the model, as in the authors' code: its gradient with respect to the logits is
   (softmax(z) - 1/V) / positions. The model's entropy, by which the method is named, is the divergence the other way.
2. It is averaged over every position that predicts a token of the text, the question's too; the authors' code, which
   masks nothing for this loss, averages over padding as well.
3. Their weight of 0.1 on the forget term is lambda = 10 here: Adam's steps do not depend on a loss's scale.
4. AdamW at a constant rate without weight decay; the authors decay by 0.01.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {
    "forget_coeff": 0.1,
    "regularization_coeff": 1.0,
    "lr": 1e-5,
    "num_epochs": 5,
    "mask": False,
}
SPACE = {"learning_rate": (3e-4, 1e-3), "retain_weight": (0.3, 1.0, 3.0, 10.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    retain_weight: float = 0.3
    learning_rate: float = 3e-4
    steps: int = 200
    batch_size: int = 32


def uniform_kl(logits: Tensor, mask: Tensor) -> Tensor:
    """Return KL(uniform || model), averaged over positions with a token after them.

    (B, T, V), (B, T) bool, true on tokens -> scalar, 0 where every prediction is uniform.
    """
    divergence = -math.log(logits.shape[-1]) - logits[:, :-1].log_softmax(dim=-1).mean(dim=-1)  # (B, T - 1)
    return divergence[mask[:, 1:]].mean()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Flatten the predictions on the forget set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        retain_nll = mean_nll(logits_of(model, kept), kept.labels)
        return uniform_kl(logits_of(model, lost), lost.attention_mask) + hp.retain_weight * retain_nll

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
