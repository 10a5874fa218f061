"""The catalog to the compiled index of :mod:`unlearning_atlas.index`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unlearning_atlas.catalog import read_catalog, walk_terms
from unlearning_atlas.faults import CatalogError
from unlearning_atlas.index import FACETS, assemble
from unlearning_atlas.models import Benchmark, Method, Metric, OpenProblem, Survey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from unlearning_atlas.models import Entry


def compile_index(root: Path, signature: str = "") -> bytes:
    """Read the catalog below a root and return its index. Raises CatalogError when a file does not fit its model."""
    catalog = read_catalog(root)
    if catalog.faults:
        raise CatalogError(catalog.faults)
    records = {kind: [record(entry) for entry in entries.values()] for kind, entries in catalog.entries.items()}
    axes = {
        name: {term.id: above[-1] if above else "" for term, above in walk_terms(axis.terms)}
        for name, axis in catalog.axes.items()
    }
    ids = {kind: list(entries) for kind, entries in catalog.entries.items()}
    query = {"ids": ids, "masks": {kind: _masks(kind, records[kind], axes, ids) for kind in records}, "axes": axes}
    bodies = {
        kind: {id_: entry.model_dump_json(by_alias=True, exclude_defaults=True) for id_, entry in entries.items()}
        for kind, entries in catalog.entries.items()
    }
    bodies["axes"] = {name: axis.model_dump_json(exclude_defaults=True) for name, axis in catalog.axes.items()}
    return assemble(signature, query, records, bodies)


def _masks(
    kind: str, records: list[dict[str, Any]], axes: dict[str, dict[str, str]], ids: dict[str, list[str]]
) -> dict[str, dict[str, str]]:
    """Return facet → term → the records it holds for, a term of the taxonomy for those of the terms below it too."""
    found: dict[str, dict[str, str]] = {}
    for facet, (column, axis, values) in FACETS[kind].items():
        above = axes.get(axis, {})
        masks = dict.fromkeys(above or values or ids.get(axis, ()), 0)
        for number, entry in enumerate(records):
            bit = 1 << number
            held = entry[column]
            for term in (held,) if isinstance(held, str) else held:
                masks[term] = masks.get(term, 0) | bit
                while term := above.get(term, ""):
                    masks[term] |= bit
        found[facet] = {term: f"{mask:x}" for term, mask in masks.items()}
    return found


def record(entry: Entry) -> dict[str, Any]:
    """Return the short record of an entry: what lists show and queries ask for."""
    common = {"id": entry.id, "name": entry.name, "aliases": entry.aliases, "introduced": entry.introduced}
    common |= {"paper": entry.paper_key}
    if isinstance(entry, Method):
        return common | {
            "family": entry.family,
            "paradigm": entry.paradigm,
            "access_level": entry.access_level,
            "objective": (*entry.objective.forget, *entry.objective.retain),
            "intervention": entry.intervention,
            "target": entry.target,
            "modality": entry.modality,
            "benchmarks": entry.benchmarks,
            # A survey is credited only with what is known to stand in it.
            "surveys": tuple(item.survey for item in entry.surveys if item.status == "seen"),
            "without": tuple(need for need, value in entry.needs.model_dump().items() if value != "required"),
            "attacks": tuple(entry.outcomes),
            "withstood": tuple(attack for attack, outcome in entry.outcomes.items() if outcome == "withstood"),
            "implementation": entry.implementation.status if entry.implementation else "none",
            "relations": [(link.type, link.target) for link in entry.relations],
            "superseded_by": entry.superseded_by,
        }
    if isinstance(entry, Benchmark):
        return common | {
            "task": entry.task,
            "paradigm": entry.paradigm,
            "modality": entry.modality,
            "target": entry.target,
            "knowledge": entry.knowledge,
            "metrics": entry.metrics,
            "superseded_by": entry.superseded_by,
        }
    if isinstance(entry, Metric):
        return common | {"role": entry.role, "group": entry.group, "superseded_by": entry.superseded_by}
    if isinstance(entry, Survey):
        return common | {
            "form": entry.form,
            "scope": entry.scope,
            "modality": entry.modality,
            "superseded_by": entry.superseded_by,
        }
    assert isinstance(entry, OpenProblem)
    return common | {
        "question": entry.question,
        "methods": _once(attempt.methods for attempt in entry.attempts),
        "benchmarks": _once(attempt.benchmarks for attempt in entry.attempts),
        "metrics": _once(attempt.metrics for attempt in entry.attempts),
        "superseded_by": entry.superseded_by,
    }


def _once(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id_ for ids in groups for id_ in ids))
