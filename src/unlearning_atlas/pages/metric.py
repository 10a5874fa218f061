"""The page of a metric or an attack and the table of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import measured, parts
from unlearning_atlas.pages.markup import Html, document, escape, join, section, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.models import Metric
    from unlearning_atlas.pages.view import View

_GOOD = {"lower": "lower is better", "higher": "higher is better", "match-retrained": "as on a retrained model"}


def render(view: View, metric: Metric) -> str:
    """Return a metric's page as Markdown."""
    belongs = join([metric.role, " · ", view.term("metric_group", metric.group)])
    return parts.entry_page(view, metric, belongs, _facets(metric), _body(view, metric))


def _facets(metric: Metric) -> Iterable[tuple[str, str]]:
    yield "Range", _span(metric)
    yield "On the forget set", _GOOD.get(metric.direction.forget or "", "")
    yield "On the rest", _GOOD.get(metric.direction.retain or "", "")
    yield "Needs", ", ".join(metric.needs)


def _span(metric: Metric) -> str:
    low, high, unit = metric.range.minimum, metric.range.maximum, metric.range.unit
    if low is None and high is None:
        span = "open at both ends"
    elif low is None or high is None:
        span = f"from {low}" if high is None else f"up to {high}"
    else:
        span = f"{low} to {high}"
    return f"{span}, {unit}" if unit else span


def _body(view: View, metric: Metric) -> Iterable[list[str]]:
    yield section("Definition", "definition", *parts.equation(metric.definition))
    variants = (tag("p", variant.text, tag("br"), parts.standing(view, variant)) for variant in metric.variants)
    yield section("Disagreeing definitions in use", "variants", *variants)
    yield section("When it misleads", "failures", parts.remarks(view, metric.failure_modes))
    yield section("In the lab", "lab", *measured.of_metric(view, metric.id), searched=False)
    users = view.atlas.benchmarks.where(metric=metric.id)
    if users:
        yield section("Benchmarks that use it", "benchmarks", tag("p", view.entries("benchmarks", users)))
    reported = view.survey.numbers.get(("metrics", metric.id), ())
    yield section("Methods that report it", "methods", parts.reporting(view, reported, "metrics", metric.id))
    problems = view.atlas.open_problems.where(metric=metric.id)
    yield section("Open problems it bears on", "problems", parts.entries_of(view, "open_problems", problems))


def render_all(view: View) -> str:
    """Return the tables of all measures and all attacks as Markdown."""
    blocks = [
        "# Metrics and attacks",
        tag("p", "A measure reads the model as it is; an attack tries to get back what was removed."),
        *section("Measures", "measures", _table(view, "measure")),
        *section("Attacks", "attacks", _table(view, "attack")),
    ]
    return document(
        "Metrics and attacks",
        blocks,
        description="Measures of LLM unlearning, and attacks on it.",
        hide=["navigation", "toc"],
    )


def _table(view: View, role: str) -> Html:
    rows = []
    for id_, metric in view.atlas.metrics.where(role=role).items():
        rows.append(
            [
                view.entry("metrics", id_),
                view.term("metric_group", metric.group),
                escape(_span(metric)),
                escape(_GOOD.get(metric.direction.forget or "", "")),
                view.entries("benchmarks", view.atlas.benchmarks.where(metric=id_)),
            ]
        )
    if not rows:
        return Html("")
    return table(["Name", "Group", "Range", "Good on the forget set", "Benchmarks"], rows, "data")
