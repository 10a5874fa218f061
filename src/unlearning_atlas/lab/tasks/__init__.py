"""The tasks, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.faults import UnknownNameError
from unlearning_atlas.lab.tasks import authors, hazard, passages

if TYPE_CHECKING:
    from unlearning_atlas.lab.task import Task

TASKS = {"authors": authors.make, "passages": passages.make, "hazard": hazard.make}


def make(name: str, seed: int) -> Task:
    """Make the task of a name and a seed. The same seed gives the same task everywhere. Raises UnknownNameError."""
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    return TASKS[name](seed)
