"""What tests of the lab share: the task ``authors`` with few authors, for promises that hold of any size."""

from __future__ import annotations

import random
from pathlib import Path

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


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache for all tests of a module."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def shared_models(few_authors: None, one_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train base models once per module; only for tests that learn the same few authors in the same few steps."""
    monkeypatch.setenv("UNLEARNING_ATLAS_CACHE", str(one_cache))
