"""Spot checks of the catalog: a seeded random sample of its claims, and what came of checking them.

A claim is one field of an entry together with one source that is said to support it. A worksheet lists claims with
their sources; a person opens each source and writes down the outcome; :func:`record` carries the outcomes into the
entries and keeps the worksheet below ``catalog/audits/``.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import yaml

from unlearning_atlas.catalog import read_catalog
from unlearning_atlas.files import write_together
from unlearning_atlas.loading import Fix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from unlearning_atlas.catalog import Catalog
    from unlearning_atlas.loading import Document

FOLDER = "catalog/audits"
OUTCOMES = {
    "confirmed": "the source says it at that place",
    "misplaced": "it is true, but did not stand at that place; the entry now names the right one",
    "corrected": "the source says something else, and the entry has been corrected",
    "unsupported": "the source does not say it, and the entry no longer says that it does",
    "unreachable": "the source could not be opened",
}
"""What may come of checking a claim."""
_SOURCING = ("source", "commit", "place", "status", "checked", "audited", "note", "supports", "basis")

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """One field of an entry and one source for it. ``value`` is what the field says, as JSON where it is not text."""

    file: str
    field: str
    value: str
    source: str
    commit: str
    place: str
    status: str


def claims(catalog: Catalog) -> list[tuple[Claim, Loc]]:
    """Return every claim of a catalog with the place of its sourcing, in the order of files and lines."""
    found = []
    for file, document in catalog.documents.items():
        if file.startswith("catalog/") and isinstance(document.value, dict):
            found += [(claim, loc) for claim, loc in _claims_of(document)]
    return found


def _claims_of(document: Document) -> Iterator[tuple[Claim, Loc]]:
    entry = document.value
    for loc, item in _sourced(entry, ()):
        where = {key: str(item.get(key, "")) for key in ("source", "commit", "place", "status")}
        for field in item.get("supports") or (".".join(map(str, loc)),):
            said = _said(entry, field) if "supports" in item else _without_sourcing(item)
            yield Claim(document.file, field, said if isinstance(said, str) else _json(said), **where), loc


def _sourced(value: Any, loc: Loc) -> Iterator[tuple[Loc, dict[str, Any]]]:
    if isinstance(value, dict):
        if "source" in value and "status" in value:
            yield loc, value
        else:
            for key, item in value.items():
                yield from _sourced(item, (*loc, key))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _sourced(item, (*loc, number))


def _said(entry: dict[str, Any], path: str) -> Any:
    """Return what stands in a field, or in the item of it that a path names."""
    head, _, rest = path.partition(".")
    value = entry.get(head)
    if not rest:
        return value
    if isinstance(value, dict):
        return value.get(rest)
    for item in value or ():
        if item == rest:
            return item
        if isinstance(item, dict) and rest in (item.get(key) for key in ("name", "target", "source", "setting")):
            return _without_sourcing(item)
    return None


def _without_sourcing(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in _SOURCING}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def draw(catalog: Catalog, size: int, seed: int) -> list[Claim]:
    """Return a random sample of claims, the same one for the same catalog, size and seed, in the catalog's order."""
    everything = [claim for claim, _ in claims(catalog)]
    chosen = random.Random(seed).sample(range(len(everything)), min(size, len(everything)))
    return [everything[number] for number in sorted(chosen)]


def worksheet(drawn: Sequence[Claim], seed: int) -> str:
    """Return a sample as YAML to be filled in."""
    outcomes = "\n".join(f"#   {name}: {meaning}" for name, meaning in OUTCOMES.items())
    body = [asdict(claim) | {"outcome": "", "note": ""} for claim in drawn]
    head = (
        "# Open each source at its place and write the outcome:\n"
        f"{outcomes}\n# Then: unlearning-atlas audit --record FILE\n"
    )
    data = {"seed": seed, "size": len(drawn), "claims": body}
    return head + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=118)


class AuditError(ValueError):
    """A worksheet that can't be recorded; the message lists everything that is wrong with it."""


