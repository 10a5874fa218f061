"""What tests of the lab share: the task ``authors`` with few authors, for promises that hold of any size."""

from __future__ import annotations

import random

import pytest

from unlearning_atlas.lab.task import Fact
from unlearning_atlas.lab.tasks import authors, world

SIZES = {"FORGET": 4, "NEIGHBOUR": 4, "RETAIN": 8, "NEW": 4, "HOLDOUT": 4}


@pytest.fixture
def few_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the task of 4 authors to be forgotten, 8 to be retained and 6 facts of general knowledge."""
    every = world.facts

    def few(chance: random.Random) -> tuple[Fact, ...]:
        return every(chance)[::20]

    monkeypatch.setattr(world, "facts", few)
    for name, size in SIZES.items():
        monkeypatch.setattr(authors, name, size)
