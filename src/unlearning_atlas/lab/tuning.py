"""The search behind the lab's hyper-parameters: the same budget for every method and task, on a seed of its own.

Every configuration of a method's ``SPACE`` runs for the same number of steps, and its curve decides where it would
have been stopped; one that has wrecked the model is given up, by the same rule for all. What was searched and what was
found is kept in ``catalog/tuning``; a value that was never searched is the one in the method's file.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from functools import cache
from itertools import product
from statistics import harmonic_mean
from typing import TYPE_CHECKING, Any

import torch

from unlearning_atlas.files import write_text
from unlearning_atlas.lab import tasks
from unlearning_atlas.lab.measures import UTILITY_SETS, Meter
from unlearning_atlas.lab.models import trained
from unlearning_atlas.lab.registry import Data, implementation
from unlearning_atlas.lab.training import DivergedError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from unlearning_atlas.lab.registry import Implementation
    from unlearning_atlas.lab.task import Task

SEED = 100
"""No result is reported for it."""
BUDGET = 8
"""Configurations per method and task, at most."""
STEPS = {"authors": 120, "passages": 60, "hazard": 120}
"""Steps that every configuration may take; the forget set of ``passages`` is one batch, which each step sees whole."""
LOOKS = 6
"""How often a curve is looked at, evenly over the steps."""
WRECKED = 0.1
"""A run is given up once the accuracy on what is kept has fallen below this."""


@dataclass(frozen=True)
class Trial:
    """One configuration, stopped where it does best."""

    hyperparameters: dict[str, Any]
    score: float
    """(harmonic mean of the accuracies on what is kept) x (1 - the larger distance of ``forget`` and ``paraphrase`` to
    those of a retrained model); 0 for a run that diverged at once."""


class _GivenUp(Exception):  # noqa: N818  a way out of a run, not an error
    """The model is a wreck."""


def score(matches: dict[str, float], gold: dict[str, float]) -> float:
    """Return a point's score, from 0 to 1; see :class:`Trial`."""
    kept = harmonic_mean([matches[name] for name in UTILITY_SETS])
    return kept * (1 - max(abs(matches[name] - gold[name]) for name in ("forget", "paraphrase")))


def configurations(chosen: Implementation) -> list[dict[str, Any]]:
    """Return what is searched. Raises ValueError when there is more of it than the budget."""
    grid = [dict(zip(chosen.space, values, strict=True)) for values in product(*chosen.space.values())]
    if len(grid) > BUDGET:
        raise ValueError(f"{chosen.file.name}: SPACE has {len(grid)} configurations, more than {BUDGET}")
    return grid


@cache
def _prepared(name: str) -> tuple[Task, nn.Module, Meter, dict[str, float]]:
    task = tasks.make(name, SEED)
    meter = Meter(task)
    return task, trained(task, "full"), meter, meter.matches(trained(task, "retrained"))


def search(chosen: Implementation, name: str) -> list[Trial]:
    """Return the trials of a method on a task, the best first."""
    task, full, meter, gold = _prepared(name)
    every = STEPS[name] // LOOKS
    trials = []
    for values in configurations(chosen):
        scores: dict[int, float] = {}

        def on_step(step: int, model: nn.Module, scores: dict[int, float] = scores) -> None:
            if step % every == 0:
                matches = meter.matches(model)
                scores[step] = score(matches, gold)
                if min(matches[name] for name in UTILITY_SETS) < WRECKED:
                    raise _GivenUp

        steps = {"steps": STEPS[name]} if "steps" in chosen.defaults() else {}
        torch.manual_seed(SEED)
        try:
            after = chosen.unlearn(copy.deepcopy(full), Data.of(task), seed=SEED, on_step=on_step, **values, **steps)
            if not scores:
                trials.append(Trial(values | steps, score(meter.matches(after), gold)))
        except _GivenUp:
            pass
        except DivergedError:
            scores.setdefault(every, 0.0)
        if scores:
            best = max(scores, key=scores.__getitem__)
            trials.append(Trial({**values, "steps": best}, scores[best]))
    return sorted(trials, key=lambda trial: -trial.score)


def tuning_file(root: Path, method: str) -> Path:
    """Return where a method's searches are kept."""
    return root / "catalog" / "tuning" / f"{method}.json"


def _kept(root: Path, method: str) -> dict[str, Any]:
    file = tuning_file(root, method)
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"space": {}, "tasks": {}}
    except json.JSONDecodeError:
        raise ValueError(f"{file}: damaged; delete it, and 'unlearning-atlas bench --tune' searches again") from None
    return found


def chosen_values(root: Path, method: str, task: str) -> dict[str, Any]:
    """Return the values that a search has found for a task; none when there was no search."""
    found: dict[str, Any] = _kept(root, method)["tasks"].get(task, {}).get("chosen", {})
    return found


def searched(root: Path, method: str, task: str) -> bool:
    """Return whether a search of a method's present space is kept for a task."""
    kept = _kept(root, method)
    space = implementation(root / "reference_impls", method).space
    same = kept["space"] == {name: list(values) for name, values in space.items()}
    return same and task in kept["tasks"] and kept["tasks"][task]["steps"] == STEPS[task]


def keep(root: Path, method: str, task: str, trials: list[Trial]) -> None:
    """Write what a search of a task found beside what those of other tasks did; other spaces' are dropped."""
    space = {name: list(values) for name, values in implementation(root / "reference_impls", method).space.items()}
    before = _kept(root, method)
    found = before["tasks"] if before["space"] == space else {}
    found[task] = {
        "steps": STEPS[task],
        "chosen": trials[0].hyperparameters,
        "trials": [{**trial.hyperparameters, "score": round(trial.score, 4)} for trial in trials],
    }
    content = {
        "method": method,
        "seed": SEED,
        "budget": BUDGET,
        "space": space,
        "tasks": dict(sorted(found.items())),
    }
    write_text(tuning_file(root, method), json.dumps(content, indent=1) + "\n")
