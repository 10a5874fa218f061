"""What the pages' scripts load when a reader asks for it: entries to download, compare and count.

Each file is a script that sets one member of ``AtlasData``, since a page opened from disk may not read JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from unlearning_atlas import api
from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.exports import csv_table
from unlearning_atlas.pages import graph, robustness
from unlearning_atlas.pages.figures import TASKS, score, shown_value
from unlearning_atlas.pages.methods import IMPLEMENTATIONS, WITHOUT
from unlearning_atlas.pages.view import anchor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unlearning_atlas.models import Method
    from unlearning_atlas.pages.view import View

FOLDER = "assets/data"


def render(view: View) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every data file."""
    for kind in ("methods", "benchmarks", "metrics", "surveys"):
        yield _file(f"{kind}-download", _downloads(view, view.atlas.collections[kind].to_records()))
    yield _file("papers-download", _downloads(view, list(_papers(view))))
    yield _file("methods-terms", _terms(view))
    yield _file("methods-compare", _comparison(view))
    yield _file("graph", graph.elements(view))


def _file(name: str, data: Any) -> tuple[str, str]:
    # "</" would end an inline script and U+2028 a line; nothing here is inline, but a copy of it might be.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f"{FOLDER}/{name}.js", f"(window.AtlasData ??= {{}})[{json.dumps(name)}] = {text};\n"


def _downloads(view: View, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the CSV line, the record and the BibTeX key of each row: a download joins those of the rows in view."""
    columns = list(records[0]) if records else ["id"]
    entries = {
        record["id"]: {"csv": csv_table([record], columns).split("\n", 1)[1], "record": record} for record in records
    }
    bibtex = {record["paper"]: view.atlas.papers[record["paper"]].bibtex for record in records}
    return {"head": csv_table([], columns), "entries": entries, "bibtex": bibtex}


def _papers(view: View) -> Iterator[dict[str, Any]]:
    """Yield a record of each paper: short as those of entries are, with names in one text, and its own id as paper."""
    for item in view.atlas.literature.values():
        record = {"id": item.paper.key} | api.literature_record(item)
        del record["key"], record["bibtex"]
        entries = [f"{kind}/{id_}" for kind, id_ in item.entries]
        yield record | {"authors": "; ".join(item.paper.authors), "entries": entries, "paper": item.paper.key}


def _terms(view: View) -> dict[str, Any]:
    """Return the facets with their labels, and what each method is found by."""
    used = view.atlas.methods.facets()
    axes: dict[str, tuple[str, list[tuple[str, str, int]]]] = {
        name: (axis.label, [(term.id, term.label, len(above)) for term, above in walk_terms(axis.terms)])
        for name, axis in view.survey.taxonomy
        if name in used
    }
    flat = {
        "benchmark": ("Benchmark", view.survey.names["benchmarks"]),
        "without": ("Does without", WITHOUT),
        "attack": ("Attack tried on it", view.survey.names["metrics"]),
        "implementation": ("Reference implementation", IMPLEMENTATIONS),
    }
    for name, (label, terms) in flat.items():
        axes[name] = (label, [(term, text, 0) for term, text in terms.items()])
    names = view.survey.names["methods"]
    return {
        "axes": {name: {"label": label, "terms": terms} for name, (label, terms) in axes.items()},
        "methods": {id_: {"name": names[id_], "terms": terms} for id_, terms in view.survey.terms_of.items()},
    }


def _comparison(view: View) -> dict[str, Any]:
    """Return the rows of a comparison and, for each method, their cells; a cell is a list of [text, address]."""
    methods = {}
    rows: dict[str, str] = {}
    for id_, method in view.atlas.methods.items():
        cells = {}
        for part, label, cell in (*_facts(view, method), *_figures(view, method)):
            rows.setdefault(label, part)
            cells[label] = cell
        methods[id_] = {"name": method.name, "cells": cells}
    return {"rows": list(rows.items()), "methods": methods}


Cell = list[tuple[str, str]]


def _facts(view: View, method: Method) -> Iterator[tuple[str, str, Cell]]:
    def terms(axis: str, found: Sequence[str]) -> Cell:
        label = view.atlas.taxonomy.label
        return [(label(axis, term), f"taxonomy/#{anchor(axis, term)}") for term in found]

    paper = method.paper
    yield "What it is", "Paper", [(f"{paper.citation}, {paper.venue}".rstrip(", "), paper.url)]
    yield "What it is", "Since", [(method.introduced, "")]
    yield "What it is", "In short", [(" ".join(method.summary.split()), "")]
    yield "What it is", "Family", terms("family", [method.family])
    yield "What it is", "Paradigm", terms("paradigm", method.paradigm)
    yield "What it is", "Access level", terms("access_level", method.access_level)
    yield "What it is", "Forgets by", terms("objective", method.objective.forget)
    yield "What it is", "Keeps by", terms("objective", method.objective.retain)
    yield "What it is", "Changes", terms("intervention", method.intervention)
    yield "What it is", "Target", terms("target", method.target)
    yield "What it is", "Modality", terms("modality", method.modality)
    names = view.survey.names["benchmarks"]
    yield "What it is", "Benchmarks", [(names[id_], f"benchmarks/{id_}/") for id_ in method.benchmarks]
    attacks = view.survey.names["metrics"]
    for outcome, label in robustness.CAME_TO.items():
        came = sorted(
            (id_ for id_, found in method.outcomes.items() if found == outcome), key=lambda i: attacks[i].lower()
        )
        yield "Attacks tried on it", label, [(attacks[id_], f"metrics/{id_}/#tried") for id_ in came]
    yield "Equation", "Equation", [(method.equation.latex.strip(), "tex")] if method.equation else []
    for need, value in method.needs.model_dump().items():
        yield "Needs and cost", WITHOUT[need], [("not needed" if value == "none" else value, "")]
    cost = method.cost
    yield "Needs and cost", "Training cost", [(cost.training, "")] if cost and cost.training else []
    yield "Needs and cost", "Inference cost", [(cost.inference, "")] if cost and cost.inference else []
    made = method.implementation.status if method.implementation else "none"
    told = method.implementation or method.id in view.survey.gaps
    where = f"methods/{method.id}/#implementation" if told else ""
    yield "Needs and cost", "Implementation", [(IMPLEMENTATIONS[made], where)]


def _figures(view: View, method: Method) -> Iterator[tuple[str, str, Cell]]:
    for task, board in view.atlas.measured.items():
        part = f"Measured: {TASKS.get(task, task)}"
        measured = board.methods.get(method.id)
        figures: list[tuple[str, str]] = [(name, shown_value(measured, name) if measured else "") for name in _SHOWN]
        if measured:
            figures.insert(0, ("score", f"{score(board, measured):.2f}"))
        else:
            figures.insert(0, ("score", ""))
        for name, value in figures:
            yield part, f"{name.replace('_', ' ')} ({task})", [(value, "")] if value else []


_SHOWN = ("forget", "paraphrase", "retain", "neighbour", "world", "utility", "steps to relearn", "seconds")
