"""A table that a script lets readers search, narrow, sort, download and pick from; without a script it is a table.

The form's controls are named after facets, and every row lists ``facet:term`` in ``data-terms``: the script in
``assets/atlas.js`` knows nothing else of what it narrows, so every kind of entry gets the same controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.pages.markup import Html, join, lines, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from unlearning_atlas.pages.view import View


@dataclass(frozen=True, slots=True)
class Facet:
    """A question that narrows a table.

    ``options`` holds (term, label, how many rows, depth in its tree). Of several that are chosen any must hold, or,
    with ``every``, all.
    """

    name: str
    label: str
    options: Sequence[tuple[str, str, int, int]]
    every: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its cells, the terms it is found by as ``facet:term``, and further words that a search should find.

    ``id`` is the entry's, by which it is downloaded and compared.
    """

    cells: Sequence[str]
    terms: Iterable[str] = ()
    also: str = ""
    id: str = ""


def axis_facet(view: View, axis: str, counts: dict[str, int], label: str = "") -> Facet:
    """Return the facet of an axis, its terms as a tree; terms of no entry are left out."""
    found = view.atlas.taxonomy[axis]
    options = [
        (term.id, term.label, counts[term.id], len(above))
        for term, above in walk_terms(found.terms)
        if counts.get(term.id)
    ]
    return Facet(axis, label or found.label, options)


def flat_facet(name: str, label: str, labels: dict[str, str], counts: dict[str, int], *, every: bool = False) -> Facet:
    """Return a facet whose terms have no tree, the most frequent first; terms of no row are left out."""
    known = [(term, text, counts[term], 0) for term, text in labels.items() if counts.get(term)]
    return Facet(name, label, sorted(known, key=lambda option: -option[2]), every)


def finder(
    facets: Iterable[Facet],
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    id_: str,
    noun: str,
    search: str,
    kind: str = "",
    pick: bool = False,
    class_: str = "",
) -> list[str]:
    """Return the controls, which a script brings into view, and the table.

    Args:
        facets: what narrows the table, in the order of the controls.
        columns: the heads; every column can be sorted by.
        rows: the rows as they stand without a script.
        id_: the table's id.
        noun: what the rows are, in the plural.
        search: the placeholder of the search field.
        kind: the kind of entry whose data the rows can be downloaded as, or nothing.
        pick: whether rows can be picked for a comparison.
        class_: a further class of the table.
    """
    # Where nothing tells the rows apart, a control would only take room.
    shown = [_control(facet) for facet in facets if len(facet.options) > 1]
    field_ = tag("input", type="search", name="text", placeholder=search, autocomplete="off")
    bar: list[Html] = [tag("output", f"{len(rows)} {noun}", aria_live="polite")]
    if kind:
        buttons = (
            tag("button", label, type="button", data_format=label.lower()) for label in ("CSV", "JSON", "BibTeX")
        )
        bar.append(tag("span", "Download these: ", join(buttons, " "), class_="downloads"))
    bar.append(tag("button", "Clear", type="reset"))
    form = tag(
        "form",
        tag("label", tag("span", "Search"), field_, class_="wide"),
        tag("div", *shown, class_="controls"),
        tag("p", *bar, class_="bar"),
        id="facets",
        data_table=id_,
        data_noun=noun,
        data_kind=kind,
        data_pick=pick,
        data_search_exclude=True,
        hidden=True,
    )
    head = tag("thead", tag("tr", *(tag("th", label, scope="col") for label in columns)))
    body = tag("tbody", Html("\n"), lines(_row(row) for row in rows))
    table = tag("table", head, body, class_=f"data finder {class_}".strip(), id=id_)
    # The site's search would otherwise hold every name once more.
    return [form, tag("div", table, class_="scroll", data_search_exclude=True)]


def _control(facet: Facet) -> Html:
    """Return a list of boxes behind the facet's name."""
    boxes = (
        tag(
            "li",
            tag(
                "label",
                tag("input", type="checkbox", name=facet.name, value=term),
                " ",
                label,
                " ",
                tag("span", str(count), class_="count"),
            ),
            class_=f"depth{depth}" if depth else "",
        )
        for term, label, count, depth in facet.options
    )
    summary = tag("summary", tag("span", facet.label), tag("b", "any"))
    return tag("details", summary, tag("ul", *boxes), class_="facet", data_facet=facet.name, data_every=facet.every)


def _row(row: Row) -> Html:
    cells = (tag("td", cell) for cell in row.cells)
    terms = Html(" ".join(sorted(row.terms)))
    return tag("tr", *cells, data_terms=terms, data_also=row.also, data_id=row.id)
