"""The catalog as static files below ``api/v1/`` of the site: JSON, CSV, BibTeX and the JSON Schemas of both ends.

A record has the names and values of the Python attributes, so ``entry["paper_key"]`` there is ``entry.paper_key`` here.
Every field is in every record: what is not known is null, what there is none of is an empty list. Keys are sorted and
equal catalogs give equal bytes. Within a version of the API fields may come, but neither go nor change their meaning,
and no address goes.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from statistics import mean
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from unlearning_atlas.catalog import Catalog
from unlearning_atlas.graph import export
from unlearning_atlas.models import ENTRY_MODELS, Axis
from unlearning_atlas.schema import schemas, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from unlearning_atlas.atlas import Atlas
    from unlearning_atlas.history import History
    from unlearning_atlas.literature import Literature
    from unlearning_atlas.measurements import Board, Measured
    from unlearning_atlas.models import Entry
    from unlearning_atlas.papers import Paper

VERSION = 1
FOLDER = f"api/v{VERSION}"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


class PaperRecord(_Record):
    """A paper of the bibliography."""

    key: str = Field(description="BibTeX key.")
    title: str = Field(description="Title, without the braces of BibTeX.")
    authors: tuple[str, ...] = Field(description="Names, given name first.")
    citation: str = Field(description="Short form: first author's last name, others, year.")
    year: int = Field(description="Year of publication.")
    month: int | None = Field(description="Month of the first version, 1 to 12.")
    venue: str | None = Field(description="Journal, proceedings, or arXiv.")
    arxiv: str | None = Field(description="arXiv id.")
    doi: str | None = Field(description="DOI.")
    url: str | None = Field(description="Where to read it.")
    code: str | None = Field(description="Address of the authors' code.")
    bibtex: str = Field(description="The record as it stands in references.bib.")


class EntryName(_Record):
    """Names an entry."""

    kind: str = Field(description="methods, benchmarks, metrics, surveys or open_problems.")
    id: str = Field(description="The entry's id.")


class LiteratureRecord(PaperRecord):
    """A paper of the bibliography with what it is to the catalog."""

    kind: str = Field(
        description="What it introduces: method, benchmark, metric, survey; without an entry what it seems to be; "
        "background for what is cited without being about unlearning."
    )
    entries: tuple[EntryName, ...] = Field(description="The entries it introduces.")


class Figure(_Record):
    """A figure over the seeds."""

    mean: float = Field(description="Mean over the seeds.")
    spread: float = Field(description="Half the distance between the largest and the smallest value.")
    values: tuple[float, ...] = Field(description="The value of each seed, in the order of 'seeds'.")


class MeasuredRecord(_Record):
    """What the lab measured of one method, or of one baseline, on one task."""

    seeds: tuple[int, ...] = Field(description="The seeds.")
    figures: dict[str, Figure] = Field(description="Scores and metrics by name; metrics go by their entry's id.")
    forget_quality_counts: bool = Field(
        description="Whether utility is at least 0.9 of the retrained model's on every seed; else forget quality says "
        "nothing."
    )
    attacks: dict[str, Figure] = Field(
        description="What attacks bring back, by name: 'quantization.4.forget' is the score forget at 4 bits."
    )
    relearning: tuple[tuple[int, float], ...] = Field(
        description="Pairs of steps of fine-tuning on the forget set and the score forget, averaged over the seeds."
    )
    steps_to_relearn: float | None = Field(
        description="Mean steps until 0.9 of the forgotten is back; null when for some seed it is not."
    )
    curve: tuple[dict[str, float], ...] = Field(description="Scores while unlearning, averaged over the seeds.")
    cost: dict[str, float | None] = Field(
        description="Mean cost: sequences forward and backward, seconds, peak_mib. Empty for a baseline."
    )
    hyperparameters: dict[str, Any] = Field(description="What the method ran with. Empty for a baseline.")
    made: dict[str, Any] = Field(description="Versions, commit and hardware of the first seed. Empty for a baseline.")


class BoardRecord(_Record):
    """What the lab measured on one task."""

    task: str = Field(description="The task's name.")
    baselines: dict[str, MeasuredRecord] = Field(
        description="The models that methods are held against: before unlearning, retrained without the forgotten "
        "data, and retrained again."
    )
    methods: dict[str, MeasuredRecord] = Field(description="The methods by id.")


class Index(_Record):
    """What there is and where it lies. Addresses are relative to index.json, pages to the site."""

    api: int = Field(description="Version of the API: 1 for what lies below api/v1/.")
    package: str = Field(description="Version of the package that wrote the files.")
    site: str = Field(description="Address of the site.")
    commit: str | None = Field(description="The last commit that changed the data; null when built without a history.")
    updated: str | None = Field(description="When that was, in UTC.")
    licences: dict[str, str] = Field(description="SPDX names of the licences of data and code.")
    counts: dict[str, int] = Field(description="How many there are of each kind.")
    documents: dict[str, str] = Field(description="Addresses, with what lies there, other than those below.")
    schemas: tuple[str, ...] = Field(description="Addresses of the JSON Schemas.")
    entries: dict[str, dict[str, str]] = Field(description="Kind, then id, to the address of the entry's record.")
    feed: str = Field(description="Address of the Atom feed of new entries.")


def paper_record(paper: Paper) -> dict[str, Any]:
    """Return a paper's record."""
    known = {name: None if value == "" else value for name, value in asdict(paper).items()}
    known["citation"] = paper.citation
    fields = {name: known[name] for name in PaperRecord.model_fields}
    return PaperRecord.model_validate(fields).model_dump(mode="json")


