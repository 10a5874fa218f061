"""Every paper of the bibliography on one page, with what it is to the catalog."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unlearning_atlas.literature import BACKGROUND, coverage
from unlearning_atlas.pages import parts
from unlearning_atlas.pages.facets import Facet, Row, finder, flat_facet
from unlearning_atlas.pages.markup import Html, document, escape, join, link, tag
from unlearning_atlas.papers import first_year

if TYPE_CHECKING:
    from unlearning_atlas.literature import Literature
    from unlearning_atlas.pages.view import View
    from unlearning_atlas.papers import Paper

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
_STANDING = {"yes": "Has an entry", "no": "Waits for one", BACKGROUND: "Background"}
_NAMED = 3
"""How many authors a row names; a search finds the others too."""


def render(view: View) -> str:
    """Return the page as Markdown, the newest paper first."""
    literature = view.atlas.literature
    items = sorted(literature.values(), key=lambda item: (*_age(item.paper), item.paper.title))
    terms = [_terms(item) for item in items]
    counts = {name: Counter(found[name] for found in terms) for name in ("kind", "year", "entry", "code")}
    years = sorted(counts["year"], reverse=True)
    facets = [
        flat_facet("kind", "What it is", _LABELS, counts["kind"]),
        Facet("year", "Year", [(year, year, counts["year"][year], 0) for year in years]),
        flat_facet("entry", "In the catalog", _STANDING, counts["entry"]),
        flat_facet("code", "Authors’ code", {"yes": "Known", "no": "Not known"}, counts["code"]),
    ]
    rows = [
        Row(_cells(view, item), [f"{name}:{term}" for name, term in found.items()], _hidden(item), item.paper.key)
        for item, found in zip(items, terms, strict=True)
    ]
    blocks = [
        parts.subnav(view, "literature/"),
        "# Literature",
        tag(
            "p",
            f"{len(items)} papers. Each introduces an entry of the catalog, waits for one as what its title says it "
            "is, or is background that entries cite. Below: papers with an entry, of all papers of the kind.",
        ),
        _coverage(view),
        *finder(
            facets,
            ("Paper", "What it is", "Entry", "First version", "Venue"),
            rows,
            id_="papers",
            noun="papers",
            search="Title, author, venue, arXiv id …",
            kind="papers",
            class_="literature",
        ),
    ]
    description = "Every paper of the catalog's bibliography on LLM unlearning."
    return document("Literature", blocks, description=description, hide=["navigation", "toc"])


def _age(paper: Paper) -> tuple[int, int]:
    """Return what sorts the newest first version before older ones."""
    return -first_year(paper), -(paper.month or 0)


def _coverage(view: View) -> Html:
    cells = (
        tag("li", tag("b", f"{covered}/{total}"), " ", _LABELS[kind].lower())
        for kind, (covered, total) in coverage(view.atlas.literature).items()
    )
    return tag("ul", *cells, class_="counts")


def _terms(item: Literature) -> dict[str, str]:
    """Return what a paper is found by; an attack counts as a metric, as it does in the catalog."""
    return {
        "kind": "metric" if item.kind == "attack" else item.kind,
        "year": str(first_year(item.paper)),
        "entry": "yes" if item.entries else BACKGROUND if item.kind == BACKGROUND else "no",
        "code": "yes" if item.paper.code else "no",
    }


def _cells(view: View, item: Literature) -> list[str]:
    # One row in hundreds: every character of markup counts.
    paper = item.paper
    authors = ", ".join(paper.authors[:_NAMED]) + (" and others" if len(paper.authors) > _NAMED else "")
    code = join([" · ", link("code", paper.code)]) if paper.code else ""
    waits = tag("i", "waits") if not item.entries and item.kind != BACKGROUND else ""
    return [
        join([link(paper.title, paper.url), tag("br"), tag("small", authors, code)]),
        escape(_LABELS[item.kind]),
        join((view.entry(kind, id_) for kind, id_ in item.entries), ", ") or waits,
        # The month is the first version's, and the venue may be of a later year.
        f"{first_year(paper)}-{paper.month:02}" if paper.month else str(first_year(paper)),
        "" if paper.venue == "arXiv" else paper.venue,
    ]


def _hidden(item: Literature) -> str:
    """Return what a search finds besides what a row shows."""
    return ", ".join((*item.paper.authors[_NAMED:], item.paper.arxiv))
