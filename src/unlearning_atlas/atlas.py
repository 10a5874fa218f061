"""The query interface: ``unlearning_atlas.load()`` and what it returns.

Lists and queries run on the compiled index alone; a full entry is parsed, and pydantic imported, when it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypedDict, TypeVar

from unlearning_atlas.faults import UnknownNameError, listing
from unlearning_atlas.index import SHIPPED, Index, open_index

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self, Unpack

    import networkx as nx
    import pandas as pd

    from unlearning_atlas.exports import Comparison
    from unlearning_atlas.literature import Literature
    from unlearning_atlas.measurements import Board
    from unlearning_atlas.models import Axis, Benchmark, Entry, Method, Metric, OpenProblem, Survey  # noqa: F401  (named in strings)
    from unlearning_atlas.papers import Paper

    E_co = TypeVar("E_co", bound=Entry, covariant=True)
else:
    E_co = TypeVar("E_co", covariant=True)

Terms = str | Iterable[str]
"""A term or id, or several of which any may hold."""


class MethodFacets(TypedDict, total=False):
    """What methods can be asked for. A term stands for everything below it."""

    family: Terms
    paradigm: Terms
    access_level: Terms
    objective: Terms
    intervention: Terms
    target: Terms
    modality: Terms
    benchmark: Terms
    survey: Terms
    without: Terms
    attack: Terms
    withstood: Terms
    implementation: Terms


class BenchmarkFacets(TypedDict, total=False):
    """What benchmarks can be asked for."""

    paradigm: Terms
    modality: Terms
    target: Terms
    knowledge: Terms
    metric: Terms


class MetricFacets(TypedDict, total=False):
    """What metrics and attacks can be asked for."""

    role: Terms
    group: Terms


class SurveyFacets(TypedDict, total=False):
    """What surveys can be asked for."""

    form: Terms
    modality: Terms


class OpenProblemFacets(TypedDict, total=False):
    """What open problems can be asked for: entries that bear on them."""

    method: Terms
    benchmark: Terms
    metric: Terms


class _Store:
    """The records of one kind, shared by all collections cut from it."""

    def __init__(self, atlas: Atlas, kind: str) -> None:
        self.atlas = atlas
        self.kind = kind
        self.ids = atlas._index.ids[kind]
        self.number = {id_: number for number, id_ in enumerate(self.ids)}
        self.entries: dict[str, Any] = {}

    @property
    def records(self) -> list[dict[str, Any]]:
        return self.atlas._index.records[self.kind]

    @cached_property
    def masks(self) -> dict[str, dict[str, int]]:
        """Facet → term → the entries it holds for, as the bits of one integer."""
        written = self.atlas._index.masks[self.kind]
        return {facet: {term: int(mask, 16) for term, mask in terms.items()} for facet, terms in written.items()}

    def entry(self, id_: str) -> Any:
        """Return the full entry, parsed once."""
        if id_ not in self.entries:
            if id_ not in self.number:
                raise UnknownNameError(singular(self.kind), id_, self.number)
            from unlearning_atlas.models import ENTRY_MODELS

            # The body was validated when the index was compiled, and is validated again here: it is cheap.
            entry = ENTRY_MODELS[self.kind].model_validate_json(self.atlas._index.body(self.kind, id_))
            entry.bind(lambda: self.atlas.papers)
            self.entries[id_] = entry
        return self.entries[id_]


class Collection(Mapping[str, E_co], Generic[E_co]):
    """Entries of one kind by id: a read-only mapping that can be narrowed, sorted and exported.

    Iterating gives ids; ``values()`` gives the full entries.
    """

    __slots__ = ("_mask", "_order", "_store")
    _kind: ClassVar[str]

    def __init__(self, atlas: Atlas) -> None:
        self._store = _Store(atlas, self._kind)
        self._mask = (1 << len(self._store.ids)) - 1
        self._order: tuple[int, ...] | None = None

    def __getitem__(self, id_: str) -> E_co:
        """Return an entry. Raises UnknownNameError, a KeyError, with the ids that come close."""
        entry: E_co = self._store.entry(id_)
        if not self._mask >> self._store.number[id_] & 1:
            raise UnknownNameError(f"{singular(self._kind)} in this selection", id_, self)
        return entry

    def __contains__(self, id_: object) -> bool:
        number = self._store.number.get(id_) if isinstance(id_, str) else None
        return number is not None and bool(self._mask >> number & 1)

    def __iter__(self) -> Iterator[str]:
        ids = self._store.ids
        return (ids[number] for number in self._numbers())

    def __len__(self) -> int:
        return self._mask.bit_count()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} ({listing(self, 8)})>"

    def _numbers(self) -> Iterable[int]:
        mask = self._mask
        if self._order is not None:
            return [number for number in self._order if mask >> number & 1]
        if mask == (1 << len(self._store.ids)) - 1:
            return range(len(self._store.ids))
        found = []
        while mask:
            low = mask & -mask
            found.append(low.bit_length() - 1)
            mask ^= low
        return found

    def _where(self, facets: Mapping[str, Any]) -> Self:
        mask = self._mask
        masks = self._store.masks
        try:
            for facet, term in facets.items():
                mask &= masks[facet][term]
        except (KeyError, TypeError):  # several terms, or a name that does not exist
            mask = self._mask
            for facet, terms in facets.items():
                mask &= self._any_of(facet, terms)
        narrowed = object.__new__(type(self))
        narrowed._store, narrowed._mask, narrowed._order = self._store, mask, self._order
        return narrowed

    def _any_of(self, facet: str, terms: object) -> int:
        masks = self._store.masks
        if facet not in masks:
            raise UnknownNameError(f"facet of {self._kind.replace('_', ' ')}", facet, masks)
        mask = 0
        for term in [terms] if isinstance(terms, str) or not isinstance(terms, Iterable) else terms:
            if not isinstance(term, str) or term not in masks[facet]:
                raise UnknownNameError(f"{facet}", term, masks[facet])
            mask |= masks[facet][term]
        return mask

    def select(self, facets: Mapping[str, Terms]) -> Self:
        """Do what ``where`` does, with the facets as a mapping; raises UnknownNameError as it does."""
        return self._where(facets)

    def facets(self) -> dict[str, dict[str, int]]:
        """Count, for every facet and term, the entries of this collection; terms of zero entries included."""
        mask = self._mask
        return {
            facet: {term: (mask & bits).bit_count() for term, bits in masks.items()}
            for facet, masks in self._store.masks.items()
        }

    def sort(self, key: str = "id", *, reverse: bool = False) -> Self:
        """Return the same entries ordered by a column of their records, such as "introduced" or "name".

        Raises UnknownNameError for a column that does not exist.
        """
        records = self._store.records
        if records and key not in records[0]:
            raise UnknownNameError("column", key, records[0])

        def rank(number: int) -> tuple[str, ...]:
            value = records[number][key]
            return tuple(map(str, value)) if isinstance(value, list) else (str(value or "").lower(),)

        ordered = object.__new__(type(self))
        ordered._store, ordered._mask = self._store, self._mask
        ordered._order = tuple(sorted(self._numbers(), key=rank, reverse=reverse))
        return ordered

    def to_records(self) -> list[dict[str, Any]]:
        """Return one dict an entry, ready for JSON: id, name and every facet."""
        return [json.loads(json.dumps(self._store.records[number])) for number in self._numbers()]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a pandas data frame with the id as index. Needs pandas."""
        import pandas as pd

        return pd.DataFrame(self.to_records(), columns=list(self._columns())).set_index("id")

    def _columns(self) -> Iterable[str]:
        return self._store.records[0] if self._store.records else ("id",)

    def to_csv(self) -> str:
        """Return comma-separated values with a header; several terms in one cell are joined by spaces."""
        from unlearning_atlas.exports import csv_table

        return csv_table(self.to_records(), list(self._columns()))

    def to_markdown(self, columns: Iterable[str] | None = None) -> str:
        """Return a Markdown table of the given columns of :meth:`to_records`."""
        from unlearning_atlas.exports import markdown_table

        chosen = list(columns) if columns is not None else ["id", "name", "introduced"]
        for column in chosen:
            if column not in self._columns():
                raise UnknownNameError("column", column, self._columns())
        return markdown_table(self.to_records(), chosen)

    def to_bibtex(self) -> str:
        """Return the BibTeX records of the entries' papers, each once, in the order of their keys.

        Raises UnknownNameError when the bibliography lacks one.
        """
        papers = self._store.atlas.papers
        keys = sorted({self._store.records[number]["paper"] for number in self._numbers()})
        if lacking := [key for key in keys if key not in papers]:
            raise UnknownNameError("paper", lacking[0], papers)
        return "\n\n".join(papers[key].bibtex for key in keys) + "\n" * bool(keys)


