"""What has been added, changed and superseded in the catalog, day by day."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from unlearning_atlas.history import by_day
from unlearning_atlas.pages import parts
from unlearning_atlas.pages.markup import Html, document, facts, folded, heading, join, tag
from unlearning_atlas.pages.view import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from unlearning_atlas.history import Change
    from unlearning_atlas.pages.view import View

_WHAT = ("added", "superseded", "changed")
_NAMED = 20
"""How many entries a row names before the rest is folded."""
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)


def render(view: View) -> str:
    """Return the page as Markdown, the newest day first."""
    history = view.survey.history
    feed = tag("a", "a feed", href=Html(f"{view.up}feed.xml"))
    blocks = [
        parts.subnav(view, "changelog/"),
        "# Changelog",
        tag("p", "What the catalog has gained and what was corrected. New entries also come as ", feed, " (Atom)."),
    ]
    if history is None:
        why = "This site was built without the history of the repository, so it can’t say what changed when."
        blocks.append(tag("p", why, class_="old"))
    else:
        days = "Days are those of the commits, in UTC."
        cut = (
            ""
            if history.complete
            else " The repository it was built from holds only the last of them: what is older is missing here."
        )
        blocks.append(tag("p", f"{days}{cut}", class_="quiet"))
        blocks += _months(view, by_day(history))
    description = "What was added to and corrected in the catalog of LLM unlearning."
    return document("Changelog", blocks, description=description, hide=["navigation"])


def _months(view: View, days: Iterable[tuple[str, list[Change]]]) -> Iterator[str]:
    for month, found in groupby(days, lambda day: day[0][:7]):
        yield heading(f"{_MONTHS[int(month[5:]) - 1]} {month[:4]}", f"month-{month}", searched=False)
        for day, changes in found:
            when = date.fromisoformat(day)
            yield heading(f"{when.day} {_MONTHS[when.month - 1]}", f"day-{day}", 3, searched=False)
            yield facts(_rows(view, changes))


def _rows(view: View, changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
    """Yield, for what was done and each kind, links to the entries by name."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for change in changes:
        groups[change.what, change.kind].append(change.id)
    for what in _WHAT:
        for kind in FOLDERS:
            names = view.survey.names[kind]
            ids = sorted(groups.get((what, kind), ()), key=lambda id_: (names[id_].lower(), id_))
            label = f"{FOLDERS[kind]}{'s' * (len(ids) != 1)} {what}"
            yield label, folded([_entry(view, kind, id_, what) for id_ in ids], _NAMED)


def _entry(view: View, kind: str, id_: str, what: str) -> Html:
    newer = view.atlas.collections[kind][id_].superseded_by if what == "superseded" else None
    link = view.entry(kind, id_)
    return join([link, " by ", view.entry(kind, newer)]) if newer else link
