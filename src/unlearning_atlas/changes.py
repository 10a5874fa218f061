"""What differs between two states of the catalog, field by field, as Markdown for whoever reviews it.

Files are compared as they were written, so a state with faults can be compared too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unlearning_atlas.catalog import read_catalog
from unlearning_atlas.papers import FILE, fields_as_written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from unlearning_atlas.catalog import Catalog

SHOWN = 160
"""Characters of a value that are shown."""
NAMES = (
    *("id", "name", "survey", "target", "symbol", "attack", "setting", "benchmark", "metric", "supports", "source"),
    "text",
)
"""What tells the items of a list apart, the most telling first."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference below an entry: where, and what stood and stands there; None where nothing does."""

    place: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Changes:
    """The differences of two states: whole files by name and, for those that stand in both, what changed in them."""

    added: dict[str, Any]
    removed: dict[str, Any]
    changed: dict[str, list[Change]]
    unreadable: list[str]

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.added or self.removed or self.changed or self.unreadable)


def compare(base: Path, head: Path) -> Changes:
    """Compare the catalogs and the taxonomies below two folders."""
    one, two = read_catalog(base), read_catalog(head)
    unreadable = sorted(
        file
        for file in one.documents.keys() | two.documents.keys()
        if any(file in c.documents and c.documents[file].value is None for c in (one, two))
    )
    before, after = _files(one), _files(two)
    for name in unreadable:
        before.pop(name, None)
        after.pop(name, None)
    # A record with a fault would seem to be gone; where there is no bibliography at all, there are no records.
    if any(fault.rule != "file-unreadable" for catalog in (one, two) for fault in catalog.bibliography[2]):
        unreadable.append(FILE)
    else:
        before, after = before | _records(one), after | _records(two)
    changed = {name: list(_differences(before[name], after[name], "")) for name in after if name in before}
    return Changes(
        added={name: value for name, value in after.items() if name not in before},
        removed={name: value for name, value in before.items() if name not in after},
        changed={name: changes for name, changes in changed.items() if changes},
        unreadable=unreadable,
    )


def _files(catalog: Catalog) -> dict[str, Any]:
    return {file: document.value for file, document in sorted(catalog.documents.items())}


def _records(catalog: Catalog) -> dict[str, Any]:
    papers = sorted(catalog.bibliography[0].items())
    return {f"references.bib: {key}": fields_as_written(paper.bibtex) for key, paper in papers}


def _differences(before: Any, after: Any, place: str) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _differences(before.get(key), after.get(key), f"{place}.{key}" if place else str(key))
    elif isinstance(before, tuple) and isinstance(after, tuple):
        yield from _items(before, after, place)
    else:
        yield Change(place, before, after)


def _items(before: tuple[Any, ...], after: tuple[Any, ...], place: str) -> Iterator[Change]:
    """Compare two lists: items that are equal drop out, those that share a name are compared, the rest came or went."""
    gone = [item for item in before if item not in after]
    come = [item for item in after if item not in before]
    if not gone and not come:
        yield Change(f"{place} (order)", before, after)
    for item in gone:
        label = _label(item)
        successor = next((other for other in come if label and _label(other) == label), None)
        if successor is not None:
            come.remove(successor)
            yield from _differences(item, successor, f"{place}[{label}]")
        else:
            yield Change(f"{place}[{label}]" if label else place, item, None)
    for item in come:
        label = _label(item)
        yield Change(f"{place}[{label}]" if label else place, None, item)


def _label(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    key = next((key for key in NAMES if key in item), "")
    return _shorten(_flat(item[key]), 60) if key else ""


def _flat(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_flat(item)}" for key, item in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(_flat, value))
    return " ".join(str(value).split())


def _shorten(text: str, most: int = SHOWN) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def markdown(changes: Changes) -> str:
    """Return the differences as Markdown. Whatever a file holds is shown as code, so none of it acts."""
    if not changes:
        return "Nothing changes in the catalog.\n"
    counts = [
        f"{len(part)} {what}"
        for part, what in ((changes.added, "added"), (changes.changed, "changed"), (changes.removed, "removed"))
        if part
    ]
    lines = [f"### In the catalog: {', '.join(counts) or 'files that cannot be read'}", ""]
    lines += [f"- **cannot be read**: {code(name)}" for name in changes.unreadable]
    for name in changes.removed:
        tip = " An entry is never deleted: give it `superseded_by`." if name.startswith("catalog/") else ""
        lines.append(f"- **removed** {code(name)}.{tip}")
    for name, value in changes.added.items():
        lines.append(f"- **added** {code(name)}: {_summary(value)}")
    for name, found in changes.changed.items():
        lines.append(f"- **changed** {code(name)}")
        lines += [f"  - {code(change.place)}: {_change(change)}" for change in found]
    return "\n".join(lines) + "\n"


def _summary(value: Mapping[str, Any]) -> str:
    """Say of something new what it is: its short values, and how much of its evidence was read."""
    if not isinstance(value, dict):
        return code(_shorten(_flat(value)))
    short = [
        f"{key} {code(_shorten(_flat(value[key]), 80))}"
        for key in ("name", "label", "title", "family", "role", "form", "task", "question", "year")
        if value.get(key) and isinstance(value[key], (str, int))
    ]
    evidence = [item for item in value.get("evidence") or () if isinstance(item, dict)]
    if evidence:
        read = sum(item.get("status") == "verified" for item in evidence)
        short.append(f"{read} of {len(evidence)} items of evidence verified")
    return ", ".join(short) or code(_shorten(_flat(value)))


def _change(change: Change) -> str:
    if change.before is None:
        return f"new, {code(_shorten(_flat(change.after)))}"
    if change.after is None:
        return f"gone, was {code(_shorten(_flat(change.before)))}"
    before, after = _flat(change.before), _flat(change.after)
    if len(before) > SHOWN or len(after) > SHOWN:  # show the part that differs
        same = next(
            (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
        )
        start = max(0, same - 40)
        before, after = (f"{'…' * (start > 0)}{text[start:]}" for text in (before, after))
    return f"{code(_shorten(before))} → {code(_shorten(after))}"


def code(text: str) -> str:
    """Return text as a code span of Markdown that nothing in it can leave."""
    text = " ".join(text.split()) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"
