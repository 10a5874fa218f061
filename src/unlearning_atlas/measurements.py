"""Figures that the lab has measured, read from ``catalog/measurements`` without torch.

One file per task and method, and one per task, ``baselines.json``, for the models every method is held against: before
unlearning, retrained without the forgotten data, and retrained again. Every line of ``results`` is one seed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

BASELINES = "baselines"
BASELINE_NAMES = ("before", "retrained", "retrained again")
COLUMNS = frozenset(
    (
        *("model", "forget", "paraphrase", "retain", "neighbour", "world", "utility"),
        *("forget_quality", "forget_quality_counts", "metrics", "attacks"),
    )
)
"""What every row has: the fields of :class:`unlearning_atlas.lab.runner.Row`."""


class MeasurementsError(ValueError):
    """A file of measurements is damaged; the message names it and says what to do."""


def folder(root: Path) -> Path:
    """Return where measurements lie."""
    return root / "catalog" / "measurements"


def file_of(root: Path, task: str, method: str) -> Path:
    """Return where the results of a method on a task lie."""
    return folder(root) / task / f"{method}.json"


def read(file: Path) -> list[dict[str, Any]]:
    """Return the results in a file, by seed; none when it does not exist.

    Raises MeasurementsError for one that is damaged.
    """
    try:
        results: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["results"]
        if not all({"seed", "key"} <= result.keys() for result in results):
            raise KeyError("seed")
    except FileNotFoundError:
        return []
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        raise _damaged(file) from None
    return results


def _damaged(file: Path) -> MeasurementsError:
    tip = "delete it, and 'unlearning-atlas bench' measures it again"
    return MeasurementsError(f"{file}: not a file of measurements; {tip}")


def written(task: str, method: str, results: list[dict[str, Any]]) -> str:
    """Return the text of a file of measurements, one line a seed."""
    lines = ",\n".join(f"  {json.dumps(result)}" for result in sorted(results, key=lambda result: result["seed"]))
    return f'{{\n "task": {json.dumps(task)},\n "method": {json.dumps(method)},\n "results": [\n{lines}\n ]\n}}\n'


@dataclass(frozen=True)
class Measured:
    """What was measured of one method, or of one baseline, on one task: one row per seed."""

    name: str
    task: str
    rows: tuple[dict[str, Any], ...]
    """As :class:`unlearning_atlas.lab.runner.Row`, in plain data."""
    runs: tuple[dict[str, Any], ...] = ()
    """The results the rows are from: curve, cost, hyper-parameters and versions; none for a baseline."""
    seeds: tuple[int, ...] = ()
    """The seed of each row."""

    def average(self, key: str) -> float:
        """Return the mean over the seeds of a score or, failing that, of a metric. Raises KeyError."""
        return mean(self.values(key))

    def spread(self, key: str) -> float:
        """Return half the distance between the largest and the smallest value over the seeds."""
        values = self.values(key)
        return (max(values) - min(values)) / 2

    def values(self, key: str) -> list[float]:
        """Return the value of each seed of a score or, failing that, of a metric. Raises KeyError."""
        return [float(row[key] if key in row else row["metrics"][key]) for row in self.rows]

    @cached_property
    def relearning(self) -> list[tuple[int, float]]:
        """The relearning curve, averaged over the seeds: pairs of steps and the score ``forget``."""
        curves = [row["attacks"]["relearning"]["curve"] for row in self.rows]
        return [(points[0][0], mean(share for _, share in points)) for points in zip(*curves, strict=False)]

    @cached_property
    def steps_to_relearn(self) -> float | None:
        """Mean number of steps after which the forgotten is back; None when for some seed it is not."""
        found = [row["attacks"]["relearning"]["steps"] for row in self.rows]
        return None if None in found else mean(found)

    @cached_property
    def curve(self) -> list[dict[str, float]]:
        """The run's curve over steps, averaged over the seeds."""
        return [
            {name: mean(point[name] for point in points) for name in points[0]}
            for points in zip(*(run["curve"] for run in self.runs), strict=False)
        ]

    def cost(self, name: str) -> float | None:
        """Return the mean cost: ``forward``, ``backward``, ``seconds`` or ``peak_mib``; None where it is unknown."""
        found = [run["cost"][name] for run in self.runs]
        return None if None in found or not found else mean(found)


@dataclass(frozen=True)
class Board:
    """All that was measured on one task."""

    task: str
    baselines: dict[str, Measured]
    methods: dict[str, Measured]

    def distance(self, measured: Measured, key: str) -> float:
        """Return how far a method's score lies from the retrained model's, on either side: 0 is best."""
        return abs(measured.average(key) - self.baselines["retrained"].average(key))

    def noise(self, key: str) -> float:
        """Return how far two retrained models lie apart: no method can be told from perfect below it."""
        return self.distance(self.baselines["retrained again"], key)


def boards(root: Path) -> dict[str, Board]:
    """Return a board for every task that has been measured, by name. Raises MeasurementsError."""
    found = {}
    for place in sorted(path for path in folder(root).glob("*") if path.is_dir()):
        shared = read(place / f"{BASELINES}.json")
        if not shared:
            continue
        baselines = {}
        for name in BASELINE_NAMES:
            rows = _rows(place / f"{BASELINES}.json", (result.get("rows", {}).get(name) for result in shared))
            baselines[name] = Measured(name, place.name, rows, seeds=_seeds(shared))
        methods = {}
        for file in sorted(place.glob("*.json")):
            if file.stem != BASELINES and (results := read(file)):
                rows = _rows(file, (result.get("row") for result in results))
                methods[file.stem] = Measured(file.stem, place.name, rows, tuple(results), _seeds(results))
        found[place.name] = Board(place.name, baselines, methods)
    return found


def _rows(file: Path, found: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    """Return rows that have every column. Raises MeasurementsError where one has not, as in a file cut by hand."""
    rows = tuple(found)
    if not all(isinstance(row, dict) and row.keys() >= COLUMNS for row in rows):
        raise _damaged(file)
    return rows


def _seeds(results: list[dict[str, Any]]) -> tuple[int, ...]:
    return tuple(result["seed"] for result in results)
