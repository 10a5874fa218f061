"""Gradient ascent (GA).

Paper: Jang et al. 2022, "Knowledge Unlearning for Mitigating Privacy Risks in Language Models":
raise the negative log-likelihood of what is to be forgotten,

    L(theta) = sum_t log p_theta(x_t | x_<t)          (minimised)

Which variant this is, and how it differs:

1. The mean over all scored tokens of the batch, as in the authors' code and in TOFU's, not the paper's sum.
2. Only the tokens of the answer are scored, as in TOFU; the authors score every token of a passage.
3. A fixed number of steps; the authors stop when extraction likelihood and memorisation accuracy fall below what unseen
   text has.
4. AdamW at a constant rate without weight decay; the authors use Adam.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.batches import shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"lr": 5e-5, "optimizer": "Adam", "max_epochs": 20}
SPACE = {"learning_rate": (3e-6, 1e-5, 2e-5, 3e-5, 6e-5, 1e-4, 2e-4, 3e-4)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    learning_rate: float = 3e-5
    steps: int = 80
    batch_size: int = 32


def ga_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean log-likelihood of the scored tokens: (B, T, V), (B, T) -> scalar."""
    log_p, scored = token_log_probs(logits, labels)  # (B, T - 1) each
    return log_p.sum() / scored.sum()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Ascend on the forget set; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    forget = shuffled(data.forget, hp.batch_size, seed)

    def loss() -> Tensor:
        batch = next(forget)
        return ga_loss(logits_of(model, batch), batch.labels)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
