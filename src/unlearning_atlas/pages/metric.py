"""The page of a metric or an attack and the table of all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from unlearning_atlas.pages import measured, parts, reported, robustness
from unlearning_atlas.pages.facets import Row, axis_facet, finder, flat_facet
from unlearning_atlas.pages.markup import Html, document, escape, join, section, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.models import Metric
    from unlearning_atlas.pages.view import View

_GOOD = {"lower": "lower is better", "higher": "higher is better", "match-retrained": "as on a retrained model"}
_ROLES = {"measure": "Measure", "attack": "Attack"}


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
    benchmarks = view.atlas.benchmarks.where(metric=metric.id)
    yield section("Benchmarks that use it", "benchmarks", parts.entries_of(view, "benchmarks", benchmarks))
    users = view.survey.numbers.get(("metrics", metric.id), ())
    yield section("What it was tried on", "tried", robustness.of_attack(view, metric.id))
    yield section("Methods that report it", "methods", parts.reporting(view, users, "metrics", metric.id))
    yield section("Reported results", "results", *reported.table_of(view, "metrics", metric.id), searched=False)
    problems = view.atlas.open_problems.where(metric=metric.id)
    yield section("Open problems it bears on", "problems", parts.entries_of(view, "open_problems", problems))


def render_all(view: View) -> str:
    """Return the table of all measures and attacks as Markdown, measures first."""
    counts = view.atlas.metrics.facets()
    users = {id_: view.atlas.benchmarks.where(metric=id_) for id_ in view.atlas.metrics}
    benchmarks = Counter(benchmark for found in users.values() for benchmark in found)
    facets = [
        flat_facet("role", "Role", _ROLES, counts["role"]),
        replace(axis_facet(view, "metric_group", counts["group"], "Group"), name="group"),
        flat_facet("benchmark", "Benchmark", view.survey.names["benchmarks"], benchmarks),
    ]
    terms = view.survey.found_by("metrics")
    rows = []
    for metric in sorted(
        view.atlas.metrics.values(), key=lambda metric: (metric.role == "attack", metric.name.lower())
    ):
        id_ = metric.id
        reporting = len(view.survey.numbers.get(("metrics", id_), ()))
        tried = len(view.atlas.methods.where(attack=id_))
        users_ = tag("a", str(tried), href=Html(f"{id_}/#tried")) if tried else str(reporting or "")
        cells = [
            view.entry("metrics", id_),
            escape(_ROLES[metric.role]),
            view.term("metric_group", metric.group),
            escape(_span(metric)),
            escape(_GOOD.get(metric.direction.forget or "", "")),
            view.entries("benchmarks", users[id_]),
            users_,
            escape(metric.introduced),
        ]
        found = [*terms[id_], *(f"benchmark:{benchmark}" for benchmark in users[id_])]
        rows.append(Row(cells, found, ", ".join(metric.aliases), id_))
    blocks = [
        parts.subnav(view, "metrics/"),
        "# Metrics and attacks",
        tag(
            "p",
            "A measure reads the model as it is; an attack tries to get back what was removed. “Methods” counts "
            "those that report a measure, or those that an attack was tried on: ",
            tag("a", "what breaks what", href="../robustness/"),
            ".",
        ),
        *finder(
            facets,
            ("Name", "Role", "Group", "Range", "On forget set", "Benchmarks", "Methods", "Since"),
            rows,
            id_="all-metrics",
            noun="metrics and attacks",
            search="Name, group, benchmark …",
            kind="metrics",
        ),
    ]
    return document(
        "Metrics and attacks",
        blocks,
        description="Measures of LLM unlearning, and attacks on it.",
        hide=["navigation", "toc"],
    )
