"""The page of a benchmark and the table of all benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts, reported
from unlearning_atlas.pages.facets import Row, axis_facet, finder, flat_facet
from unlearning_atlas.pages.markup import Html, document, escape, facts, join, link, section, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.models import Benchmark
    from unlearning_atlas.pages.view import View

_KNOWLEDGE = {"fictitious": "Fictitious", "real": "Real"}


def render(view: View, benchmark: Benchmark) -> str:
    """Return a benchmark's page as Markdown."""
    belongs = f"{benchmark.knowledge} knowledge"
    return parts.entry_page(view, benchmark, belongs, _facets(view, benchmark), _body(view, benchmark))


def _facets(view: View, benchmark: Benchmark) -> Iterable[tuple[str, str]]:
    yield "Task", benchmark.task
    yield "Paradigm", view.terms("paradigm", benchmark.paradigm)
    yield "Target", view.terms("target", benchmark.target)
    yield "Modality", view.terms("modality", benchmark.modality)
    yield "Metrics", view.entries("metrics", benchmark.metrics)
    yield "Models", ", ".join(benchmark.base_models)


def _body(view: View, benchmark: Benchmark) -> Iterable[list[str]]:
    yield section("Splits", "splits", _splits(benchmark))
    if benchmark.data:
        address = link(benchmark.data.url.split("://", 1)[1], benchmark.data.url) if benchmark.data.url else ""
        pairs = [("Address", address), ("Licence", benchmark.data.licence or "")]
        yield section("Data", "data", facts(pairs))
    yield section("Public code", "code", *parts.public_code(view, benchmark.code))
    yield section("Known faults", "faults", parts.remarks(view, benchmark.known_faults))
    users = view.atlas.methods.where(benchmark=benchmark.id)
    if users:
        narrowed = tag("p", "See them ", view.filtered("in the table", "benchmark", benchmark.id), ".", class_="quiet")
        named = parts.reporting(view, users, "benchmarks", benchmark.id)
        yield section("Methods that report on it", "methods", named, narrowed)
    yield section("Reported results", "results", *reported.table_of(view, "benchmarks", benchmark.id), searched=False)
    problems = view.atlas.open_problems.where(benchmark=benchmark.id)
    yield section("Open problems it bears on", "problems", parts.entries_of(view, "open_problems", problems))


def _splits(benchmark: Benchmark) -> Html:
    if not benchmark.splits:
        return Html("")
    rows = [
        (tag("b", split.name), escape(split.role), f"{split.size:,}" if split.size else "", split.unit or "")
        for split in benchmark.splits
    ]
    return table(["Split", "Role", "Size", "Unit"], rows, "data narrow")


def render_all(view: View) -> str:
    """Return the table of all benchmarks as Markdown."""
    counts = view.atlas.benchmarks.facets()
    facets = [
        *(axis_facet(view, axis, counts[axis]) for axis in ("paradigm", "target", "modality")),
        flat_facet("knowledge", "Knowledge", _KNOWLEDGE, counts["knowledge"]),
        flat_facet("metric", "Metric", view.survey.names["metrics"], counts["metric"], every=True),
    ]
    terms = view.survey.found_by("benchmarks")
    rows = []
    for id_, benchmark in view.atlas.benchmarks.sort("name").items():
        users = len(view.atlas.methods.where(benchmark=id_))
        cells = [
            join([view.entry("benchmarks", id_), tag("br"), tag("span", benchmark.task, class_="quiet")]),
            view.terms("paradigm", benchmark.paradigm),
            view.terms("target", benchmark.target),
            escape(_KNOWLEDGE[benchmark.knowledge]),
            view.filtered(str(users), "benchmark", id_) if users else "0",
            escape(benchmark.introduced),
        ]
        rows.append(Row(cells, terms[id_], ", ".join((*benchmark.aliases, *benchmark.base_models)), id_))
    blocks = [
        "# Benchmarks",
        tag("p", "What unlearning is tried on. Each entry lists its splits, its metrics and its known faults."),
        *finder(
            facets,
            ("Benchmark", "Paradigm", "Target", "Knowledge", "Methods", "Since"),
            rows,
            id_="all-benchmarks",
            noun="benchmarks",
            search="Name, task, model …",
            kind="benchmarks",
        ),
    ]
    return document("Benchmarks", blocks, description="Benchmarks of LLM unlearning.", hide=["navigation", "toc"])
