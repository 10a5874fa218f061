"""Numbers that methods report on a benchmark or in a metric, in one table with where each of them stands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts
from unlearning_atlas.pages.facets import Row, finder, flat_facet
from unlearning_atlas.pages.markup import Html, join, tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.models import Result
    from unlearning_atlas.pages.view import View

_FEW = 12
"""Up to so many rows are read faster than searched."""
_OTHER = {"benchmarks": "metrics", "metrics": "benchmarks"}


def table_of(view: View, kind: str, id_: str) -> Iterator[str]:
    """Yield the blocks of an entry's section: what the numbers can't say, and the numbers.

    Those of one benchmark or metric, split and model stand together, the largest first. ``kind`` is ``benchmarks`` or
    ``metrics``.
    """
    other = _OTHER[kind]
    names = view.survey.names[other]
    found = view.survey.results.get((kind, id_), [])
    if not found:
        return

    def of(result: Result) -> str:
        return result.metric if kind == "benchmarks" else result.benchmark

    found = sorted(found, key=lambda one: (names[of(one[1])].lower(), one[1].split or "", one[1].model, -one[1].value))
    rows = [
        Row(
            [
                view.entry(other, of(result)),
                result.split or "",
                result.model,
                tag("a", view.survey.names["methods"][method], href=Html(f"{view.up}methods/{method}/#results")),
                tag("b", str(result.value)),
                join([parts.where(view, result), " ", parts.status(result.status, result.checked, result.audited)]),
            ],
            [f"{other[:-1]}:{of(result)}", f"method:{method}", f"status:{result.status}"],
        )
        for method, result in found
    ]
    label = other[:-1].capitalize()
    methods = view.survey.names["methods"]
    facets = [
        flat_facet(other[:-1], label, names, Counter(of(result) for _, result in found)),
        flat_facet("method", "Method", methods, Counter(method for method, _ in found)),
        flat_facet("status", "Evidence", parts.STATUSES, Counter(result.status for _, result in found)),
    ]
    yield tag(
        "p",
        "Each number was reported by a method’s authors, under their own models, data and settings: those of one split "
        "and model stand together, and even they can seldom be compared.",
        class_="quiet",
    )
    columns = (label, "Split", "Model", "Method", "Value", "Stands in")
    blocks = finder(facets, columns, rows, id_="reported", noun="numbers", search="Method, model, split …")
    yield from blocks if len(rows) > _FEW else blocks[1:]
