"""The table of all methods: narrowed, sorted, picked from and downloaded with the controls of :mod:`facets`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts
from unlearning_atlas.pages.facets import Facet, Row, axis_facet, finder, flat_facet
from unlearning_atlas.pages.markup import document, join, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.models import Method
    from unlearning_atlas.pages.view import View

AXES = ("family", "paradigm", "access_level", "objective", "intervention", "target", "modality")
"""The axes that methods are found by, as the controls show them."""
IMPLEMENTATIONS = {"faithful": "Faithful", "simplified": "Simplified", "none": "None yet"}
"""Status of a reference implementation to what a reader sees."""
WITHOUT = {
    "forget_set": "Forget set",
    "retain_set": "Retain set",
    "reference_model": "Reference model",
    "auxiliary_model": "Auxiliary model",
    "extra_data": "Extra data",
}
"""What a method may do without to what a reader sees."""
_COLUMNS = ("Method", "Family", "Paradigm", "Access level", "Forgets by · keeps by", "Benchmarks", "Code", "Since")


def render(view: View) -> str:
    """Return the table as Markdown. Every row names its terms, and the terms above them, in ``data-terms``."""
    methods = sorted(view.atlas.methods.values(), key=lambda method: method.name.lower())
    blocks = [
        parts.subnav(view, "methods/"),
        "# Methods",
        tag(
            "p",
            "Every method of the catalog. Names lead to equations, evidence and code; pick up to four to ",
            tag("a", "compare", href="../compare/"),
            " them. What is chosen stands in the address, which can be kept and shared.",
        ),
        *finder(
            facets(view),
            _COLUMNS,
            [_row(view, method) for method in methods],
            id_="all-methods",
            noun="methods",
            search="Name, paper, term …",
            kind="methods",
            pick=True,
            class_="methods",
        ),
    ]
    return document("Methods", blocks, description="All unlearning methods of the catalog.", hide=["navigation", "toc"])


def facets(view: View) -> Iterable[Facet]:
    """Yield what methods are found by."""
    counts = view.atlas.methods.facets()
    for axis in AXES:
        yield axis_facet(view, axis, counts[axis])
    yield flat_facet("benchmark", "Benchmark", view.survey.names["benchmarks"], counts["benchmark"])
    yield flat_facet("without", "Does without", WITHOUT, counts["without"], every=True)
    yield flat_facet("attack", "Attack tried on it", view.survey.names["metrics"], counts["attack"])
    yield flat_facet("withstood", "Attack withstood", view.survey.names["metrics"], counts["withstood"])
    yield flat_facet("implementation", "Reference implementation", IMPLEMENTATIONS, counts["implementation"])
    yield flat_facet("survey", "Stands in survey", view.survey.names["surveys"], counts["survey"])


def _row(view: View, method: Method) -> Row:
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
    return Row(cells, view.survey.terms_of[method.id], ", ".join(method.aliases[1:]), method.id)
