"""The models every method starts from and is held against, trained once per seed and kept by content.

* ``full``: has learnt everything; the model to unlearn;
* ``retrained``: has never seen what is to be forgotten; what perfect unlearning would give;
* ``retrained again``: the same with other first weights and another order: how far two perfect results lie apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from unlearning_atlas.files import cache_folder, write_bytes
from unlearning_atlas.lab.model import Config, TinyTransformer
from unlearning_atlas.lab.sources import fingerprint
from unlearning_atlas.lab.training import learn

if TYPE_CHECKING:
    from torch import nn

    from unlearning_atlas.lab.batches import Batch
    from unlearning_atlas.lab.task import Task

ROLES = ("full", "retrained", "retrained again")

Report = Callable[[float], None]
"""Told how much of a piece of work is done, from 0 to 1."""


@dataclass(frozen=True)
class Start:
    """What a task is learnt by: a way to make the model, and how long it learns."""

    name: str
    key: str
    """Changes with everything that decides the weights ``fresh`` gives."""
    fresh: Callable[[int], nn.Module]
    """Takes a seed and returns the model before it has learnt the task."""
    learning_rate: float
    steps: int
    batch_size: int = 64

    def digest(self) -> str:
        """Return 12 hexadecimal digits that change with the model before it has learnt and with how it learns."""
        words = f"{self.key} {self.learning_rate} {self.steps} {self.batch_size}"
        return hashlib.sha256(words.encode()).hexdigest()[:12]

    def train(self, sequences: Batch, seed: int, *, share: float = 1.0, report: Report = lambda _: None) -> nn.Module:
        """Return a fresh model after it has learnt some sequences, in ``share`` of the steps."""
        net = self.fresh(seed)
        steps = max(1, round(self.steps * share))

        def on_step(step: int, _: nn.Module) -> None:
            report(step / steps)

        learn(
            net,
            sequences,
            steps=steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
            on_step=on_step,
        )
        return net


STEPS, LEARNING_RATE = 900, 3e-3


def built_in(vocabulary: int) -> Start:
    """Return the start of the built-in model."""

    def fresh(seed: int) -> nn.Module:
        return TinyTransformer(Config(vocabulary), seed=seed)

    return Start("built-in", f"{fingerprint('model')} {vocabulary}", fresh, LEARNING_RATE, STEPS)


def learnt(task: Task, role: str) -> Batch:
    """Return what the model of a role learns: everything, or everything but what is to be forgotten."""
    return task.encoded("retain", "kept", *(["forget", "buried"] if role == "full" else []))


def trained(task: Task, role: str, start: Start | None = None, report: Report = lambda _: None) -> nn.Module:
    """Return one of :data:`ROLES` for a task, from the cache or trained now (about 17 s on one core).

    The cache's key covers the task, the seed, torch's version and the source of everything that decides the weights,
    so a stale model is never met; a damaged file is made again.
    """
    start = start or built_in(len(task.tokenizer))
    seed = 10 * task.seed + ROLES.index(role)
    file = cache_folder() / "models" / f"{task.name}-{task.seed}-{role.replace(' ', '-')}-{_key(task, role, start)}.pt"
    with contextlib.suppress(OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError):
        state = torch.load(file, weights_only=True)
        net = start.fresh(seed)
        net.load_state_dict(state)
        report(1.0)
        return net.eval()
    net = start.train(learnt(task, role), seed, report=report)
    content = io.BytesIO()
    torch.save(net.state_dict(), content)
    with contextlib.suppress(OSError):  # a read-only or full cache only costs time
        write_bytes(file, content.getvalue())
    return net


def _key(made: Task, role: str, start: Start) -> str:
    words = f"{role} {made.name} {made.seed} {torch.__version__} {start.digest()}"
    code = fingerprint("batches", "task", "training", f"tasks/{made.name}", "tasks/relations", "tasks/world")
    return hashlib.sha256(f"{words} {code}".encode()).hexdigest()[:16]
