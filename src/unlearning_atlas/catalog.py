"""The catalog as it lies on disk: every file read, parsed and kept with its position, nothing resolved yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from unlearning_atlas import loading
from unlearning_atlas.files import find_root
from unlearning_atlas.models import ENTRY_MODELS, Axis, Entry, Term
from unlearning_atlas.references import walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from unlearning_atlas.faults import Fault
    from unlearning_atlas.loading import Document
    from unlearning_atlas.models import Ref
    from unlearning_atlas.papers import Paper
    from unlearning_atlas.references import Loc


@dataclass
class Catalog:
    """Every file of a root. ``entries`` and ``axes`` hold what fits its model; ``documents`` holds every YAML file."""

    root: Path
    axes: dict[str, Axis] = field(default_factory=dict)
    entries: dict[str, dict[str, Entry]] = field(default_factory=lambda: {kind: {} for kind in ENTRY_MODELS})
    documents: dict[str, Document] = field(default_factory=dict)
    file_of: dict[tuple[str, str], str] = field(default_factory=dict)
    ids_by_file: dict[str, set[str]] = field(default_factory=dict)

    @property
    def faults(self) -> list[Fault]:
        """Faults met while reading and parsing, of all files."""
        return [fault for document in self.documents.values() for fault in document.faults]

    @cached_property
    def terms(self) -> dict[str, dict[str, tuple[Term, tuple[str, ...]]]]:
        """Axis → term id → the term and the ids above it, nearest last."""
        found: dict[str, dict[str, tuple[Term, tuple[str, ...]]]] = {}
        for name, axis in self.axes.items():
            found[name] = {term.id: (term, above) for term, above in walk_terms(axis.terms)}
        return found

    @cached_property
    def references(self) -> dict[tuple[str, str], list[tuple[Loc, Ref, str]]]:
        """(Kind, id) of an entry → its references, each as (place, mark, value)."""
        return {(kind, id_): list(walk(entry)) for kind, ids in self.entries.items() for id_, entry in ids.items()}

    @cached_property
    def bibliography(self) -> tuple[dict[str, Paper], dict[str, int], list[Fault]]:
        """The papers, the line of each, and the faults of ``references.bib``."""
        from unlearning_atlas.papers import read_bibliography

        return read_bibliography(self.root)

    def allowed_terms(self, axis: str, *, under: str = "", leaf: bool = False) -> list[str]:
        """Return the terms of an axis that may stand where a reference asks for a subtree or for leaves."""
        return [
            id_
            for id_, (term, above) in self.terms.get(axis, {}).items()
            if (not under or under in above) and not (leaf and term.children)
        ]

    def known(self, kind: str) -> set[str]:
        """Return the ids of a kind, those of files that have faults included, so one fault does not cause another."""
        return self.ids_by_file.get(kind, set())


def walk_terms(terms: tuple[Term, ...], above: tuple[str, ...] = ()) -> Iterator[tuple[Term, tuple[str, ...]]]:
    """Yield every term of a tree with the ids of the terms above it, in reading order."""
    for term in terms:
        yield term, above
        yield from walk_terms(term.children, (*above, term.id))


def yaml_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (kind, path) for every file of the vocabulary and the catalog; the kind of a taxonomy file is ``axis``."""
    for kind, folder in (("axis", root / "taxonomy"), *((kind, root / "catalog" / kind) for kind in ENTRY_MODELS)):
        if folder.is_dir():
            yield from ((kind, path) for path in sorted(folder.iterdir()) if path.suffix == ".yaml")


def read_catalog(root: Path | None = None) -> Catalog:
    """Read and parse every YAML file below a root; faults are collected in the documents, none is raised."""
    catalog = Catalog(root or find_root())
    with loading.bulk():
        for kind, path in yaml_files(catalog.root):
            file = path.relative_to(catalog.root).as_posix()
            document = catalog.documents[file] = loading.read(path, file)
            if kind == "axis":
                axis = loading.parse(document, Axis)
                if axis is not None and axis.axis in catalog.axes:
                    other = catalog.file_of["axis", axis.axis]
                    tip = "give one of them another name, or join the files"
                    document.fault(
                        "axis-taken", f"axis {axis.axis!r} stands in {other} too", tip, document.position(("axis",))
                    )
                elif axis is not None:
                    catalog.axes[axis.axis] = axis
                    catalog.file_of["axis", axis.axis] = file
                continue
            catalog.ids_by_file.setdefault(kind, set()).add(path.stem)
            entry = loading.parse(document, ENTRY_MODELS[kind])
            if entry is not None:
                catalog.entries[kind][path.stem] = entry
                catalog.file_of[kind, path.stem] = file
    return catalog
