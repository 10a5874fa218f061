"""A small catalog for the tests, and a handle to break it with.

``tests/data/small`` holds three methods, two benchmarks, three metrics, every axis and a bibliography, all of it
invented. A test gets a copy of its own and breaks one thing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from unlearning_atlas import Fault, validate

# Models here are tiny: a second thread would cost more than it gives. Set before anything loads torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SMALL = Path(__file__).parent / "data" / "small"
CHECKOUT = Path(__file__).resolve().parents[1]
CURSOR = "⌖"


class Root:
    """A copy of the small catalog, with edits by text."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def text(self, file: str) -> str:
        """Return a file's text, line breaks as they are."""
        return (self.path / file).read_bytes().decode()

    def write(self, file: str, text: str) -> tuple[int, int]:
        """Write a file; return (line, column) of the cursor in the text, (0, 0) without one."""
        before, cursor, after = text.partition(CURSOR)
        (self.path / file).parent.mkdir(parents=True, exist_ok=True)
        (self.path / file).write_bytes((before + after).encode())
        return (before.count("\n") + 1, len(before) - before.rfind("\n")) if cursor else (0, 0)

    def edit(self, file: str, old: str, new: str) -> tuple[int, int]:
        """Replace a text that stands once in a file; return the cursor's (line, column) in the new text."""
        text = self.text(file)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        return self.write(file, text.replace(old, new))

    def find(self, file: str, text: str) -> tuple[int, int]:
        """Return (line, column) of a text that stands once in a file."""
        before, found, after = self.text(file).partition(text)
        assert found, f"{text!r} does not stand in {file}"
        assert text not in after, f"{text!r} stands more than once in {file}"
        return before.count("\n") + 1, len(before) - before.rfind("\n")

    def faults(self) -> list[Fault]:
        """Validate the copy."""
        return validate(self.path)


@pytest.fixture(autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the cache of compiled indexes away from the user's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("UNLEARNING_ATLAS_CACHE", str(folder))
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Root:
    """Return a copy of the small catalog that can be broken by text edits."""
    shutil.copytree(SMALL, tmp_path / "root", ignore=shutil.ignore_patterns("__pycache__"))
    return Root(tmp_path / "root")


@pytest.fixture
def small_root(small: Root) -> Path:
    """Return the folder of a copy of the small catalog."""
    return small.path


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the folder of this project."""
    return CHECKOUT
