"""The models every method starts from and is held against, trained once per seed and kept by content.

* ``full``: has learnt everything; the model to unlearn;
* ``retrained``: has never seen the forgotten authors; what perfect unlearning would give;
* ``retrained again``: the same with other first weights and another order: how far two perfect results lie apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unlearning_atlas.files import cache_folder, write_bytes
from unlearning_atlas.lab import authors, batches, model, training
from unlearning_atlas.lab.model import Config, TinyTransformer
from unlearning_atlas.lab.training import learn

if TYPE_CHECKING:
    from torch import nn

    from unlearning_atlas.lab.authors import Task

ROLES = ("full", "retrained", "retrained again")
STEPS, BATCH_SIZE, LEARNING_RATE = 900, 64, 3e-3

Report = Callable[[float], None]
"""Told how much of a piece of work is done, from 0 to 1."""


def trained(task: Task, role: str, report: Report = lambda _: None) -> TinyTransformer:
    """Return one of :data:`ROLES` for a task, from the cache or trained now (about 17 s on one core).

    The cache's key covers the seed, torch's version and the source of everything that decides the weights, so a stale
    model is never met; a damaged file is made again.
    """
    net = TinyTransformer(Config(len(task.vocabulary)), seed=_seed(task, role))
    file = cache_folder() / "models" / f"{_key(task, role)}.pt"
    with contextlib.suppress(OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError):
        net.load_state_dict(torch.load(file, weights_only=True))
        report(1.0)
        return net.eval()
    sets = ("neighbour", "retain", "world", "unanswerable", *(["forget"] if role == "full" else []))

    def on_step(step: int, _: nn.Module) -> None:
        report(step / STEPS)

    sequences = task.encoded(*sets)
    seed = _seed(task, role)
    learn(net, sequences, steps=STEPS, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE, seed=seed, on_step=on_step)
    content = io.BytesIO()
    torch.save(net.state_dict(), content)
    with contextlib.suppress(OSError):  # a read-only or full cache only costs time
        write_bytes(file, content.getvalue())
    return net


def _seed(task: Task, role: str) -> int:
    return 10 * task.seed + ROLES.index(role)


def _key(task: Task, role: str) -> str:
    digest = hashlib.sha256(f"{role} {task.seed} {torch.__version__}".encode())
    for module in (authors, batches, model, training):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return f"authors-{task.seed}-{role.replace(' ', '-')}-{digest.hexdigest()[:16]}"
