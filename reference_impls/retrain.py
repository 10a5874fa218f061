"""Retraining from scratch: the gold standard.

Paper: Cao and Yang 2015, "Towards Making Systems Forget with Machine Unlearning": name as the goal what a system would
be had it never learnt the data; here that model is made, by training anew on all that remains,

    theta = Train( D without D_f )

Which variant this is, and how it differs:

1. What remains is everything the model has learnt but what is to be forgotten, in the same number of steps and with
   the same optimiser; the first weights and the order are those of the given seed.
2. The model that is handed in is not looked at.
"""

from dataclasses import dataclass

from torch import nn

from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep

PAPER: dict[str, object] = {}
SPACE: dict[str, tuple[float, ...]] = {}


@dataclass(frozen=True)
class Hyperparameters:
    """Nothing can be set."""


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Train a model on what remains and return it; ``on_step`` is not called."""
    Hyperparameters(**hyperparameters)
    return data.start.train(data.remaining, seed)
