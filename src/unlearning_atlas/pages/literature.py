"""Every paper of the bibliography on one page, with what it is to the catalog."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unlearning_atlas.literature import BACKGROUND, coverage
from unlearning_atlas.pages.markup import Html, document, join, lines, link, tag

if TYPE_CHECKING:
    from collections.abc import Collection

    from unlearning_atlas.literature import Literature
    from unlearning_atlas.pages.view import View

_LABELS = {
    "method": "Method",
    "benchmark": "Benchmark",
    "metric": "Metric or attack",
    "attack": "Attack",
    "analysis": "Analysis",
    "survey": "Survey or position",
    "application": "Application",
    BACKGROUND: "Background",
}


def render(view: View) -> str:
    """Return the page as Markdown, the newest paper first."""
    literature = view.atlas.literature
    items = sorted(literature.values(), key=lambda item: (-item.paper.year, -(item.paper.month or 0), item.paper.title))
    columns = ("Paper", "Kind", "Entry", "Published")
    head = tag("thead", tag("tr", *(tag("th", label) for label in columns)))
    body = tag("tbody", Html("\n"), lines(_row(view, item) for item in items))
    # The theme's search would show the whole table as one hit for every word of a title.
    frame = tag(
        "div",
        tag("table", head, body, class_="data literature", id="papers"),
        class_="scroll",
        data_search_exclude=True,
    )
    blocks = [
        "# Literature",
        tag(
            "p",
            f"{len(items)} papers. Each introduces an entry of the catalog, waits for one as what its title says it "
            "is, or is background that entries cite.",
        ),
        _coverage(view),
        _form(items),
        frame,
    ]
    description = "Every paper of the catalog's bibliography on LLM unlearning."
    return document("Literature", blocks, description=description, hide=["navigation", "toc"])


def _coverage(view: View) -> Html:
    cells = (
        tag("li", tag("b", f"{covered}/{total}"), " ", _LABELS[kind].lower())
        for kind, (covered, total) in coverage(view.atlas.literature).items()
    )
    return tag("ul", *cells, class_="counts", title="papers with an entry, of all papers of the kind")


def _row(view: View, item: Literature) -> Html:
    paper = item.paper
    authors = ", ".join(paper.authors[:3]) + (" and others" if len(paper.authors) > 3 else "")
    links = [link("code", paper.code)] if paper.code else []
    entries = join((view.entry(kind, id_) for kind, id_ in item.entries), ", ")
    when = f"{paper.year}-{paper.month:02}" if paper.month else str(paper.year)
    what = [link(paper.title, paper.url), tag("br"), tag("span", authors, class_="quiet")]
    venue = tag("span", paper.venue, class_="quiet") if paper.venue not in ("", "arXiv") else ""
    cells = [
        join([*what, *(join([" · ", one]) for one in links)]),
        tag("span", _LABELS[item.kind], class_="" if item.entries else "pencil"),
        entries,
        join([part for part in (tag("time", when), venue) if part], " "),
    ]
    terms = f"kind:{item.kind} year:{paper.year} entry:{'yes' if item.entries else 'no'}"
    also = ", ".join((*paper.authors[3:], paper.arxiv))
    return tag("tr", *(tag("td", cell) for cell in cells), data_terms=terms, data_also=also)


def _form(found: Collection[Literature]) -> Html:
    kinds = Counter(item.kind for item in found)
    years = Counter(str(item.paper.year) for item in found)
    entries = Counter("yes" if item.entries else "no" for item in found)
    selects = [
        _select("Kind", "kind", [(kind, label, kinds[kind]) for kind, label in _LABELS.items() if kinds[kind]]),
        _select("Year", "year", [(year, year, years[year]) for year in sorted(years, reverse=True)]),
        _select("Has an entry", "entry", [(value, value, entries[value]) for value in ("yes", "no")]),
    ]
    search = tag("input", type="search", name="text", placeholder="Title, author, arXiv id …", autocomplete="off")
    return tag(
        "form",
        tag("label", tag("span", "Search"), search, class_="wide"),
        *selects,
        tag("p", tag("output", f"{len(found)} papers"), tag("button", "Clear", type="reset")),
        id="facets",
        data_table="papers",
        data_noun="papers",
        hidden=True,
    )


def _select(label: str, name: str, options: list[tuple[str, str, int]]) -> Html:
    shown = [tag("option", f"{text} ({count})", value=value) for value, text, count in options]
    return tag("label", tag("span", label), tag("select", tag("option", "any", value=True), *shown, name=name))