class Methods(Collection["Method"]):
    """The methods."""

    __slots__ = ()
    _kind = "methods"

    def where(self, **facets: Unpack[MethodFacets]) -> Self:
        """Return the methods for which every given facet holds; a term stands for everything below it.

        Several terms for one facet mean any of them. Raises UnknownNameError with the names that come close.
        """
        return self._where(facets)


class Benchmarks(Collection["Benchmark"]):
    """The benchmarks."""

    __slots__ = ()
    _kind = "benchmarks"

    def where(self, **facets: Unpack[BenchmarkFacets]) -> Self:
        """Return the benchmarks for which every given facet holds, as :meth:`Methods.where` does for methods."""
        return self._where(facets)


class Metrics(Collection["Metric"]):
    """The metrics and attacks."""

    __slots__ = ()
    _kind = "metrics"

    def where(self, **facets: Unpack[MetricFacets]) -> Self:
        """Return the metrics for which every given facet holds, as :meth:`Methods.where` does for methods."""
        return self._where(facets)


class Surveys(Collection["Survey"]):
    """The surveys and position papers. ``methods.where(survey=id)`` gives what one is known to cover."""

    __slots__ = ()
    _kind = "surveys"

    def where(self, **facets: Unpack[SurveyFacets]) -> Self:
        """Return the surveys for which every given facet holds, as :meth:`Methods.where` does for methods."""
        return self._where(facets)


