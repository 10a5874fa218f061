"""The map of gaps: two axes as a matrix that counts methods, with the empty cells marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.pages import parts
from unlearning_atlas.pages.markup import Html, document, lines, section, tag

if TYPE_CHECKING:
    from unlearning_atlas.models import Term
    from unlearning_atlas.pages.view import View

_PAIRS = (
    ("family", "access_level", "Families and what they need to reach"),
    ("family", "target", "Families and what they remove"),
)
"""The matrices that stand on the page without a script."""


def render(view: View) -> str:
    """Return the page as Markdown."""
    blocks = [
        parts.subnav(view, "gaps/"),
        "# Gap map",
        tag(
            "p",
            "How many methods stand where two axes cross. An empty cell is a combination that nobody in this catalog "
            "has tried: some make no sense, the others invite work. A number leads to its methods.",
            class_="lead",
        ),
        # The script puts a form and a matrix of any two axes here.
        tag("div", class_="gaps", data_widget="gaps", data_search_exclude=True),
    ]
    for rows, columns, title in _PAIRS:
        blocks += section(title, f"{rows}-{columns}", _matrix(view, rows, columns), searched=False)
    description = "Where two axes of the taxonomy cross: how many methods, and where none."
    return document("Gap map", blocks, description=description, hide=["navigation", "toc"])


def _matrix(view: View, rows: str, columns: str) -> Html:
    across = _leaves(view, columns)
    head = tag("tr", tag("td"), *(tag("th", term.label, scope="col") for term in across))
    body = lines(
        tag(
            "tr",
            tag("th", term.label, scope="row"),
            *(_cell(view, {rows: term.id, columns: other.id}) for other in across),
        )
        for term in _leaves(view, rows)
    )
    return tag("div", tag("table", tag("thead", head), tag("tbody", body), class_="data matrix"), class_="scroll")


def _leaves(view: View, axis: str) -> list[Term]:
    return [term for term, _ in walk_terms(view.atlas.taxonomy[axis].terms) if not term.children]


def _cell(view: View, terms: dict[str, str]) -> Html:
    count = len(view.atlas.methods.select(terms))
    if not count:
        return tag("td", tag("span", "0", class_="hidden-text"), class_="empty")
    query = "&amp;".join(f"{name}={term}" for name, term in terms.items())
    shade = min(5, 1 + count // 4)
    return tag("td", tag("a", str(count), href=Html(f"{view.up}methods/?{query}")), class_=f"n{shade}")
