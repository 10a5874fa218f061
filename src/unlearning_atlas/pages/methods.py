"""The table of all methods, with the facets that a script lets readers narrow it by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.pages.markup import Html, document, join, lines, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.models import Method
    from unlearning_atlas.pages.view import View

_AXES = ("family", "paradigm", "access_level", "objective", "intervention", "target", "modality")
_COLUMNS = ("Method", "Family", "Paradigm", "Access level", "Forgets by · keeps by", "Benchmarks", "Code", "Since")
IMPLEMENTATIONS = {"faithful": "Faithful", "simplified": "Simplified", "none": "None yet"}
"""Status of a reference implementation to what a reader sees."""


def render(view: View) -> str:
    """Return the table as Markdown. Every row names its terms, and the terms above them, in ``data-terms``."""
    methods = sorted(view.atlas.methods.values(), key=lambda method: method.name.lower())
    head = tag("thead", tag("tr", *(tag("th", label) for label in _COLUMNS)))
    body = tag("tbody", Html("\n"), lines(_row(view, method) for method in methods))
    # The search index would otherwise hold every name once more.
    table = tag("table", head, body, class_="data methods", id="all-methods")
    frame = tag("div", table, class_="scroll", data_search_exclude=True)
    blocks = [
        "# Methods",
        tag("p", "Every method of the catalog. Names lead to equations, evidence and code; terms to definitions."),
        _form(view),
        frame,
    ]
    return document("Methods", blocks, description="All unlearning methods of the catalog.", hide=["navigation", "toc"])


def _row(view: View, method: Method) -> Html:
    status = method.implementation.status if method.implementation else "none"
    alias = [" ", tag("i", method.aliases[0])] if method.aliases else []
    cells = [
        join([tag("b", view.entry("methods", method.id)), *alias]),
        view.term("family", method.family),
        view.terms("paradigm", method.paradigm),
        view.terms("access_level", method.access_level),
        join(
            [
                view.terms("objective", method.objective.forget),
                " · ",
                tag("span", view.terms("objective", method.objective.retain), class_="quiet"),
            ]
        ),
        view.entries("benchmarks", method.benchmarks),
        tag("span", IMPLEMENTATIONS[status], class_=f"implementation {status}"),
        tag("time", method.introduced),
    ]
    terms = Html(" ".join(sorted(_terms(view, method, status))))
    hidden = ", ".join(method.aliases[1:])
    return tag("tr", *(tag("td", cell) for cell in cells), data_terms=terms, data_also=hidden)


def _terms(view: View, method: Method, status: str) -> set[str]:
    held = {f"benchmark:{id_}" for id_ in method.benchmarks} | {f"implementation:{status}"}
    held |= {f"survey:{item.survey}" for item in method.surveys if item.status == "seen"}
    for axis in _AXES:
        value = getattr(method, axis)
        terms = (*value.forget, *value.retain) if axis == "objective" else (value,) if axis == "family" else value
        above = view.survey.above[axis]
        held |= {f"{axis}:{name}" for term in terms for name in (term, *above[term])}
    return held


def _form(view: View) -> Html:
    """Return the controls; without a script they would do nothing, so a script brings them into view."""
    counts = view.atlas.methods.facets()
    selects = [
        _select(axis.label, name, _options(view, name, counts[name]))
        for name, axis in view.survey.taxonomy
        if name in _AXES
    ]
    names = view.survey.names["benchmarks"]
    used = [(id_, names[id_], count) for id_, count in counts["benchmark"].items() if count]
    selects.append(_select("Benchmark", "benchmark", used))
    covering = [(id_, view.survey.names["surveys"][id_], count) for id_, count in counts["survey"].items() if count]
    selects.append(_select("Stands in survey", "survey", covering))
    made = [(id_, label, counts["implementation"][id_]) for id_, label in IMPLEMENTATIONS.items()]
    selects.append(_select("Implementation", "implementation", made))
    search = tag("input", type="search", name="text", placeholder="Name, paper, term …", autocomplete="off")
    return tag(
        "form",
        tag("label", tag("span", "Search"), search, class_="wide"),
        *selects,
        tag("p", tag("output", f"{len(view.atlas.methods)} methods"), tag("button", "Clear", type="reset")),
        id="facets",
        data_table="all-methods",
        data_noun="methods",
        hidden=True,
    )


def _select(label: str, name: str, options: Iterable[tuple[str, str, int]]) -> Html:
    shown = [tag("option", f"{text} ({count})", value=value) for value, text, count in options]
    return tag("label", tag("span", label), tag("select", tag("option", "any", value=True), *shown, name=name))


def _options(view: View, name: str, counts: dict[str, int]) -> Iterable[tuple[str, str, int]]:
    """Yield (term, label, count), narrower terms indented; terms of no method are left out."""
    for term, above in walk_terms(view.atlas.taxonomy[name].terms):
        if counts[term.id]:
            yield term.id, "\u2003" * len(above) + term.label, counts[term.id]
