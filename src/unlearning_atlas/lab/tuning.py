"""The search behind the lab's hyper-parameters: the same budget for every method, on seeds no result is reported for.

Run ``python -m unlearning_atlas.lab.tuning npo`` to repeat it. A method's file names what is searched in ``SPACE``.
Every configuration is run for the same number of steps, and its curve decides where it would have been stopped.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import product
from statistics import harmonic_mean
from typing import TYPE_CHECKING, Any

from unlearning_atlas.lab.measures import UTILITY_SETS, Meter
from unlearning_atlas.lab.models import trained
from unlearning_atlas.lab.registry import Data, implementation
from unlearning_atlas.lab.runner import one_thread
from unlearning_atlas.lab.tasks import authors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

SEEDS = (100, 101)
BUDGET = 8
"""Configurations per method."""
STEPS, EVERY = 200, 20


@dataclass(frozen=True)
class Trial:
    """One configuration, stopped where it does best."""

    hyperparameters: dict[str, Any]
    score: float
    """Mean over the seeds of (harmonic mean of the kept sets' exact match) x (1 - the forgotten facts' exact match)."""


def search(method: str, implementations: Path) -> list[Trial]:
    """Return the trials of a method, the best first. Raises ValueError when its space is not of the agreed size."""
    chosen = implementation(implementations, method)
    grid = [dict(zip(chosen.space, values, strict=True)) for values in product(*chosen.space.values())]
    if len(grid) != BUDGET:
        raise ValueError(f"{chosen.file.name}: SPACE has {len(grid)} configurations, not {BUDGET}")
    with one_thread():
        tasks = [authors.make(seed) for seed in SEEDS]
        models = [trained(task, "full") for task in tasks]
        meters = [Meter(task) for task in tasks]
        trials = []
        for values in grid:
            scores: dict[int, list[float]] = {}
            for task, model, meter in zip(tasks, models, meters, strict=True):

                def on_step(step: int, model: nn.Module, meter: Meter = meter, scores: Any = scores) -> None:
                    if step % EVERY == 0:
                        scores.setdefault(step, []).append(_score(meter.matches(model)))

                data = Data.of(task)
                chosen.unlearn(copy.deepcopy(model), data, seed=task.seed, on_step=on_step, steps=STEPS, **values)
            step, found = max(scores.items(), key=lambda item: sum(item[1]))
            trials.append(Trial({**values, "steps": step}, sum(found) / len(found)))
    return sorted(trials, key=lambda trial: -trial.score)


def _score(matches: dict[str, float]) -> float:
    kept = harmonic_mean([matches[name] for name in UTILITY_SETS])
    return kept * (1 - max(matches["forget"], matches["paraphrase"]))


if __name__ == "__main__":
    import sys

    from unlearning_atlas.files import find_root

    for trial in search(sys.argv[1], find_root() / "reference_impls"):
        print(f"{trial.score:.3f}  {trial.hyperparameters}")