class OpenProblems(Collection["OpenProblem"]):
    """The open problems of the field."""

    __slots__ = ()
    _kind = "open_problems"

    def where(self, **facets: Unpack[OpenProblemFacets]) -> Self:
        """Return the open problems for which every given facet holds, as :meth:`Methods.where` does for methods."""
        return self._where(facets)


def singular(kind: str) -> str:
    """Return what one entry of a kind is called: ``"open problem"`` for ``"open_problems"``."""
    return kind[:-1].replace("_", " ")


class Taxonomy(Mapping[str, "Axis"]):
    """The axes by name, each parsed when it is asked for."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._axes: dict[str, Axis] = {}

    def __getitem__(self, name: str) -> Axis:
        """Return an axis. Raises UnknownNameError, a KeyError, with the names that come close."""
        if name not in self._axes:
            if name not in self._index.axes:
                raise UnknownNameError("axis", name, self._index.axes)
            from unlearning_atlas.models import Axis

            self._axes[name] = Axis.model_validate_json(self._index.body("axes", name))
        return self._axes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.axes)

    def __len__(self) -> int:
        return len(self._index.axes)

    def label(self, axis: str, term: str) -> str:
        """Return what a reader sees for a term; for one that the axis lacks, which is a fault, its id."""
        return self._labels.get(axis, {}).get(term, term)

    @cached_property
    def _labels(self) -> dict[str, dict[str, str]]:
        from unlearning_atlas.catalog import walk_terms

        return {name: {term.id: term.label for term, _ in walk_terms(self[name].terms)} for name in self}


class Atlas:
    """The loaded catalog.

    ``methods``, ``benchmarks``, ``metrics``, ``surveys`` and ``open_problems`` hold entries by id, ``papers`` and
    ``literature`` go by BibTeX key, ``taxonomy`` holds axes by name.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._index = open_index(root)
        self.methods = Methods(self)
        self.benchmarks = Benchmarks(self)
        self.metrics = Metrics(self)
        self.surveys = Surveys(self)
        self.open_problems = OpenProblems(self)
        self.taxonomy = Taxonomy(self._index)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(ids)} {kind.replace('_', ' ')}" for kind, ids in self._index.ids.items())
        return f"<Atlas: {counts}>"

    @property
    def root(self) -> Path:
        """The folder that holds ``catalog/``, ``taxonomy/`` and ``reference_impls/``."""
        from pathlib import Path

        return Path(self._index.root)

    @cached_property
    def papers(self) -> Mapping[str, Paper]:
        """The papers by BibTeX key."""
        from unlearning_atlas.papers import read_papers

        return read_papers(self.root)

    @cached_property
    def literature(self) -> Mapping[str, Literature]:
        """What each paper of the bibliography is to the catalog, by BibTeX key."""
        from unlearning_atlas.literature import survey_literature

        return survey_literature(self)

    @cached_property
    def measured(self) -> dict[str, Board]:
        """What the lab measured, by task: its baselines and, by id, the methods.

        Raises ValueError for a damaged file of measurements.
        """
        from unlearning_atlas.measurements import boards

        return boards(self.root)

    def find(self, id_: str) -> tuple[str, Entry]:
        """Return (kind, entry) for an id of any kind, methods first.

        Raises UnknownNameError with the ids that come close.
        """
        for kind, entries in self.collections.items():
            if id_ in entries:
                return kind, entries[id_]
        raise UnknownNameError("entry", id_, [id_ for entries in self.collections.values() for id_ in entries])

    @property
    def collections(self) -> dict[str, Collection[Entry]]:
        """Every collection of entries by kind."""
        return {
            "methods": self.methods,
            "benchmarks": self.benchmarks,
            "metrics": self.metrics,
            "surveys": self.surveys,
            "open_problems": self.open_problems,
        }

    def compare(self, *ids: str) -> Comparison:
        """Set methods side by side. Raises UnknownNameError for an unknown id and ValueError for fewer than two."""
        from unlearning_atlas.exports import compare

        return compare(self, ids)

    def lineage(self, id_: str) -> Lineage:
        """Return what a method builds on and what builds on it, however far away.

        Raises UnknownNameError for an unknown id.
        """
        if id_ not in self.methods:
            raise UnknownNameError("method", id_, self.methods)
        older, newer = self._links
        return Lineage(ancestors=_reach(older, id_), descendants=_reach(newer, id_))

    @cached_property
    def _links(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        older: dict[str, list[str]] = {}
        newer: dict[str, list[str]] = {}
        for record in self._index.records["methods"]:
            for type_, target in record["relations"]:
                if type_ != "attacks":
                    older.setdefault(record["id"], []).append(target)
                    newer.setdefault(target, []).append(record["id"])
        return older, newer

    def graph(self) -> nx.MultiDiGraph[str]:
        """Return everything as one graph with typed nodes and edges; see :mod:`unlearning_atlas.graph`."""
        from unlearning_atlas.graph import build

        return build(self)


class Lineage(TypedDict):
    """Ids of methods, nearest first."""

    ancestors: list[str]
    descendants: list[str]


def _reach(links: Mapping[str, list[str]], start: str) -> list[str]:
    """Return everything that can be reached from a node, nearest first."""
    met = {start: None}
    for node in (queue := [start]):
        for target in links.get(node, ()):
            if target not in met:
                met[target] = None
                queue.append(target)
    return list(met)[1:]


def load(root: Path | str | None = None) -> Atlas:
    """Load the catalog.

    Args:
        root: the folder that holds ``catalog/`` and ``taxonomy/``; by default the one this package ships or lies in.

    Raises:
        CatalogError: the catalog has faults; the message lists all of them with file, line and column.
        FileNotFoundError: there is no catalog below ``root``.
    """
    if root is None:
        return Atlas()

    from pathlib import Path

    if not (Path(root) / "catalog").is_dir() and not (Path(root) / SHIPPED).is_file():
        raise FileNotFoundError(f"no folder 'catalog' in {root}")
    return Atlas(Path(root).resolve())
