"""Weight attribution-guided unlearning (WAGLE).

Paper: Jia et al. 2024, "WAGLE: Strategic Weight Attribution for Effective and Modular Unlearning in Large Language
Models": score every weight by how much its removal would change the loss on the forget set once the loss on the retain
set has adapted to it, and let the unlearning loss train the highest-scoring share only,

    s_i = | (theta_i - g_r,i / gamma) g_f,i |,      g_f, g_r: gradients of the mean negative log-likelihood on D_f, D_r
    m_i = 1 for the share p of weights with the largest s_i, else 0
    L(theta) = - L(D_f; theta) + lambda L(D_r; theta),      theta_i trained where m_i = 1     (minimised)

Which variant this is, and how it differs:

1. The unlearning loss is gradient difference, the first of those that the authors put the mask on; the others are NPO
   and training towards refusals.
2. The score's absolute value, as in the authors' code; gamma stands for the diagonal of the retain loss's Hessian.
3. g_f and g_r are means over all scored tokens of a set; the code adds up the means of batches of one, so its gamma
   counts for gradients that are larger by the number of examples.
4. Masked are the gradients, as in the code. AdamW at a constant rate without weight decay, so that weights outside the
   mask stay as they are; the authors' weight decay moves them too.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, Batch, mean_nll, shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import CHUNK, OnStep, descend, logits_of

PAPER: dict[str, object] = {"mask ratio": 0.95, "mu": 1e-6, "gamma": 1.0, "lr": 7e-6, "num_epochs": 5, "batch_size": 1}
SPACE = {"share": (0.2, 0.8), "gamma": (1e-6, 1.0), "learning_rate": (1e-4, 3e-4)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values. ``share`` is p: how many of the weights may be trained."""

    share: float = 0.8
    gamma: float = 1e-6
    retain_weight: float = 5.0
    learning_rate: float = 1e-4
    steps: int = 140
    batch_size: int = 32

    def __post_init__(self) -> None:
        """Refuse a share that is none and a curvature that is not positive."""
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie above 0 and at most at 1 (got {self.share:g})")
        if self.gamma <= 0:
            raise ValueError(f"gamma must be positive (got {self.gamma:g})")


def attribution(weight: Tensor, forget_gradient: Tensor, retain_gradient: Tensor, gamma: float) -> Tensor:
    """Return the score of every weight: three tensors of one shape -> the same shape."""
    return ((weight - retain_gradient / gamma) * forget_gradient).abs()


def highest(scores: list[Tensor], share: float) -> list[Tensor]:
    """Return masks over the share of weights that score highest in all tensors together: shapes -> the same shapes."""
    together = torch.cat([score.flatten() for score in scores])
    mask = torch.zeros_like(together, dtype=torch.bool)
    mask[together.topk(int(share * len(together))).indices] = True
    parts = mask.split([score.numel() for score in scores])  # type: ignore[no-untyped-call]
    return [part.view_as(score) for part, score in zip(parts, scores, strict=True)]


def gradient(model: nn.Module, sequences: Batch) -> list[Tensor]:
    """Return the gradient of a whole set's mean negative log-likelihood, one tensor per weight."""
    total = [torch.zeros_like(weight) for weight in model.parameters()]
    count = int((sequences.labels[:, 1:] != IGNORE).sum())
    for batch in sequences.split(CHUNK):
        nll = -token_log_probs(logits_of(model, batch), batch.labels)[0].sum() / count
        for sum_, part in zip(total, torch.autograd.grad(nll, list(model.parameters())), strict=True):
            sum_ += part
    return total


def grad_diff_loss(forget_nll: Tensor, retain_nll: Tensor, retain_weight: float) -> Tensor:
    """Return the difference of the two likelihoods: scalars -> scalar."""
    return -forget_nll + retain_weight * retain_nll


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Find the weights that count and train those; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    model.eval()
    gradients = zip(gradient(model, data.forget), gradient(model, data.retain), strict=True)
    scores = [
        attribution(weight.detach(), *pair, hp.gamma)
        for weight, pair in zip(model.parameters(), gradients, strict=True)
    ]
    handles = [
        weight.register_hook(mask.mul)  # type: ignore[no-untyped-call]
        for weight, mask in zip(model.parameters(), highest(scores, hp.share), strict=True)
    ]
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        forget_nll = mean_nll(logits_of(model, lost), lost.labels)
        retain_nll = mean_nll(logits_of(model, kept), kept.labels)
        return grad_diff_loss(forget_nll, retain_nll, hp.retain_weight)

    try:
        descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    finally:
        for handle in handles:
            handle.remove()
    return model
