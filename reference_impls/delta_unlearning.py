"""Offset unlearning (delta-unlearning).

Paper: Huang et al. 2024, "Offset Unlearning for Large Language Models": a model that can only be asked for logits is
unlearned by a small pair of models, the difference of whose logits is added to its own,

    z(x) = z_M(x) + alpha ( z_phi(x) - z_0(x) ),
    L(phi) = - L(D_f; softmax z) + lambda L(D_r; softmax z)                                  (minimised)
    L: mean negative log-likelihood;   phi starts at the frozen small model 0

Which variant this is, and how it differs:

1. The loss is gradient difference; the paper also takes ascent, refusals and KL divergence.
2. The small models are of the large one's own kind and size, since there is none smaller here: they have learnt the
   same task for a share of the steps, so that the large one's knowledge is not all theirs.
3. alpha is 1. AdamW at a constant rate without weight decay.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import Batch, mean_nll, shuffled
from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"alpha": 1.0}
SPACE = {"learning_rate": (3e-5, 1e-4, 3e-4, 1e-3), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    alpha: float = 1.0
    retain_weight: float = 5.0
    share: float = 0.2
    learning_rate: float = 3e-4
    steps: int = 120
    batch_size: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie above 0 and up to 1 (got {self.share})")


def combine(large: Tensor, tuned: Tensor, start: Tensor, alpha: float) -> Tensor:
    """Return the large model's logits with the offset: (..., V) each -> (..., V)."""
    return large + alpha * (tuned - start)


def grad_diff_loss(forget_nll: Tensor, retain_nll: Tensor, retain_weight: float) -> Tensor:
    """Return the difference of the two likelihoods: scalars -> scalar."""
    return -forget_nll + retain_weight * retain_nll


class Offset(Wrapped):
    """The large model with the offset of the small pair; called as the model is."""

    def __init__(self, model: nn.Module, tuned: nn.Module, start: nn.Module, alpha: float) -> None:
        super().__init__(model)
        self.tuned, self.start, self.alpha = tuned, start, alpha

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the logits with the offset; three forward passes, two of them through small models."""
        with torch.no_grad():
            large, start = (
                part(input_ids=input_ids, attention_mask=attention_mask).logits for part in (self.model, self.start)
            )
        tuned: Tensor = self.tuned(input_ids=input_ids, attention_mask=attention_mask).logits
        return combine(large, tuned, start, self.alpha)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Train the offset and return the model with it; the model's weights stay as they are."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    start = data.start.train(_joined(data.remaining, data.forget), seed, share=hp.share).requires_grad_(False)
    tuned = copy.deepcopy(start).requires_grad_(True)
    wrapped = Offset(model, tuned, start, hp.alpha)
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        forget_nll = mean_nll(logits_of(wrapped, lost), lost.labels)
        return grad_diff_loss(forget_nll, mean_nll(logits_of(wrapped, kept), kept.labels), hp.retain_weight)

    def watch(step: int, _: nn.Module) -> None:
        if on_step is not None:
            on_step(step, wrapped)

    descend(tuned, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=watch)
    return wrapped


def _joined(one: Batch, two: Batch) -> Batch:
    """Return the rows of both, the narrower padded on the right as its first padding is."""
    width = max(one.input_ids.shape[1], two.input_ids.shape[1])

    def padded(part: Tensor, value: int) -> Tensor:
        return nn.functional.pad(part, (0, width - part.shape[1]), value=value)

    ids, labels, mask = (
        torch.cat((padded(getattr(one, name), value), padded(getattr(two, name), value)))
        for name, value in (("input_ids", 0), ("labels", -100), ("attention_mask", False))
    )
    return Batch(ids, labels, mask, torch.arange(len(ids)))
