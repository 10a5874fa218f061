"""The compiled index: what the query interface reads instead of YAML.

One file of JSON lines, made by :mod:`unlearning_atlas.compiler`. Line 1 is the header with the signature of the
sources. Line 2 is what a query needs: ids, the trees of the axes, and for each facet and term the entries it holds for.
Line 3 holds a short record of every entry and the place of every full one, and each further line one full entry; these
are parsed only when they are asked for. A wheel ships the file; in a checkout it is
kept in the user's cache folder and made again whenever a source or the compiler has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from unlearning_atlas.files import cache_folder, data_folder, write_bytes

if TYPE_CHECKING:
    from mmap import mmap
    from pathlib import Path

SHIPPED = "index.jsonl"
SOURCES = (
    *("taxonomy", "catalog/methods", "catalog/benchmarks", "catalog/metrics", "catalog/surveys"),
    "catalog/open_problems",
)
"""The folders whose files the index is compiled from."""

_NEEDS = ("forget_set", "retain_set", "reference_model", "auxiliary_model", "extra_data")

FACETS: dict[str, dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "methods": {
        **{axis: (axis, axis, ()) for axis in ("family", "paradigm", "access_level", "objective", "intervention")},
        **{axis: (axis, axis, ()) for axis in ("target", "modality")},
        "benchmark": ("benchmarks", "benchmarks", ()),
        "survey": ("surveys", "surveys", ()),
        "without": ("without", "", _NEEDS),
        "attack": ("attacks", "metrics", ()),
        "withstood": ("withstood", "metrics", ()),
        "implementation": ("implementation", "", ("faithful", "simplified", "none")),
    },
    "benchmarks": {
        **{axis: (axis, axis, ()) for axis in ("paradigm", "modality", "target")},
        "knowledge": ("knowledge", "", ("fictitious", "real")),
        "metric": ("metrics", "metrics", ()),
    },
    "metrics": {"role": ("role", "", ("measure", "attack")), "group": ("group", "metric_group", ())},
    "surveys": {"form": ("form", "", ("survey", "position")), "modality": ("modality", "modality", ())},
    "open_problems": {
        "method": ("methods", "methods", ()),
        "benchmark": ("benchmarks", "benchmarks", ()),
        "metric": ("metrics", "metrics", ()),
    },
}
"""Kind of entry to its facets, each with the record's column, the axis or kind of entry its values belong to, or else
the values themselves."""


class Index:
    """A compiled index in memory."""

    def __init__(self, root: str, content: bytes | mmap) -> None:
        self.root = root
        """The folder that holds ``catalog/`` and ``taxonomy/``."""
        self._content = content
        query = content.find(b"\n") + 1
        self._records_start = content.find(b"\n", query) + 1
        data: dict[str, Any] = json.loads(content[query : self._records_start])
        self.ids: dict[str, list[str]] = data["ids"]
        """Kind of entry to its ids, sorted."""
        self.masks: dict[str, dict[str, dict[str, str]]] = data["masks"]
        """Kind of entry to facet to term to the entries it holds for, as the bits of a hexadecimal number: the lowest
        bit is the first id's."""
        self.axes: dict[str, dict[str, str]] = data["axes"]
        """Axis to its terms, each with the term above it or an empty string, in reading order."""

    @cached_property
    def _details(self) -> dict[str, Any]:
        details: dict[str, Any] = json.loads(self._content[self._records_start : self._bodies_start])
        return details

    @cached_property
    def _bodies_start(self) -> int:
        return self._content.find(b"\n", self._records_start) + 1

    @property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """Kind of entry to its short records, in the order of their ids."""
        records: dict[str, list[dict[str, Any]]] = self._details["records"]
        return records

    def body(self, kind: str, id_: str) -> bytes:
        """Return a full entry, or an axis (kind ``"axes"``), as JSON. Raises KeyError when there is none."""
        start, length = self._details["places"][kind][id_]
        return self._content[self._bodies_start + start : self._bodies_start + start + length]


def assemble(
    signature: str, query: dict[str, Any], records: dict[str, list[dict[str, Any]]], bodies: dict[str, dict[str, str]]
) -> bytes:
    """Put the lines of an index together, the place of each body with the records."""
    lines: list[bytes] = []
    places: dict[str, dict[str, tuple[int, int]]] = {}
    start = 0
    for kind, texts in bodies.items():
        places[kind] = {}
        for id_, text in texts.items():
            lines.append(text.encode())
            places[kind][id_] = (start, len(lines[-1]))
            start += len(lines[-1]) + 1
    head = ({"signature": signature}, query, {"records": records, "places": places})
    return b"\n".join([*(json.dumps(part, separators=(",", ":")).encode() for part in head), *lines]) + b"\n"


def open_index(root: Path | None = None) -> Index:
    """Return the index of a root, compiling it if there is none that is fresh.

    Raises CatalogError, with every fault, when the catalog does not hold.
    """
    folder = data_folder() if root is None else str(root)
    with contextlib.suppress(FileNotFoundError), open(f"{folder}/{SHIPPED}", "rb") as shipped:  # noqa: PTH123
        from mmap import ACCESS_READ, mmap

        # Mapped, so that a query reads the first lines only; an installed file is replaced, never changed in place.
        return Index(folder, mmap(shipped.fileno(), 0, access=ACCESS_READ))
    signature = _signature(folder)
    cached = cache_folder() / "index" / f"{folder.strip('/').replace('/', '-')}.jsonl"
    with contextlib.suppress(OSError, ValueError, KeyError):
        content = cached.read_bytes()
        if json.loads(content[: content.index(b"\n")])["signature"] == signature:
            return Index(folder, content)

    from pathlib import Path

    from unlearning_atlas.compiler import compile_index

    content = compile_index(Path(folder), signature)
    with contextlib.suppress(OSError):  # a read-only or full cache only costs time
        write_bytes(cached, content)
    return Index(folder, content)


def _signature(root: str) -> str:
    """Name the state of every source file, and of the code that compiles them, by size and time of change."""
    parts = []
    for folder in (*(f"{root}/{source}" for source in SOURCES), os.path.dirname(__file__)):  # noqa: PTH120
        with contextlib.suppress(OSError), os.scandir(folder) as files:
            for file in sorted(files, key=lambda file: file.name):
                if file.name.endswith((".yaml", ".py")):
                    stat = file.stat()
                    parts.append(f"{file.name}:{stat.st_size}:{stat.st_mtime_ns}")
        parts.append("/")
    return ";".join(parts)
