"""Tables and comparisons: records to Markdown and CSV, methods side by side."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unlearning_atlas.faults import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from unlearning_atlas.atlas import Atlas
    from unlearning_atlas.models import Method


def cell(value: object) -> str:
    """Show a record's value in one cell: several terms joined by a comma, nothing for what is absent."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(" ".join(item) if isinstance(item, (list, tuple)) else str(item) for item in value)
    return str(value)


def markdown_table(records: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """Return a Markdown table; pipes and line breaks in values are escaped."""
    rows = [[_escape(cell(record.get(column))) for column in columns] for record in records]
    widths = [max(3, len(column), *(len(row[n]) for row in rows)) for n, column in enumerate(columns)] if rows else []
    widths = widths or [max(3, len(column)) for column in columns]
    lines = [columns, ["-" * width for width in widths], *rows]
    return "".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |\n"
        for line in lines
    )


def _escape(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def csv_table(records: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """Return comma-separated values with a header line; several terms in one cell are joined by spaces."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow(
            [
                cell(record.get(column)).replace(", ", " ")
                if isinstance(record.get(column), list)
                else cell(record.get(column))
                for column in columns
            ]
        )
    return stream.getvalue()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Methods side by side: ``rows`` holds (label, one value a method), absent values as empty strings."""

    ids: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    def to_records(self) -> list[dict[str, str]]:
        """Return one dict a method: its id and every row's value under the row's label."""
        return [
            {"id": id_, **{label: values[number] for label, values in self.rows}} for number, id_ in enumerate(self.ids)
        ]

    def to_markdown(self) -> str:
        """Return a Markdown table with a row for every property and a column for every method."""
        columns = ["property", *self.ids]
        return markdown_table(
            ({"property": label, **dict(zip(self.ids, values, strict=True))} for label, values in self.rows), columns
        )

    def __str__(self) -> str:
        return self.to_markdown()


def compare(atlas: Atlas, ids: Sequence[str]) -> Comparison:
    """Set methods side by side. Raises UnknownNameError for an unknown id, ValueError for fewer than two."""
    for id_ in ids:
        if id_ not in atlas.methods:
            raise UnknownNameError("method", id_, atlas.methods)
    if len(set(ids)) < 2 or len(set(ids)) < len(ids):
        raise ValueError(f"compare needs two or more different methods (got {', '.join(ids) or 'none'})")
    columns = [dict(_properties(atlas, atlas.methods[id_])) for id_ in ids]
    return Comparison(tuple(ids), tuple((label, tuple(column[label] for column in columns)) for label in columns[0]))


def _properties(atlas: Atlas, method: Method) -> Iterable[tuple[str, str]]:
    def labels(axis: str, terms: Iterable[str]) -> str:
        return ", ".join(atlas.taxonomy.label(axis, term) for term in terms)

    yield "name", method.name
    yield "introduced", method.introduced
    yield "paper", f"{method.paper.citation}, {method.paper.venue}".rstrip(", ")
    yield "family", labels("family", [method.family])
    yield "paradigm", labels("paradigm", method.paradigm)
    yield "access level", labels("access_level", method.access_level)
    yield "forget objective", labels("objective", method.objective.forget)
    yield "retain objective", labels("objective", method.objective.retain)
    yield "intervention", labels("intervention", method.intervention)
    yield "target", labels("target", method.target)
    yield "modality", labels("modality", method.modality)
    yield "benchmarks", ", ".join(atlas.benchmarks[id_].name for id_ in method.benchmarks)
    yield "equation", method.equation.latex.strip() if method.equation else ""
    for need in type(method.needs).model_fields:
        yield f"needs {need.replace('_', ' ')}", getattr(method.needs, need)
    yield "training cost", (method.cost and method.cost.training) or ""
    yield "inference cost", (method.cost and method.cost.inference) or ""
    yield "implementation", method.implementation.status if method.implementation else "none"
