"""When what appeared: a lane for each leaf of the tree of families, and the same as a list by year."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.pages import parts
from unlearning_atlas.pages.markup import Html, document, facts, join, lines, section, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.pages.view import View

_LEFT, _MONTH, _LANE, _TOP, _STEP = 160, 13, 26, 22, 7
_START = 2020
"""Months before this year share one place at the left edge."""
_OTHERS = (("benchmarks", "Benchmarks"), ("metrics", "Metrics and attacks"))


def render(view: View) -> str:
    """Return the page as Markdown."""
    blocks = [
        parts.subnav(view, "timeline/"),
        "# Timeline",
        tag(
            "p",
            "Every method, benchmark and metric in the month of its first public version; a filled dot has a reference "
            "implementation.",
        ),
        tag(
            "div",
            _picture(view),
            class_="scroll timeline",
            data_search_exclude=True,
            tabindex="0",
            role="region",
            aria_label="Timeline",
        ),
    ]
    by_year: dict[str, list[str]] = defaultdict(list)
    for id_, method in view.atlas.methods.sort("introduced").items():
        by_year[method.introduced[:4]].append(id_)
    for year in sorted(by_year, reverse=True):
        listed = tag("div", facts(_months(view, by_year[year])), class_="months", data_search_exclude=True)
        blocks += section(f"{year}: {len(by_year[year])} methods", f"y{year}", listed, searched=False)
    description = "Unlearning methods, benchmarks and metrics by the month in which they appeared."
    return document("Timeline", blocks, description=description, hide=["navigation", "toc"])


def _months(view: View, ids: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield (month, links to the methods that appeared in it), the newest first."""
    by_month: dict[str, list[str]] = defaultdict(list)
    for id_ in ids:
        by_month[view.atlas.methods[id_].introduced].append(id_)
    for month in sorted(by_month, reverse=True):
        yield tag("time", month), view.entries("methods", by_month[month])


def _lanes(view: View) -> Iterable[tuple[str, list[tuple[str, str, str, bool]]]]:
    """Yield (label, entries) for every lane; an entry is (month, kind, id, filled)."""
    methods = view.atlas.methods
    for term, _ in walk_terms(view.atlas.taxonomy["family"].terms):
        if not term.children:
            own = methods.where(family=term.id).values()
            yield term.label, [(m.introduced, "methods", m.id, m.implementation is not None) for m in own]
    for kind, label in _OTHERS:
        found = view.atlas.collections[kind].values()
        yield label, [(entry.introduced, kind, entry.id, False) for entry in found]


def _picture(view: View) -> Html:
    lanes = [(label, sorted(entries)) for label, entries in _lanes(view)]
    last = max((month for _, entries in lanes for month, *_ in entries), default=f"{_START}-01")
    width = _MONTH * (_place(last) + 3)
    names: list[Html] = []
    parts_: list[Html] = []
    y = _TOP
    for label, entries in lanes:
        stacked = Counter(_place(month) for month, *_ in entries)
        height = max(_LANE, _STEP * max(stacked.values(), default=1) + 12)
        middle = y + height / 2
        for marks, end in ((names, _LEFT), (parts_, width)):
            below = f"{y + height:.0f}"
            marks.append(tag("line", x1="0", x2=str(end), y1=below, y2=below, class_="lane"))
        names.append(tag("text", label, x="0", y=f"{middle + 3:.0f}", class_="lane-name"))
        placed: Counter[int] = Counter()
        for month, kind, id_, filled in entries:
            at = _place(month)
            # Entries of one month stand above each other, around the lane's middle.
            offset = (placed[at] - (stacked[at] - 1) / 2) * _STEP
            placed[at] += 1
            name = view.survey.names[kind][id_]
            dot = tag(
                "circle",
                tag("title", f"{name}, {month}"),
                cx=str(_MONTH * (at + 1)),
                cy=f"{middle + offset:.1f}",
                r="3",
            )
            link = {"xlink:href": f"{view.up}{kind}/{id_}/"}
            parts_.append(
                tag("a", dot, class_="dot filled" if filled else "dot", aria_label=f"{name}, {month}", **link)
            )
        y += int(height)
    # What is older than the first year stands to the left of it, without a line of its own.
    years = [
        join(
            [
                tag("line", x1=str(x), x2=str(x), y1=str(_TOP - 6), y2=str(y), class_="year"),
                tag("text", label, x=str(x + 3), y=str(_TOP - 8), class_="tick"),
            ]
        )
        for x, label in _years(last)
    ]

    def drawn(wide: int, *marks: Html, **attributes: str) -> Html:
        return tag("svg", *marks, viewBox=f"0 0 {wide} {y + 4}", width=str(wide), height=str(y + 4), **attributes)

    # The names of the lanes stay in view while the months are scrolled.
    return join(
        [
            drawn(_LEFT, lines(names), class_="lanes"),
            drawn(width, *years, lines(parts_), role="group", aria_label="Entries by month and family"),
        ]
    )


def _place(month: str) -> int:
    """Return the month's number from the left edge, where everything before the first year stands."""
    return max(0, (int(month[:4]) - _START) * 12 + int(month[5:7]))


def _years(last: str) -> Iterable[tuple[int, str]]:
    for year in range(_START, int(last[:4]) + 1):
        yield _MONTH * ((year - _START) * 12 + 1) + _MONTH // 2, str(year)
