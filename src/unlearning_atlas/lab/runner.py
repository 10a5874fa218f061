"""One run: a method on a task, beside the model before it and two models retrained without the forgotten data."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from unlearning_atlas.files import cache_folder, write_text
from unlearning_atlas.lab import compute, tasks
from unlearning_atlas.lab.attacks import attack
from unlearning_atlas.lab.measures import Meter, kolmogorov_smirnov, privleak
from unlearning_atlas.lab.models import ROLES, Start, built_in, trained
from unlearning_atlas.lab.registry import Data, implementation
from unlearning_atlas.lab.sources import fingerprint
from unlearning_atlas.lab.tuning import chosen_values

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from unlearning_atlas.lab.task import Task

BEFORE, RETRAINED, AGAIN = "before", "retrained", "retrained again"
USEFUL = 0.9
"""Forget quality counts only while utility is at least this share of the retrained model's."""
CURVE = 10
"""Points on a run's curve."""

Progress = Callable[[str, float], None]
"""Told what is being done and how much of it is, from 0 to 1."""


@dataclass(frozen=True)
class Row:
    """One model's line in the result. Scores lie between 0 and 1; forget quality is log10 of a p-value."""

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
    metrics: dict[str, float]
    """Other measures, by their entries in the catalog."""
    attacks: dict[str, Any]
    """As :func:`unlearning_atlas.lab.attacks.attack` returns them."""


@dataclass(frozen=True)
class Point:
    """Accuracies after some steps, on at most 128 sequences of each set."""

    step: int
    forget: float
    paraphrase: float
    retain: float
    neighbour: float
    world: float


@dataclass(frozen=True)
class Cost:
    """What unlearning took, without the measurements along the curve."""

    forward: float
    """Sequences sent forward through the whole model, or shares of it."""
    backward: float
    """Sequences sent backward."""
    seconds: float
    peak_mib: float | None
    """The process's largest resident size while unlearning; None where the system does not tell."""


@dataclass(frozen=True)
class RunResult:
    """What a run gives."""

    method: str
    task: str
    task_version: int
    seed: int
    model: str
    """``built-in``, or the path of the model that was taken."""
    hyperparameters: dict[str, Any]
    rows: tuple[Row, ...]
    """The model before, the unlearned one, the retrained one, and the second retrained one (the noise floor)."""
    curve: tuple[Point, ...]
    cost: Cost
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


@dataclass(frozen=True)
class Gold:
    """What the retrained model gives others to be compared with."""

    utility: float
    truth_ratios: torch.Tensor
    membership: float
    """Area under the curve of the attack that PrivLeak compares."""


@dataclass(frozen=True)
class Bases:
    """The models of one task and seed that are shared by all methods, as measured."""

    before: Row
    retrained: Row
    again: Row
    gold: Gold


def measure(name: str, model: nn.Module, meter: Meter, seed: int, gold: Gold | None) -> tuple[Row, Gold]:
    """Measure and attack a model; without a gold model it is its own."""
    scores = meter.scores(model)
    metrics = dict(scores.metrics)
    own = Gold(scores.utility, scores.truth_ratios, metrics.pop("min-40"))
    gold = gold or own
    metrics["privleak"] = privleak(own.membership, gold.membership)
    row = Row(
        model=name,
        forget=scores.forget,
        paraphrase=scores.paraphrase,
        retain=scores.retain,
        neighbour=scores.neighbour,
        world=scores.world,
        utility=scores.utility,
        forget_quality=kolmogorov_smirnov(scores.truth_ratios, gold.truth_ratios),
        forget_quality_counts=scores.utility >= USEFUL * gold.utility,
        metrics=metrics,
        attacks=attack(model, meter, seed),
    )
    return row, own


