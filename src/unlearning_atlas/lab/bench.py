"""Many runs: methods x tasks x seeds in parallel processes, kept in ``catalog/measurements``.

A result is written, whole, as soon as it is there, by the one process that hands out the work; so an interruption,
kill -9 included, loses no more than what was under way. A result is kept until the code behind it, its
hyper-parameters or torch's version change. The same seed gives the same figures on the same machine with the same
version of torch, to the last bit, times and memory aside; other processors round sums differently, and after hundreds
of steps that shows in the second or third digit.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from unlearning_atlas.faults import UnknownNameError
from unlearning_atlas.files import write_text
from unlearning_atlas.lab import tasks
from unlearning_atlas.lab.registry import available, implementation
from unlearning_atlas.lab.runner import bases, one_thread, run
from unlearning_atlas.lab.sources import fingerprint
from unlearning_atlas.lab.training import DivergedError
from unlearning_atlas.lab.tuning import SEED, Trial, chosen_values, keep, search, searched
from unlearning_atlas.measurements import BASELINE_NAMES, BASELINES, file_of, read, written

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = (0, 1, 2)
BACKENDS = ("loky", "sequential", "dask", "ray")
LAB = (
    "anatomy", "attacks", "batches", "decoding", "measures", "model", "models", "registry", "runner", "task", "training"
)  # fmt: skip
COMPARED = ("forget", "paraphrase", "retain", "neighbour", "world", "utility")

OnResult = Callable[["Job", int, int], None]
"""Told of every job that is done, with how many are and how many there are."""


@dataclass(frozen=True)
class Job:
    """One piece of work: a method on a task and seed, or, with ``baselines`` as the method, the shared models."""

    task: str
    method: str
    seed: int

    def key(self, root: Path) -> str:
        """Return what identifies the result: it changes with everything that decides the figures."""
        of_task = ("tasks/world", "tasks/relations", f"tasks/{self.task}")
        words = f"{torch.__version__} {self.task} {self.seed} {fingerprint(*LAB, *of_task)}"
        if self.method != BASELINES:
            chosen = implementation(root / "reference_impls", self.method)
            values = chosen.defaults() | chosen_values(root, self.method, self.task)
            words += f" {fingerprint(files=(chosen.file,))} {json.dumps(values, sort_keys=True)}"
        return hashlib.sha256(words.encode()).hexdigest()[:16]


def jobs(
    root: Path, methods: list[str] | None = None, names: list[str] | None = None, seeds: tuple[int, ...] = SEEDS
) -> list[Job]:
    """Return all work, baselines first. Raises UnknownNameError for a method or task there is not."""
    known = available(root / "reference_impls")
    for name in methods or ():
        if name not in known:
            raise UnknownNameError("implementation", name, known)
    for name in names or ():
        if name not in tasks.TASKS:
            raise UnknownNameError("task", name, tasks.TASKS)
    chosen = names or list(tasks.TASKS)
    return [Job(task, method, seed) for method in (BASELINES, *(methods or known)) for task in chosen for seed in seeds]


def unfinished(root: Path, todo: list[Job]) -> list[Job]:
    """Return the jobs without a result, or whose result is from other code, values or versions."""
    return [
        job
        for job in todo
        if not any(
            result["seed"] == job.seed and result["key"] == job.key(root)
            for result in read(file_of(root, job.task, job.method))
        )
    ]


def compute(root: Path, job: Job) -> dict[str, Any]:
    """Do a job and return its result as plain data. A method that diverges gives a result that says so."""
    result: dict[str, Any] = {"seed": job.seed, "key": job.key(root)}
    if job.method == BASELINES:
        with one_thread():
            found = bases(tasks.make(job.task, job.seed))
        rows = (found.before, found.retrained, found.again)
        result["rows"] = {name: _rounded(asdict(row)) for name, row in zip(BASELINE_NAMES, rows, strict=True)}
    else:
        done = run(job.method, root=root, task=job.task, seed=job.seed).to_dict()
        result["hyperparameters"] = done["hyperparameters"]
        result["row"] = _rounded(done["rows"][1])
        result["curve"] = _rounded(done["curve"])
        result["cost"] = done["cost"]
    return result | {"made": made(root, job)}


def made(root: Path, job: Job) -> dict[str, Any]:
    """Return by what a result was made: versions, commit and hardware."""
    return {
        "task_version": tasks.make(job.task, job.seed).version,
        "package": version("unlearning-atlas"),
        "commit": _commit(root),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _commit(root: Path) -> str | None:
    """Return the checkout's commit, with + when files of the lab differ from it; None outside a checkout."""
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--", "src", "reference_impls", "catalog/tuning"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed else "")


