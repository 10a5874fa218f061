"""Cross-entropy unlearning (CE-U).

Paper: Yang 2025, "CE-U: Cross Entropy Unlearning": train towards the model's own prediction with the right token taken
out of it,

    L(theta) = E_{D_f} mean_t H( q_t, p_theta(. | x_<t) ),    H: cross-entropy                (minimised)
    q_t = softmax( z_t with z_t[y_t] = - infinity ), held constant

Which variant this is, and how it differs:

1. The target is the current model's, not a frozen teacher's, and no gradient flows through it, as in the port of
   OpenUnlearning, the only public code known.
2. ``skip`` tokens at the start of every answer are left alone; that port skips one by default.
3. No retain term, as in the paper.
4. AdamW at a constant rate without weight decay.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"ignore_first_n_answer_tokens": 1, "lr": 1e-5, "epochs": 10}
SPACE = {"learning_rate": (1e-5, 3e-5, 1e-4, 3e-4), "skip": (0, 1)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    skip: int = 0
    learning_rate: float = 1e-4
    steps: int = 100
    batch_size: int = 32


def ce_u_loss(logits: Tensor, labels: Tensor, skip: int) -> Tensor:
    """Return the cross-entropy, averaged over the tokens that count: (B, T, V), (B, T) -> scalar."""
    targets = labels[:, 1:]  # (B, T - 1)
    counts = (targets != IGNORE) & ((targets != IGNORE).cumsum(dim=1) > skip)
    right = nn.functional.one_hot(targets.clamp(min=0), logits.shape[-1]).bool()  # (B, T - 1, V)
    log_p = logits[:, :-1].log_softmax(dim=-1)
    wanted = logits[:, :-1].detach().masked_fill(right, -torch.inf).softmax(dim=-1)
    cross_entropy = -(wanted * log_p).sum(dim=-1)  # (B, T - 1)
    return cross_entropy[counts].sum() / counts.sum().clamp(min=1)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Move the mass of forget tokens to the others; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)

    def loss() -> Tensor:
        batch = next(forget)
        return ce_u_loss(logits_of(model, batch), batch.labels, hp.skip)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