def bases(task: Task, start: Start | None = None, progress: Progress = lambda *_: None) -> Bases:
    """Return the measured models of a task, from the cache or trained and measured now."""
    key = fingerprint("measures", "attacks", "decoding", "models", "training", "batches", "model", "task", "runner")
    of_task = fingerprint(f"tasks/{task.name}", "tasks/world", "tasks/relations")
    start = start or built_in(len(task.tokenizer))
    words = f"{task.name}-{task.seed}-{start.digest()}-{torch.__version__}-{of_task}-{key}"
    file = cache_folder() / "measured" / f"{words.replace('+', '-')}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(file.read_text(encoding="utf-8"))
        gold = found.pop("gold")
        gold["truth_ratios"] = torch.tensor(gold["truth_ratios"])
        for role in ROLES:
            progress(STAGES[role], 1.0)
        return Bases(gold=Gold(**gold), **{name: Row(**row) for name, row in found.items()})
    models = {role: trained(task, role, start, partial(progress, STAGES[role])) for role in ROLES}
    meter = Meter(task)
    progress("measuring these three", 0.0)
    retrained, gold_ = measure(RETRAINED, models["retrained"], meter, task.seed, None)
    progress("measuring these three", 0.33)
    before, _ = measure(BEFORE, models["full"], meter, task.seed, gold_)
    progress("measuring these three", 0.67)
    again, _ = measure(AGAIN, models["retrained again"], meter, task.seed, gold_)
    progress("measuring these three", 1.0)
    result = Bases(before, retrained, again, gold_)
    plain = {name: asdict(row) for name, row in (("before", before), ("retrained", retrained), ("again", again))}
    plain["gold"] = dataclasses.asdict(gold_) | {"truth_ratios": gold_.truth_ratios.tolist()}
    with contextlib.suppress(OSError):  # a read-only or full cache only costs time
        write_text(file, json.dumps(plain))
    return result


def run(
    method: str,
    *,
    root: Path,
    task: str = "authors",
    seed: int = 0,
    model: str | None = None,
    hyperparameters: dict[str, str] | None = None,
    progress: Progress = lambda *_: None,
) -> RunResult:
    """Run a reference implementation and measure what it did.

    Args:
        method: id of a method that has a file in ``reference_impls``.
        root: the folder that holds ``reference_impls`` and ``catalog``.
        task: a name in :data:`unlearning_atlas.lab.tasks.TASKS`.
        seed: decides the task's data, all first weights and all orders.
        model: folder of a Hugging Face causal language model that learns the task in place of the built-in one.
        hyperparameters: values, as text, that replace the lab's own.
        progress: told what is being done.

    Raises:
        UnknownNameError: no such implementation, task or hyper-parameter.
        ValueError: a hyper-parameter's value does not fit, or the model cannot be read or lacks what a method needs.
        DivergedError: the method's loss is no longer a number.
    """
    chosen = implementation(root / "reference_impls", method)
    values = chosen.defaults() | chosen_values(root, method, task) | chosen.parsed(hyperparameters or {})
    chosen.hyperparameters(**values)  # says what is wrong before minutes are spent on training
    data, start = tasks.make(task, seed), None
    if model is not None:
        from unlearning_atlas.lab import hugging_face as hf

        start, data = hf.start(model, data)
    start = start or built_in(len(data.tokenizer))
    with one_thread():
        compared = bases(data, start, progress)
        full = trained(data, "full", start)
        meter = Meter(data)
        curve = [Point(step=0, **meter.matches(full))]
        cost = compute.Cost()
        every = max(1, -(-int(values.get("steps", CURVE)) // CURVE))

        def on_step(step: int, now: nn.Module) -> None:
            progress(f"unlearning with {method}", min(1.0, step / int(values.get("steps", step))))
            if step % every == 0:
                with cost.paused():
                    curve.append(Point(step=step, **meter.matches(now)))

        counted = dataclasses.replace(start, fresh=lambda seed: cost.watch(start.fresh(seed)))
        subject, seen = cost.watch(copy.deepcopy(full)), Data.of(data, counted)
        progress(f"unlearning with {method}", 0.0)
        compute.reset_peak_memory()
        with cost.running(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # for models that drop out at random while they train
            unlearned = chosen.unlearn(subject, seen, seed=seed, on_step=on_step, **values)
        peak = compute.peak_memory()
        progress(f"unlearning with {method}", 1.0)
        progress("measuring", 0.0)
        row, _ = measure(method, unlearned.eval(), meter, seed, compared.gold)
        progress("measuring", 1.0)
    return RunResult(
        method=method,
        task=task,
        task_version=data.version,
        seed=seed,
        model=start.name,
        hyperparameters=values,
        rows=(compared.before, row, compared.retrained, compared.again),
        curve=tuple(curve),
        cost=Cost(round(cost.forward, 1), round(cost.backward, 1), round(cost.seconds, 3), peak and round(peak)),
        torch=torch.__version__,
    )


STAGES = {
    "full": "learning everything",
    "retrained": "retraining without the forget set",
    "retrained again": "retraining once more, for the noise floor",
}
