"""NegMerge: negation of the task vectors on whose sign several fine-tunings agree.

Paper: Kim et al. 2024, "NegMerge: Sign-Consensual Weight Merging for Machine Unlearning": fine-tune several copies on
what is to be forgotten, keep the entries of their task vectors on whose sign all agree, and go the other way,

    tau_k = theta_k - theta_0,     theta_k from L(theta) = mean negative log-likelihood on D_f   (minimised)
    tau_i = mean_k tau_{k,i}  if sign(tau_{1,i}) = ... = sign(tau_{K,i}),  else 0,
    theta = theta_0 - lambda tau

Which variant this is, and how it differs:

1. The copies differ in learning rate, spread evenly in the logarithm over a factor of four, and in the order of the
   data; the authors take models of many hyper-parameters from a search.
2. An entry that is 0 in any of the vectors counts as disagreement.
3. Every weight takes part; the fine-tuning is AdamW at a constant rate without weight decay.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import Batch, mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"models": "all of a hyper-parameter search", "lambda": "chosen on held-out data"}
SPACE = {"scale": (1.0, 3.0, 10.0, 30.0), "learning_rate": (1e-4, 1e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    scale: float = 10.0
    models: int = 4
    learning_rate: float = 1e-4
    fine_tuning_steps: int = 20
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.models < 2:
            raise ValueError(f"models must be at least 2 (got {self.models}): a sign needs someone to agree with")


def consensus(vectors: Tensor) -> Tensor:
    """Return the mean over vectors where all have the same sign, and 0 elsewhere: (K, ...) -> (...)."""
    agreed = vectors.sign().sum(dim=0).abs() == len(vectors)
    return vectors.mean(dim=0) * agreed


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Subtract what all fine-tunings share; the model is changed in place and returned, ``on_step`` is not called."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    tuned = []
    for number in range(hp.models):
        subject, forget = copy.deepcopy(model), shuffled(data.forget, hp.batch_size, seed + number)

        def loss(subject: nn.Module = subject, forget: Iterator[Batch] = forget) -> Tensor:
            batch = next(forget)
            return mean_nll(logits_of(subject, batch), batch.labels)

        rate = hp.learning_rate * 4.0 ** (number / (hp.models - 1) - 0.5)
        descend(subject, loss, steps=hp.fine_tuning_steps, learning_rate=rate)
        tuned.append(subject)
    with torch.no_grad():
        for weight, *others in zip(model.parameters(), *(subject.parameters() for subject in tuned), strict=True):
            weight -= hp.scale * consensus(torch.stack(others) - weight)
    return model
