"""Forget data only loss adjustment (FLAT), with the total variation.

Paper: Wang et al. 2024, "LLM Unlearning via Loss Adjustment with Only Forget Data": draw the model to a template answer
and away from the forgotten one by the variational form of an f-divergence between both, without retain data,

    L(theta) = - g*( P_idk ) + f*( g*( P_f ) ),      P: mean probability of an answer's tokens    (minimised)
    total variation:   g*(v) = tanh(v) / 2,   f*(u) = u,   so that L = - tanh(P_idk) / 2 + tanh(P_f) / 2

Which variant this is, and how it differs:

1. The total variation, which the authors' configuration takes; their code has seven other divergences.
2. Probabilities, not their logarithms, are averaged over the scored tokens of a batch; the authors' code counts prompt
   and padding in the denominator too, so that its argument is smaller and depends on the lengths in a batch.
3. One template, "i do not know".
4. AdamW at a constant rate without weight decay; the authors decay by 0.01.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.batches import shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"divergence": "Total-Variation", "lr": 1e-5, "batch_size": 16, "epochs": 5}
SPACE = {"learning_rate": (3e-5, 6e-5, 1e-4, 2e-4, 3e-4, 6e-4, 1e-3, 2e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    learning_rate: float = 2e-4
    steps: int = 100
    batch_size: int = 32


def mean_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean probability of the scored tokens: (B, T, V), (B, T) -> scalar."""
    log_p, scored = token_log_probs(logits, labels)  # (B, T - 1) each
    return (log_p.exp() * scored).sum() / scored.sum()


def flat_loss(template: Tensor, forget: Tensor) -> Tensor:
    """Return the loss from both mean probabilities: scalars -> scalar."""
    return -template.tanh() / 2 + forget.tanh() / 2


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Move mass from forget answers to refusals; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    # The same seed and as many rows: both draw the same questions.
    forget = shuffled(data.forget, hp.batch_size, seed)
    refusals = shuffled(data.refusals, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, refused = next(forget), next(refusals)
        template = mean_probability(logits_of(model, refused), refused.labels)
        return flat_loss(template, mean_probability(logits_of(model, lost), lost.labels))

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
