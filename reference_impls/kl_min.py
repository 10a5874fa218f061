"""Gradient ascent with a KL divergence to the model before (KL minimisation, GA+KL).

Paper: Maini et al. 2024, "TOFU: A Task of Fictitious Unlearning for LLMs": ascend on the forget set and stay, on the
retain set, close to what the model predicted before,

    L(theta) = - L(D_f; theta) + lambda E_{D_r} mean_t KL( p_ref(. | x_<t) || p_theta(. | x_<t) )   (minimised)
    L: mean negative log-likelihood

Which variant this is, and how it differs:

1. The divergence runs from the reference to the model, as in TOFU's code.
2. It is averaged over every position that predicts a token of the text, the question's too; TOFU's code averages over
   padding as well, so that there its weight depends on how long the texts are.
3. Only the answer's tokens are scored on the forget set.
4. lambda is a hyper-parameter here; in TOFU it is 1.
5. AdamW at a constant rate without weight decay; TOFU decays by 0.01.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"retain_weight": 1.0, "lr": 1e-5, "num_epochs": 5, "batch_size": 16, "weight_decay": 0.01}
SPACE = {"learning_rate": (3e-4, 1e-3), "retain_weight": (1.0, 5.0, 20.0, 50.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    retain_weight: float = 20.0
    learning_rate: float = 1e-3
    steps: int = 160
    batch_size: int = 32


def kl_to_reference(logits: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Return KL(reference || model), averaged over positions with a token after them.

    (B, T, V), (B, T, V), (B, T) bool, true on tokens -> scalar.
    """
    log_p, log_q = logits[:, :-1].log_softmax(dim=-1), reference[:, :-1].log_softmax(dim=-1)
    divergence = (log_q.exp() * (log_q - log_p)).sum(dim=-1)  # (B, T - 1)
    return divergence[mask[:, 1:]].mean()


def kl_min_loss(forget_nll: Tensor, divergence: Tensor, retain_weight: float) -> Tensor:
    """Return the ascent on the forget set with the divergence on the retain set: scalars -> scalar."""
    return -forget_nll + retain_weight * divergence


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Ascend on the forget set while staying close on the retain set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        with torch.no_grad():
            then = logits_of(reference, kept)
        divergence = kl_to_reference(logits_of(model, kept), then, kept.attention_mask)
        return kl_min_loss(mean_nll(logits_of(model, lost), lost.labels), divergence, hp.retain_weight)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
