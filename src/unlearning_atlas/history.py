"""When entries were added, changed and superseded, by the history of the checkout, and the Atom feed of new ones."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from unlearning_atlas.atlas import Atlas

NEWEST = 100
"""How many entries the feed holds."""
_TITLE = "Unlearning Atlas"
_RIGHTS = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/"
_ATOM = "http://www.w3.org/2005/Atom"
_COMMIT = re.compile(r"\0([0-9a-f]+)\t([^\t]+)\t(.*)")
_FILE = re.compile(r"([AM])\tcatalog/([a-z_]+)/([a-z0-9-]+)\.yaml")
# What XML 1.0 has no way to write, not even as a reference.
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to an entry of the catalog. ``when`` is in UTC."""

    kind: str
    id: str
    what: Literal["added", "changed", "superseded"]
    when: datetime


@dataclass(frozen=True, slots=True)
class History:
    """The changes of all entries that the catalog holds, the newest first.

    ``commit`` is the last that touched the catalog or the taxonomy, ``when`` its time in UTC. ``complete`` is False for
    a shallow clone: what its oldest commit did is not known, so it is left out.
    """

    changes: tuple[Change, ...]
    commit: str
    when: datetime
    complete: bool


def read_history(atlas: Atlas) -> History | None:
    """Return the history of an atlas' catalog, or None where there is no git or no commit of the catalog.

    The first commit that holds an entry adds it; files that the catalog no longer holds are left out.
    """
    commits = _log(atlas.root, ["catalog", "taxonomy"])
    if not commits:
        return None
    superseded = _superseded(atlas)
    met: set[tuple[str, str]] = set()
    changes = []
    complete = True
    for commit in reversed(commits):  # the oldest first, so that an entry's first appearance is met first
        if commit.cut:
            complete = False
            met |= {(kind, id_) for _, kind, id_ in commit.files}
            continue
        for _, kind, id_ in commit.files:
            if id_ not in atlas.collections.get(kind, ()):
                continue
            new = (kind, id_) not in met
            met.add((kind, id_))
            replaced = superseded.get((kind, id_)) == commit.hash
            changes.append(Change(kind, id_, "added" if new else "superseded" if replaced else "changed", commit.when))
    changes.sort(key=lambda change: change.when, reverse=True)
    return History(tuple(changes), commits[0].hash, commits[0].when, complete)


@dataclass(frozen=True, slots=True)
class _Commit:
    hash: str
    when: datetime
    cut: bool
    """Whether its parents are missing from a shallow clone, so that it seems to add every file."""
    files: list[tuple[str, str, str]]
    """(A or M, kind, id) of each entry it touches."""


def _log(root: Path, paths: Iterable[str], *options: str) -> list[_Commit] | None:
    shape = ("--format=%x00%H%x09%cI%x09%D", "--name-status", "--no-renames", "--relative")
    try:
        # With a directory's path, git lists what lies below it; names are given relative to the root.
        command = ["git", "log", *shape, *options, "--", *paths]
        done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", errors="replace")
    except OSError:  # no git on this machine
        return None
    if done.returncode:
        return None
    commits: list[_Commit] = []
    for line in done.stdout.splitlines():
        if found := _COMMIT.fullmatch(line):
            cut = "grafted" in found[3].split(", ")
            commits.append(_Commit(found[1], datetime.fromisoformat(found[2]).astimezone(UTC), cut, []))
        elif (file := _FILE.fullmatch(line)) and commits:
            commits[-1].files.append((file[1], file[2], file[3]))
    return commits


def _superseded(atlas: Atlas) -> dict[tuple[str, str], str]:
    """Return, for every superseded entry, the commit that first said so."""
    found = {
        (kind, id_) for kind, entries in atlas.collections.items() for id_, e in entries.items() if e.superseded_by
    }
    if not found:
        return {}
    files = [f"catalog/{kind}/{id_}.yaml" for kind, id_ in sorted(found)]
    commits = _log(atlas.root, files, "-G^superseded_by:") or []
    return {(kind, id_): commit.hash for commit in commits for _, kind, id_ in commit.files}


def by_day(history: History) -> Iterator[tuple[str, list[Change]]]:
    """Yield (day as YYYY-MM-DD, its changes), the newest day first and each entry once a day.

    An entry that was added or superseded and changed on one day counts as what weighs more, in that order.
    """
    weight = {"added": 0, "superseded": 1, "changed": 2}
    days: dict[str, dict[tuple[str, str], Change]] = {}
    for change in history.changes:
        day = days.setdefault(change.when.date().isoformat(), {})
        other = day.setdefault((change.kind, change.id), change)
        if weight[change.what] < weight[other.what]:
            day[change.kind, change.id] = change
    yield from ((day, list(changes.values())) for day, changes in days.items())


def feed(atlas: Atlas, history: History | None, site_url: str) -> str:
    """Return an Atom feed of the newest entries, the last added first; empty without a history.

    ``site_url`` is where the site is served, with a slash at its end: a feed's addresses are absolute.
    """
    added = [change for change in history.changes if change.what == "added"] if history else []
    last: dict[tuple[str, str], datetime] = {}
    for change in history.changes if history else ():
        last.setdefault((change.kind, change.id), change.when)
    root = ET.Element("feed", xmlns=_ATOM)
    _text(root, "title", f"{_TITLE}: new entries")
    _text(root, "subtitle", "What the catalog of unlearning for large language models has gained.")
    _text(root, "id", f"{site_url}feed.xml")
    # An Atom feed must say when it last changed; an empty one never has.
    shown = added[:NEWEST]
    newest = max((last[change.kind, change.id] for change in shown), default=datetime.fromtimestamp(0, UTC))
    _text(root, "updated", _stamp(newest))
    ET.SubElement(root, "link", rel="self", type="application/atom+xml", href=f"{site_url}feed.xml")
    ET.SubElement(root, "link", rel="alternate", type="text/html", href=f"{site_url}changelog/")
    ET.SubElement(root, "icon").text = f"{site_url}assets/mark.svg"
    _text(ET.SubElement(root, "author"), "name", f"The {_TITLE} maintainers")
    _text(root, "rights", _RIGHTS)
    for change in shown:
        entry = atlas.collections[change.kind][change.id]
        address = f"{site_url}{change.kind}/{change.id}/"
        item = ET.SubElement(root, "entry")
        _text(item, "title", entry.name)
        _text(item, "id", address)
        ET.SubElement(item, "link", rel="alternate", type="text/html", href=address)
        _text(item, "published", _stamp(change.when))
        _text(item, "updated", _stamp(last[change.kind, change.id]))
        ET.SubElement(item, "category", term=change.kind)
        _text(item, "summary", " ".join(entry.summary.split()))
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = _UNWRITABLE.sub("", text)


def _stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
