"""One run: a method on a task, beside the model before it and two models retrained without the forgotten data."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from unlearning_atlas.faults import UnknownNameError
from unlearning_atlas.lab import tasks
from unlearning_atlas.lab.measures import Meter, Scores, kolmogorov_smirnov
from unlearning_atlas.lab.models import ROLES, trained
from unlearning_atlas.lab.registry import Data, implementation

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

USEFUL = 0.9
"""Forget quality counts only while utility is at least this share of the retrained model's."""
CURVE = 10
"""Points on a run's curve."""

Progress = Callable[[str, float], None]
"""Told what is being done and how much of it is, from 0 to 1."""


@dataclass(frozen=True)
class Row:
    """One model's line in the result. All scores lie between 0 and 1; forget quality is log10 of a p-value."""

    model: str
    forget: float
    paraphrase: float
    retain: float
    neighbour: float
    world: float
    utility: float
    forget_quality: float
    forget_quality_counts: bool
    """False when the model has lost so much utility that its forget quality says nothing."""


@dataclass(frozen=True)
class Point:
    """Exact match after some steps."""

    step: int
    forget: float
    paraphrase: float
    retain: float
    neighbour: float
    world: float


@dataclass(frozen=True)
class RunResult:
    """What a run gives."""

    method: str
    task: str
    task_version: int
    seed: int
    hyperparameters: dict[str, Any]
    rows: tuple[Row, ...]
    """The model before, the unlearned one, the retrained one, and the second retrained one (the noise floor)."""
    curve: tuple[Point, ...]
    seconds: float
    """Wall time of the unlearning alone, without the measurements along the curve."""
    torch: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ready for JSON."""
        return asdict(self)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: for models this small more threads cost time, and sums would depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run(
    method: str,
    *,
    implementations: Path,
    task: str = "authors",
    seed: int = 0,
    hyperparameters: dict[str, str] | None = None,
    progress: Progress = lambda *_: None,
) -> RunResult:
    """Run a reference implementation and measure what it did.

    Args:
        method: id of a method that has a file in ``implementations``.
        implementations: the folder ``reference_impls``.
        task: a name in :data:`unlearning_atlas.lab.tasks.TASKS`.
        seed: decides the task's data, all first weights and all orders.
        hyperparameters: values, as text, that replace the lab's own.
        progress: told what is being done.

    Raises:
        UnknownNameError: no such implementation, task or hyper-parameter.
        ValueError: a hyper-parameter's value does not fit.
    """
    if task not in tasks.TASKS:
        raise UnknownNameError("task", task, tasks.TASKS)
    chosen = implementation(implementations, method)
    values = chosen.defaults() | chosen.parsed(hyperparameters or {})
    chosen.hyperparameters(**values)  # says what is wrong before minutes are spent on training
    with one_thread():
        data = tasks.make(task, seed)
        models = {role: trained(data, role, report=partial(progress, _STAGES[role])) for role in ROLES}
        meter = Meter(data)
        curve, watch = [], _Watch()
        every = max(1, -(-int(values.get("steps", CURVE)) // CURVE))

        def on_step(step: int, model: nn.Module) -> None:
            progress(f"unlearning with {method}", min(1.0, step / int(values.get("steps", step))))
            if step % every == 0:
                with watch.paused():
                    curve.append(Point(step=step, **meter.matches(model)))

        start = Point(step=0, **meter.matches(models["full"]))
        with watch.running():
            unlearned = chosen.unlearn(
                copy.deepcopy(models["full"]),
                Data.of(data),
                seed=seed,
                on_step=on_step,
                **values,
            )
        progress("measuring", 0.0)
        gold = meter.scores(models["retrained"])
        columns = {"before": models["full"], method: unlearned, "retrained": None, "retrained again": models[ROLES[2]]}
        rows = []
        for number, (name, model) in enumerate(columns.items(), 1):
            rows.append(_row(name, gold if model is None else meter.scores(model), gold))
            progress("measuring", number / len(columns))
    return RunResult(
        method=method,
        task=task,
        task_version=data.version,
        seed=seed,
        hyperparameters=values,
        rows=tuple(rows),
        curve=(start, *curve),
        seconds=round(watch.seconds, 3),
        torch=torch.__version__,
    )


_STAGES = {
    "full": "learning everything",
    "retrained": "retraining without the forget set",
    "retrained again": "retraining once more, for the noise floor",
}


def _row(name: str, scores: Scores, gold: Scores) -> Row:
    return Row(
        model=name,
        forget=scores.forget,
        paraphrase=scores.paraphrase,
        retain=scores.retain,
        neighbour=scores.neighbour,
        world=scores.world,
        utility=scores.utility,
        forget_quality=kolmogorov_smirnov(scores.truth_ratios, gold.truth_ratios),
        forget_quality_counts=scores.utility >= USEFUL * gold.utility,
    )


class _Watch:
    """A stopwatch that can be stopped while measurements are taken."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start

    @contextmanager
    def paused(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds -= time.perf_counter() - start