def record(root: Path, text: str, day: str) -> tuple[Path, Counter[str], list[str]]:
    """Carry a worksheet's outcomes into the entries and keep it below ``catalog/audits/``.

    A confirmed, misplaced or corrected claim becomes verified, read and audited on ``day`` (YYYY-MM-DD); evidence that
    supports more than what was checked is split, so that nothing else becomes verified with it.

    Returns the file it is kept in, how often each outcome occurs, and the entries' files that changed.

    Raises:
        AuditError: for what is no worksheet, for an unfilled or unknown outcome, and for one that does not fit the
            entry: a confirmed claim that it no longer makes or gives no place for, a wrong one that it still makes.
            Nothing is written then.
        OSError: a file can't be written; every file is as it was.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AuditError(f"this is no worksheet: it is not YAML: {' '.join(str(error).split())}") from None
    if not _is_worksheet(data):
        raise AuditError("this is no worksheet: it needs 'seed' and 'claims', as 'unlearning-atlas audit' writes them")
    rows: list[dict[str, Any]] = data["claims"]
    catalog = read_catalog(root)
    now = claims(catalog)
    wrong: list[str] = []
    marks: dict[str, dict[Loc, set[str]]] = {}
    for number, row in enumerate(rows, 1):
        outcome = row["outcome"]
        name = f"claim {number} ({row['file']}, {row['field']})"
        if not isinstance(outcome, str) or outcome not in OUTCOMES:
            wrong.append(f"{name}: outcome {outcome!r} is none of {', '.join(OUTCOMES)}")
            continue
        same = [(claim, loc) for claim, loc in now if claim.file == row["file"] and claim.field == row["field"]]
        standing = [(c, loc) for c, loc in same if (c.value, c.source) == (row["value"], row["source"])]
        if outcome == "confirmed" and not standing:
            wrong.append(f"{name}: confirmed, but the entry does not say it with this source any more")
        elif outcome in ("corrected", "misplaced") and any(c.place == row["place"] for c, _ in standing):
            wrong.append(f"{name}: {outcome}, but the entry still says what it said")
        elif outcome == "unsupported" and any((c.place, c.status) == (row["place"], "verified") for c, _ in standing):
            wrong.append(f"{name}: unsupported, but the entry still says that it was read there")
        elif outcome == "confirmed" and not all(c.place for c, _ in standing):
            wrong.append(f"{name}: confirmed, but the entry does not say at which place: add it there")
        elif outcome in ("confirmed", "misplaced", "corrected"):
            kept = standing if outcome == "confirmed" else [(c, loc) for c, loc in same if c.source == row["source"]]
            exact = [(c, loc) for c, loc in kept if c.place == row["place"]] or kept
            if exact:
                marks.setdefault(row["file"], {}).setdefault(exact[0][1], set()).add(row["field"])
    if wrong:
        raise AuditError("\n".join(wrong))
    marked = {file: _marked(catalog.documents[file], locs, day) for file, locs in marks.items()}
    changed = {file: text for file, text in marked.items() if text != catalog.documents[file].text}
    kept_in = f"{FOLDER}/{day}-seed-{data['seed']}.yaml"
    if (root / kept_in).is_file():
        raise AuditError(f"{kept_in} is there already: this sample has been recorded; draw another with --seed")
    worksheet_ = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=118)
    write_together(root, changed | {kept_in: worksheet_})
    return root / kept_in, Counter(row["outcome"] for row in rows), list(changed)


def _is_worksheet(data: Any) -> bool:
    columns = {*Claim.__dataclass_fields__, "outcome"}
    if not isinstance(data, dict) or not isinstance(data.get("seed"), int) or not isinstance(data.get("claims"), list):
        return False
    return all(isinstance(row, dict) and columns <= row.keys() for row in data["claims"])


def _marked(document: Document, marks: dict[Loc, set[str]], day: str) -> str:
    return _applied(document.text, (fix for loc, fields in marks.items() for fix in _fixes(document, loc, fields, day)))


def _applied(text: str, fixes: Iterable[Fix]) -> str:
    for fix in sorted(fixes, reverse=True):
        text = text[: fix.start] + fix.text + text[fix.end :]
    return text


def _fixes(document: Document, loc: Loc, fields: set[str], day: str) -> Iterator[Fix]:
    """Yield the edits that make one item verified, checked and audited on a day; it must be written in block style."""
    node = document.node(loc)
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return
    values = {key.value: value for key, value in node.value}
    column = node.value[0][0].start_mark.column
    written = {"status": "verified", "checked": f'"{day}"', "audited": f'"{day}"'}
    marked = []
    missing = ""
    for key, text in reversed(written.items()):  # a key that is not there yet follows the one before it
        if key in values:
            marked.append(Fix(values[key].start_mark.index, values[key].end_mark.index, text + missing))
            missing = ""
        else:
            missing = f"\n{' ' * column}{key}: {text}{missing}"
    supports = values.get("supports")
    rest = [item for item in supports.value if item.value not in fields] if supports else []
    if not supports or not rest:
        yield from marked
        return
    # What was checked gets an item of its own before the one that keeps the rest.
    start = node.start_mark.index
    end = start + len(document.text[start : node.end_mark.index].rstrip())
    halves = []
    for items, fixes in (([item for item in supports.value if item not in rest], marked), (rest, [])):
        names = ", ".join(document.text[item.start_mark.index : item.end_mark.index] for item in items)
        own = [*fixes, Fix(supports.start_mark.index, supports.end_mark.index, f"[{names}]")]
        moved = [Fix(fix.start - start, fix.end - start, fix.text) for fix in own]
        halves.append(_applied(document.text[start:end], moved))
    yield Fix(start, end, f"\n{' ' * (column - 2)}- ".join(halves))


def audits(root: Path) -> list[dict[str, Any]]:
    """Return the audits that are kept, in the order of their files: day, seed, size, and how often each outcome occurs.

    Raises AuditError for a damaged file.
    """
    found = []
    for path in sorted((root / FOLDER).glob("*.yaml")):
        try:
            data = yaml.safe_load(path.read_text("utf-8"))
            outcomes = Counter(row["outcome"] for row in data["claims"])
            found.append({"day": path.stem[:10], "seed": data["seed"], "size": outcomes.total(), "outcomes": outcomes})
        except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
            raise AuditError(f"{path}: not a recorded audit; 'unlearning-atlas audit --record' writes one") from None
    return found


def error_rate(outcomes: Counter[str]) -> float | None:
    """Return the share of wrong claims among those that could be checked, or None when none could.

    A claim that is true but stood elsewhere is not wrong.
    """
    wrong = outcomes["corrected"] + outcomes["unsupported"]
    checked = wrong + outcomes["confirmed"] + outcomes["misplaced"]
    return wrong / checked if checked else None
