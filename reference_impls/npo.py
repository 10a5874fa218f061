"""Negative preference optimisation (NPO), with a retain term (NPO+RT) or without.

Paper: Zhang et al. 2024, "Negative Preference Optimization: From Catastrophic Collapse to Effective Unlearning":
direct preference optimisation with the forget answer as the rejected side and no preferred one,

    L(theta) = - (2 / beta) E_{(x, y) in D_f} [ log sigmoid( - beta log( p_theta(y | x) / p_ref(y | x) ) ) ]
               + lambda L(D_r; theta),                L: mean negative log-likelihood   (minimised)

Which variant this is, and how it differs:

1. log p(y | x) is the sum over the answer's tokens, as in the paper and the authors' code; some ports take the mean.
2. lambda > 0 is the paper's NPO with a retain term, lambda = 0 plain NPO. The variant with a KL divergence is not here.
3. The answer's tokens are scored and its end with them.
4. AdamW at a constant rate without weight decay; the authors warm up over the first epoch and decay weights by 0.01.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab.batches import mean_nll, shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of, scores_of_rows

PAPER: dict[str, object] = {"beta": 0.1, "retain_weight": 1.0, "lr": 1e-5, "epochs": 10, "batch_size": 32}
SPACE = {"beta": (0.1, 0.5), "learning_rate": (1e-4, 3e-4), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    beta: float = 0.5
    retain_weight: float = 5.0
    learning_rate: float = 1e-4
    steps: int = 200
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0 (got {self.beta}); towards 0 the method becomes gradient ascent")


def answer_log_prob(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log p(y | x), the sum over the answer's tokens: (B, T, V), (B, T) -> (B,)."""
    log_p, _ = token_log_probs(logits, labels)  # (B, T - 1), zero where not scored
    return log_p.sum(dim=1)


def npo_loss(log_p: Tensor, log_p_ref: Tensor, beta: float) -> Tensor:
    """Return the preference loss, averaged over answers: (B,), (B,) -> scalar."""
    return -2 / beta * F.logsigmoid(-beta * (log_p - log_p_ref)).mean()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Push the forget answers below their likelihood at the start; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    log_p_ref = scores_of_rows(model, data.forget, answer_log_prob)
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost = next(forget)
        total = npo_loss(answer_log_prob(logits_of(model, lost), lost.labels), log_p_ref[lost.index], hp.beta)
        if hp.retain_weight:
            kept = next(retain)
            total = total + hp.retain_weight * mean_nll(logits_of(model, kept), kept.labels)
        return total

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
