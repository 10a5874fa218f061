"""The catalog as one typed graph, for networkx and for the formats other tools read.

Nodes are named ``kind:id`` and carry ``kind`` and ``label``; the kinds are axis, term, method, benchmark, metric,
survey, open_problem, paper and implementation. Edges carry ``type`` (also their key):

=================  =========================================================
``is_a``           a term → the term above it, or its axis
an axis' name      a method, benchmark or metric → its term
``evaluated_on``   a method → a benchmark
``measured_by``    a benchmark → a metric
``introduced_by``  an entry → its paper
``cites``          an entry → another paper that its evidence names
``covered_by``     a method → a survey; ``status`` says if seen or inferred
``tried_on``       an attack → a method; ``outcome`` says if it was broken, weakened or withstood
``bears_on``       a method, benchmark or metric → an open problem
``implements``     an implementation → its method
``superseded_by``  an entry → the entry that replaces it
a relation's type  a method → another (extends, combines, fixes, attacks, reduces-to, variant-of)
=================  =========================================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.models import Benchmark, Entry, Method, OpenProblem
from unlearning_atlas.references import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    import networkx as nx

    from unlearning_atlas.atlas import Atlas

Node = tuple[str, dict[str, str]]
Edge = tuple[str, str, dict[str, str]]


def elements(atlas: Atlas) -> tuple[list[Node], list[Edge]]:
    """Return (nodes, edges) as plain data, nodes before the edges that use them."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    for name, axis in atlas.taxonomy.items():
        nodes.append((f"axis:{name}", {"kind": "axis", "label": axis.label}))
        for term, above in walk_terms(axis.terms):
            node = f"term:{name}/{term.id}"
            nodes.append((node, {"kind": "term", "label": term.label}))
            edges.append((node, f"term:{name}/{above[-1]}" if above else f"axis:{name}", {"type": "is_a"}))
    for key, paper in atlas.papers.items():
        label = {"label": paper.citation, "title": paper.title, "url": paper.url}
        nodes.append((f"paper:{key}", {"kind": "paper", **label}))
    for kind, entries in atlas.collections.items():
        nodes += [(f"{kind[:-1]}:{id_}", {"kind": kind[:-1], "label": entry.name}) for id_, entry in entries.items()]
    for kind, entries in atlas.collections.items():
        for id_, entry in entries.items():
            edges += _edges_of(f"{kind[:-1]}:{id_}", entry)
            if isinstance(entry, Method) and entry.implementation is not None:
                node = f"implementation:{id_}"
                nodes.append((node, {"kind": "implementation", "label": f"reference_impls/{id_.replace('-', '_')}.py"}))
                edges.append((node, f"method:{id_}", {"type": "implements", "status": entry.implementation.status}))
    return nodes, edges


def _edges_of(node: str, entry: Entry) -> Iterator[Edge]:
    """Yield an entry's edges, each (target, type) once."""
    yield node, f"paper:{entry.paper_key}", {"type": "introduced_by"}
    if entry.superseded_by:
        yield node, f"{entry.kind[:-1]}:{entry.superseded_by}", {"type": "superseded_by"}
    if isinstance(entry, Method):
        for benchmark in entry.benchmarks:
            yield node, f"benchmark:{benchmark}", {"type": "evaluated_on"}
        for link in entry.relations:
            yield node, f"method:{link.target}", {"type": link.type}
        for attack, outcome in entry.outcomes.items():
            yield f"metric:{attack}", node, {"type": "tried_on", "outcome": outcome}
        for coverage in entry.surveys:
            yield node, f"survey:{coverage.survey}", {"type": "covered_by", "status": coverage.status}
    if isinstance(entry, Benchmark):
        for metric in entry.metrics:
            yield node, f"metric:{metric}", {"type": "measured_by"}
    if isinstance(entry, OpenProblem):
        bearing = {(ref.to, value) for _, ref, value in walk(entry) if ref.to in ("methods", "benchmarks", "metrics")}
        yield from ((f"{kind[:-1]}:{id_}", node, {"type": "bears_on"}) for kind, id_ in sorted(bearing))
    met = {entry.paper_key}
    for _, ref, value in walk(entry):
        if ref.to == "term":
            yield node, f"term:{ref.axis}/{value}", {"type": ref.axis}
        elif ref.to == "source" and "://" not in value and value not in met:
            met.add(value)
            yield node, f"paper:{value}", {"type": "cites"}


def build(atlas: Atlas) -> nx.MultiDiGraph[str]:
    """Return the graph for networkx. An edge's key is its type."""
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name="Unlearning Atlas")
    nodes, edges = elements(atlas)
    graph.add_nodes_from(nodes)
    for source, target, data in edges:
        graph.add_edge(source, target, key=data["type"], **data)
    return graph


FORMATS = ("graphml", "dot", "mermaid", "json")


def export(atlas: Atlas, format_: str) -> str:
    """Return the graph as text in one of :data:`FORMATS`. Raises ValueError for another format."""
    if format_ == "graphml":
        import networkx as nx

        return "\n".join(nx.generate_graphml(build(atlas))) + "\n"
    nodes, edges = elements(atlas)
    if format_ == "json":
        return json.dumps(
            {
                "nodes": [{"id": id_, **data} for id_, data in nodes],
                "edges": [{"source": source, "target": target, **data} for source, target, data in edges],
            },
            ensure_ascii=False,
            indent=1,
        )
    if format_ == "dot":
        lines = ["digraph unlearning_atlas {", "  rankdir=LR;"]
        lines += [f"  {_quoted(id_)} [label={_quoted(data['label'])}, kind={data['kind']}];" for id_, data in nodes]
        lines += [f"  {_quoted(s)} -> {_quoted(t)} [label={_quoted(data['type'])}];" for s, t, data in edges]
        return "\n".join([*lines, "}"]) + "\n"
    if format_ == "mermaid":
        number = {id_: f"n{position}" for position, (id_, _) in enumerate(nodes)}
        lines = ["flowchart LR"]
        lines += [f'  {number[id_]}["{_mermaid(data["label"])}"]' for id_, data in nodes]
        lines += [f"  {number[s]} -->|{data['type']}| {number[t]}" for s, t, data in edges]
        return "\n".join(lines) + "\n"
    raise ValueError(f"unknown graph format {format_!r}; allowed: {', '.join(FORMATS)}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _mermaid(text: str) -> str:
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
