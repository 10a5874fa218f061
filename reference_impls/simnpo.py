"""Simple negative preference optimisation (SimNPO).

Paper: Fan et al. 2024, "Simplicity Prevails: Rethinking Negative Preference Optimization for LLM Unlearning": negative
preference optimisation with the answer's length in place of the reference model,

    L(theta) = - (2 / beta) E_{(x, y) in D_f} [ log sigmoid( - (beta / |y|) log p_theta(y | x) - gamma ) ]
               + lambda L(D_r; theta),                L: mean negative log-likelihood   (minimised)

Which variant this is, and how it differs:

1. That of the authors' TOFU branch: the margin gamma is multiplied by beta, which at gamma 0, their value and ours, is
   the same. Their WMDP branch takes one mean over the whole batch and their MUSE branch raw logits.
2. |y| counts the scored tokens; the authors count labels before they are shifted, which is the same unless the first
   token of a sequence is scored.
3. lambda weighs the retain term; the authors weigh the forget term instead, by 0.1375 or 0.125, which is lambda of 7 to
   8 at another learning rate.
4. AdamW at a constant rate without weight decay.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab.batches import mean_nll, shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"beta": 2.5, "gamma": 0.0, "npo_coeff": 0.1375, "lr": 1e-5, "epochs": 10}
SPACE = {"beta": (1.0, 4.0), "learning_rate": (1e-4, 3e-4), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    beta: float = 4.0
    gamma: float = 0.0
    retain_weight: float = 1.0
    learning_rate: float = 1e-4
    steps: int = 200
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0 (got {self.beta})")


def mean_answer_log_prob(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log p(y | x) / |y| for each answer, 0 for one without tokens: (B, T, V), (B, T) -> (B,)."""
    log_p, scored = token_log_probs(logits, labels)  # (B, T - 1) each
    return log_p.sum(dim=1) / scored.sum(dim=1).clamp(min=1)


def simnpo_loss(mean_log_p: Tensor, beta: float, gamma: float) -> Tensor:
    """Return the preference loss, averaged over answers: (B,) -> scalar."""
    return -2 / beta * F.logsigmoid(-beta * mean_log_p - beta * gamma).mean()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Push the forget answers down, without a reference; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost = next(forget)
        total = simnpo_loss(mean_answer_log_prob(logits_of(model, lost), lost.labels), hp.beta, hp.gamma)
        if hp.retain_weight:
            kept = next(retain)
            total = total + hp.retain_weight * mean_nll(logits_of(model, kept), kept.labels)
        return total

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