def literature_record(item: Literature) -> dict[str, Any]:
    """Return the record of a paper with the entries it introduces."""
    entries = [{"kind": kind, "id": id_} for kind, id_ in item.entries]
    return paper_record(item.paper) | {"kind": item.kind, "entries": entries}


def entry_record(entry: Entry) -> dict[str, Any]:
    """Return an entry's record: its fields by their Python names, with its kind, its page and its paper."""
    page = f"{entry.kind}/{entry.id}/"
    return {**entry.model_dump(mode="json"), "kind": entry.kind, "page": page, "paper": paper_record(entry.paper)}


def measured_record(measured: Measured) -> dict[str, Any]:
    """Return the figures of a method or a baseline on a task."""
    first = measured.rows[0]
    scores = [name for name, value in first.items() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    attacks = [dict(_leaves(row["attacks"] | {"relearning": {}})) for row in measured.rows]
    run = measured.runs[0] if measured.runs else {}
    return MeasuredRecord(
        seeds=measured.seeds,
        figures={name: _figure(measured.values(name)) for name in (*scores, *first["metrics"])},
        forget_quality_counts=all(row["forget_quality_counts"] for row in measured.rows),
        attacks={name: _figure([found[name] for found in attacks]) for name in attacks[0]},
        relearning=tuple(measured.relearning),
        steps_to_relearn=measured.steps_to_relearn,
        curve=tuple(measured.curve),
        cost={name: measured.cost(name) for name in run.get("cost", ())},
        hyperparameters=run.get("hyperparameters", {}),
        made=run.get("made", {}),
    ).model_dump(mode="json")


def _leaves(found: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of nested mappings, each by its path."""
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _figure(values: list[float]) -> Figure:
    return Figure(mean=mean(values), spread=(max(values) - min(values)) / 2, values=tuple(values))


def board_record(board: Board) -> dict[str, Any]:
    """Return everything that was measured on a task."""
    groups = {"baselines": board.baselines, "methods": board.methods}
    found = {name: {id_: measured_record(one) for id_, one in group.items()} for name, group in groups.items()}
    return {"task": board.task, **found}


_KINDS = {kind: kind.replace("_", " ") for kind in ENTRY_MODELS}
DOCUMENTS = {
    "index.json": "version, counts, licences, and the addresses of everything else",
    **{f"{kind}.json": f"all {name}, a list of full records with their papers" for kind, name in _KINDS.items()},
    **{f"{kind}.csv": f"all {name}, a line each: id, name and facets" for kind, name in _KINDS.items()},
    "taxonomy.json": "the axes with their trees of terms, each term defined",
    "papers.json": "the bibliography, with what each paper is to the catalog",
    "references.bib": "the bibliography as BibTeX",
    "measurements.json": "what the lab measured, by task and method: means, spread, seeds and curves",
    "graph.json": "the catalog as a graph of typed nodes and edges",
    "atlas.json": "all of it but the graph in one file: index, entries, taxonomy, papers, measurements",
}
"""What lies where below :data:`FOLDER`, besides the records of single entries and the schemas."""


def files(atlas: Atlas, site_url: str, history: History | None = None) -> Iterator[tuple[str, str]]:
    """Yield (path below the site, text) of every file of the API.

    ``site_url`` is where the site is served; ``history`` says how old the data are.
    """
    found = dict(_files(atlas, site_url, history))
    yield from ((f"{FOLDER}/{path}", text) for path, text in found.items())


def _files(atlas: Atlas, site_url: str, history: History | None) -> Iterator[tuple[str, str]]:
    lists: dict[str, list[dict[str, Any]]] = {
        kind: [entry_record(entry) for entry in entries.values()] for kind, entries in atlas.collections.items()
    }
    entries = {kind: {record["id"]: f"{kind}/{record['id']}.json" for record in lists[kind]} for kind in lists}
    for kind in entries:
        yield from ((entries[kind][record["id"]], to_json(record)) for record in lists[kind])
        yield f"{kind}.csv", atlas.collections[kind].to_csv()
    lists["taxonomy"] = [axis.model_dump(mode="json") for axis in atlas.taxonomy.values()]
    lists["papers"] = [literature_record(item) for item in atlas.literature.values()]
    lists["measurements"] = [board_record(board) for board in atlas.measured.values()]
    yield from ((f"{name}.json", to_json(records)) for name, records in lists.items())
    yield "references.bib", "\n\n".join(paper.bibtex for paper in atlas.papers.values()) + "\n"
    yield "graph.json", to_json(json.loads(export(atlas, "json")))
    found = dict(sorted(_schemas(atlas)))
    yield from found.items()
    index = Index(
        api=VERSION,
        package=version("unlearning-atlas"),
        site=site_url,
        commit=history.commit if history else None,
        updated=history.when.strftime("%Y-%m-%dT%H:%M:%SZ") if history else None,
        licences={"code": "MIT", "data": "CC-BY-4.0"},
        counts={name: len(records) for name, records in lists.items() if name != "taxonomy"},
        documents=DOCUMENTS,
        schemas=tuple(found),
        entries=entries,
        feed="../../feed.xml",
    ).model_dump(mode="json")
    yield "index.json", to_json(index)
    yield "atlas.json", to_json({"index": index, **lists})


def to_json(value: Any) -> str:
    """Return JSON with sorted keys and without anything that a browser could take for markup."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    # A server that calls this HTML would otherwise make a browser run what an entry says.
    return text.replace("<", "\\u003c") + "\n"


def _schemas(atlas: Atlas) -> Iterator[tuple[str, str]]:
    """Yield the schemas of the catalog's files, and those of what the API gives out."""
    catalog = Catalog(atlas.root, axes=dict(atlas.taxonomy))
    yield from ((f"schema/{path.rsplit('/', 1)[1]}", text) for path, text in schemas(catalog).items())
    for name, schema in record_schemas().items():
        yield f"schema/{name}-record.schema.json", written(f"{name} record", schema, catalog)


def record_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each kind of record; references to terms are marked as the models mark them."""
    models: dict[str, type[BaseModel]] = {"axis": Axis, "paper": LiteratureRecord, "board": BoardRecord, "index": Index}
    found = {name: _record_schema(model) for name, model in models.items()}
    paper = _record_schema(PaperRecord)
    for kind, model in ENTRY_MODELS.items():
        schema = found[kind[:-1].replace("_", "-")] = _record_schema(model)
        schema["properties"] |= {
            "kind": {"const": kind, "description": "The kind of entry."},
            "page": {"type": "string", "description": "Address of its page, relative to the site."},
            "paper": {"$ref": "#/$defs/PaperRecord", "description": "The paper that introduced it."},
        }
        schema["required"] += ["kind", "page", "paper"]
        schema["$defs"]["PaperRecord"] = paper
    return found


def _record_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=False, mode="serialization")
    # A version of the API may gain fields, so those who check against its schema must let them pass.
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    return schema