def _processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _rounded(value: Any) -> Any:
    """Return plain data with six significant digits: what more there is, is noise to a reader."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(part) for part in value]
    return value


def untuned(root: Path, todo: list[Job]) -> list[Job]:
    """Return one job per method and task whose search is missing or was in another space; its seed is the search's."""
    found = []
    for task, method in dict.fromkeys((job.task, job.method) for job in todo if job.method != BASELINES):
        if not searched(root, method, task):
            found.append(Job(task, method, SEED))
    return found


def tune_all(root: Path, todo: list[Job], *, processes: int, backend: str, on_result: OnResult) -> None:
    """Search for each job and keep what is found, as :func:`unlearning_atlas.lab.tuning.keep` does."""
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend=backend, n_jobs=processes):
        found = Parallel(return_as="generator_unordered")(delayed(_search)(root, job) for job in todo)
        for done, (job, trials) in enumerate(found, 1):
            keep(root, job.method, job.task, trials)
            on_result(job, done, len(todo))


def _search(root: Path, job: Job) -> tuple[Job, list[Trial]]:
    with one_thread():
        return job, search(implementation(root / "reference_impls", job.method), job.task)


def bench(root: Path, todo: list[Job], *, processes: int, backend: str, on_result: OnResult) -> list[str]:
    """Do what is unfinished and write each result as it comes; return what failed, one line each.

    Raises OSError when a result cannot be written, and ValueError for a damaged file of measurements.
    """
    left = unfinished(root, todo)
    failed, done = [], 0
    shared = [job for job in left if job.method == BASELINES]
    for part in (shared, [job for job in left if job.method != BASELINES]):  # models first: all runs need them
        for job, result in _in_parallel(root, part, processes, backend):
            done += 1
            if isinstance(result, str):
                failed.append(f"{job.method} on {job.task}, seed {job.seed}: {result}")
            else:
                file = file_of(root, job.task, job.method)
                others = [other for other in read(file) if other["seed"] != job.seed]
                write_text(file, written(job.task, job.method, [*others, result]))
            on_result(job, done, len(left))
    return failed


def _in_parallel(
    root: Path, todo: list[Job], processes: int, backend: str
) -> Iterator[tuple[Job, dict[str, Any] | str]]:
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend=backend, n_jobs=processes):
        yield from Parallel(return_as="generator_unordered")(delayed(_guarded)(root, job) for job in todo)


def _guarded(root: Path, job: Job) -> tuple[Job, dict[str, Any] | str]:
    """Do a job; what is wrong with one method is told and does not end the others."""
    try:
        return job, compute(root, job)
    except (DivergedError, ValueError, RuntimeError) as error:
        return job, str(error)


def check(root: Path, todo: list[Job], *, tolerance: float) -> list[str]:
    """Do jobs again and return every committed figure that does not come out within a tolerance, one line each."""
    found = []
    for job in todo:
        kept = next(
            (result for result in read(file_of(root, job.task, job.method)) if result["seed"] == job.seed), None
        )
        where = f"{job.method} on {job.task}, seed {job.seed}"
        if kept is None:
            found.append(f"{where}: nothing is committed; run 'unlearning-atlas bench --methods {job.method}'")
            continue
        _, again = _guarded(root, job)
        if isinstance(again, str):
            found.append(f"{where}: {again}")
            continue
        old, new = (
            result["rows"] if job.method == BASELINES else {job.method: result["row"]} for result in (kept, again)
        )
        for name, row in old.items():
            for key in COMPARED:
                if not abs(row[key] - new[name][key]) <= tolerance:  # so that no NaN passes
                    found.append(f"{where}: {key} of {name} is {new[name][key]:.4g}, committed {row[key]:.4g}")
    return found
