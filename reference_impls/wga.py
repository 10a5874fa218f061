"""Weighted gradient ascent (WGA).

Paper: Wang et al. 2025, "Rethinking LLM Unlearning Objectives: A Gradient Perspective and Go Beyond": gradient ascent
in which a token counts the less, the less likely it has become,

    L(theta) = E_{D_f} mean_t w_t log p_theta(y_t | x, y_<t) + lambda L(D_r; theta),
    w_t = p_theta(y_t | x, y_<t)^alpha, held constant;      L: mean negative log-likelihood   (minimised)

Which variant this is, and how it differs:

1. The weighted tokens are averaged over all scored tokens of the batch, as in the authors' code.
2. No gradient flows through the weights. At alpha = 0 the method is gradient difference.
3. The retain term is the mean negative log-likelihood, as OpenUnlearning adds it; the authors' code has none or a
   divergence from the model before. lambda = 0 leaves it out.
4. alpha is 1 in the paper according to OpenUnlearning's notes; the authors' code, which calls it beta, falls back to 5.
5. AdamW at a constant rate without weight decay.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"beta": 5, "lr": 1e-5, "num_epochs": 5, "batch_size": 4, "weight_decay": 0.0}
SPACE = {"alpha": (1.0, 5.0), "learning_rate": (1e-4, 3e-4), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    alpha: float = 5.0
    retain_weight: float = 1.0
    learning_rate: float = 1e-4
    steps: int = 200
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"alpha must be at least 0 (got {self.alpha}); below it unlikely tokens would weigh most")


def wga_loss(logits: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """Return the weighted log-likelihood, averaged over scored tokens: (B, T, V), (B, T) -> scalar."""
    log_p, scored = token_log_probs(logits, labels)  # (B, T - 1) each
    weight = (alpha * log_p.detach()).exp()
    return (weight * log_p).sum() / scored.sum()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Ascend on forget tokens that are still likely; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost = next(forget)
        total = wga_loss(logits_of(model, lost), lost.labels, hp.alpha)
        if hp.retain_weight:
            kept = next(retain)
            total = total + hp.retain_weight * mean_nll(logits_of(model, kept), kept.labels)
        return total

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
