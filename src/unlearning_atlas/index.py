"""The compiled index: what the query interface reads instead of YAML.

One file of JSON lines, made by :mod:`unlearning_atlas.compiler`. Line 1 is the header with the signature of the
sources, line 2 the facet index (a short record of every entry, the tree of every axis, the place of every full entry),
and each further line is one full entry, parsed only when it is asked for. A wheel ships the file; in a checkout it is
kept in the user's cache folder and made again whenever a source or the compiler has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from unlearning_atlas.files import cache_folder, find_root, write_bytes

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = "index.jsonl"
SOURCES = ("taxonomy", "catalog/methods", "catalog/benchmarks", "catalog/metrics")
"""The folders whose files the index is compiled from."""


class Index:
    """A compiled index in memory. Full entries are bytes until :meth:`body` is asked for one."""

    __slots__ = ("_content", "_places", "_start", "axes", "records", "root")

    def __init__(self, root: Path, content: bytes) -> None:
        self.root = root
        self._content = content
        facets = content.index(b"\n") + 1
        self._start = content.index(b"\n", facets) + 1
        data: dict[str, Any] = json.loads(content[facets : self._start])
        self._places: dict[str, dict[str, tuple[int, int]]] = data["places"]
        self.records: dict[str, list[dict[str, Any]]] = data["records"]
        """Kind of entry to its short records, in the order of their ids."""
        self.axes: dict[str, dict[str, str]] = data["axes"]
        """Axis to its terms, each with the term above it or an empty string, in reading order."""

    def body(self, kind: str, id_: str) -> bytes:
        """Return a full entry, or an axis (kind ``"axes"``), as JSON. Raises KeyError when there is none."""
        start, length = self._places[kind][id_]
        return self._content[self._start + start : self._start + start + length]


def assemble(signature: str, facets: dict[str, Any], bodies: dict[str, dict[str, str]]) -> bytes:
    """Put the lines of an index together; ``facets`` gets the place of each body."""
    lines: list[bytes] = []
    places: dict[str, dict[str, tuple[int, int]]] = {}
    start = 0
    for kind, texts in bodies.items():
        places[kind] = {}
        for id_, text in texts.items():
            lines.append(text.encode())
            places[kind][id_] = (start, len(lines[-1]))
            start += len(lines[-1]) + 1
    head = [json.dumps({"signature": signature}), json.dumps({**facets, "places": places}, separators=(",", ":"))]
    return b"\n".join([*(line.encode() for line in head), *lines]) + b"\n"


def open_index(root: Path | None = None) -> Index:
    """Return the index of a root, compiling it if there is none that is fresh.

    Raises CatalogError, with every fault, when the catalog does not hold.
    """
    root = root or find_root()
    shipped = root / SHIPPED
    if shipped.is_file():
        return Index(root, shipped.read_bytes())
    signature = _signature(root)
    cached = cache_folder() / "index" / f"{str(root).strip('/').replace('/', '-')}.jsonl"
    with contextlib.suppress(OSError, ValueError, KeyError):
        content = cached.read_bytes()
        if json.loads(content[: content.index(b"\n")])["signature"] == signature:
            return Index(root, content)

    from unlearning_atlas.compiler import compile_index

    content = compile_index(root, signature)
    with contextlib.suppress(OSError):  # a read-only or full cache only costs time
        write_bytes(cached, content)
    return Index(root, content)


def _signature(root: Path) -> str:
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
