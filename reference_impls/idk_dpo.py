"""Direct preference optimisation against refusals (IdkDPO).

Paper: Maini et al. 2024 (TOFU), with the loss of Rafailov et al.: the refusal "i do not know" as the preferred answer,
the forget answer as the rejected one,

    L(theta) = - (2 / beta) E[ log sigmoid( beta log( p_theta(y_idk | x) / p_ref(y_idk | x) )
                                          - beta log( p_theta(y | x) / p_ref(y | x) ) ) ]
               + lambda L(D_r; theta),                L: mean negative log-likelihood   (minimised)

Which variant this is, and how it differs:

1. The factor 2 / beta is that of the code of NPO and OpenUnlearning; TOFU's own has none.
2. Log-probabilities are sums over the answer's tokens, its end with them.
3. One refusal for every question; TOFU draws one of a hundred.
4. A retain term; TOFU's released branch reads the retain batch and does not use it.
5. AdamW at a constant rate without weight decay.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab.batches import mean_nll, shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of, scores_of_rows

PAPER: dict[str, object] = {"beta": 0.1, "lr": 1e-5, "num_epochs": 5, "batch_size": 16}
SPACE = {"beta": (0.1, 0.5), "learning_rate": (1e-4, 3e-4), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    beta: float = 0.1
    retain_weight: float = 5.0
    learning_rate: float = 1e-4
    steps: int = 60
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0 (got {self.beta})")


def answer_log_prob(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log p(y | x), the sum over the answer's tokens: (B, T, V), (B, T) -> (B,)."""
    log_p, _ = token_log_probs(logits, labels)  # (B, T - 1), zero where not scored
    return log_p.sum(dim=1)


def dpo_loss(win: Tensor, win_ref: Tensor, lose: Tensor, lose_ref: Tensor, beta: float) -> Tensor:
    """Return the preference loss, averaged over pairs: log-probabilities (B,) each -> scalar."""
    return -2 / beta * F.logsigmoid(beta * ((win - win_ref) - (lose - lose_ref))).mean()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Prefer refusals to the forget answers; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    lose_ref = scores_of_rows(model, data.forget, answer_log_prob)
    win_ref = scores_of_rows(model, data.refusals, answer_log_prob)
    # The same seed and as many rows: both draw the same questions.
    forget = shuffled(data.forget, hp.batch_size, seed)
    refusals = shuffled(data.refusals, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lose, win = next(forget), next(refusals)
        lose_now = answer_log_prob(logits_of(model, lose), lose.labels)
        win_now = answer_log_prob(logits_of(model, win), win.labels)
        total = dpo_loss(win_now, win_ref[win.index], lose_now, lose_ref[lose.index], hp.beta)
        if hp.retain_weight:
            kept = next(retain)
            total = total + hp.retain_weight * mean_nll(logits_of(model, kept), kept.labels)
        return total

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
