"""The graph, held against one built from the YAML by hand, and its export formats read back."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import pytest
import yaml

import unlearning_atlas as ua
from unlearning_atlas.graph import FORMATS, export

if TYPE_CHECKING:
    from tests.conftest import Root

SCALAR_AXES = {"family": "family", "group": "metric_group"}
LIST_AXES = ("paradigm", "access_level", "intervention", "target", "modality")


def expected(root: Path) -> set[tuple[str, str, str]]:
    """Return every edge as (source, target, type), from the YAML alone."""
    edges: set[tuple[str, str, str]] = set()

    def terms(axis: str, tree: list[dict[str, Any]], above: str) -> None:
        for term in tree:
            edges.add((f"term:{axis}/{term['id']}", above, "is_a"))
            terms(axis, term.get("children", []), f"term:{axis}/{term['id']}")

    for file in (root / "taxonomy").glob("*.yaml"):
        axis = yaml.safe_load(file.read_text())
        terms(axis["axis"], axis["terms"], f"axis:{axis['axis']}")
    for kind in ("methods", "benchmarks", "metrics", "surveys", "open_problems"):
        for file in (root / "catalog" / kind).glob("*.yaml"):
            entry = yaml.safe_load(file.read_text())
            node = f"{kind[:-1]}:{entry['id']}"
            edges.add((node, f"paper:{entry['paper']}", "introduced_by"))
            for key, axis in SCALAR_AXES.items():
                if key in entry:
                    edges.add((node, f"term:{axis}/{entry[key]}", axis))
            for axis in LIST_AXES:
                edges |= {(node, f"term:{axis}/{term}", axis) for term in entry.get(axis, [])}
            for side in entry.get("objective", {}).values():
                edges |= {(node, f"term:objective/{term}", "objective") for term in side}
            if kind == "methods":
                edges |= {(node, f"benchmark:{id_}", "evaluated_on") for id_ in entry["benchmarks"]}
                edges |= {(node, f"method:{link['target']}", link["type"]) for link in entry.get("relations", [])}
                edges |= {(f"metric:{t['attack']}", node, "tried_on") for t in entry.get("robustness", [])}
                edges |= {(node, f"survey:{s['survey']}", "covered_by") for s in entry.get("surveys", [])}
                if "implementation" in entry:
                    edges.add((f"implementation:{entry['id']}", node, "implements"))
            if kind == "benchmarks":
                edges |= {(node, f"metric:{id_}", "measured_by") for id_ in entry["metrics"]}
            for attempt in entry.get("attempts", []):
                for bearing in ("methods", "benchmarks", "metrics"):
                    edges |= {(f"{bearing[:-1]}:{id_}", node, "bears_on") for id_ in attempt.get(bearing, [])}
            if "superseded_by" in entry:
                edges.add((node, f"{kind[:-1]}:{entry['superseded_by']}", "superseded_by"))
            sources = set(re.findall(r"source: ([a-z]+[0-9]{4}[a-z0-9]+)$", file.read_text(), re.M))
            edges |= {(node, f"paper:{key}", "cites") for key in sources - {entry["paper"]}}
    return edges


def test_edges(small_root: Path) -> None:
    graph = ua.load(small_root).graph()
    assert isinstance(graph, nx.MultiDiGraph)
    assert {(s, t, data["type"]) for s, t, data in graph.edges(data=True)} == expected(small_root)
    assert all(key == data["type"] for _, _, key, data in graph.edges(keys=True, data=True))
    came = {target: data["outcome"] for _, target, data in graph.edges(data=True) if data["type"] == "tried_on"}
    assert came == {"method:beta-preference": "broken", "method:gamma-steer": "withstood"}
    kinds = {data["kind"] for _, data in graph.nodes(data=True)}
    assert kinds == {
        *("axis", "term", "method", "benchmark", "metric"),
        *("survey", "open_problem", "paper", "implementation"),
    }
    assert all(data["label"] for _, data in graph.nodes(data=True)), "no node was made by an edge alone"


def test_superseded_entries_point_at_what_replaces_them(small: Root) -> None:
    small.edit(
        "catalog/methods/alpha-ascent.yaml",
        'introduced: "2023-01"\n',
        'introduced: "2023-01"\nsuperseded_by: beta-preference\n',
    )
    graph = ua.load(small.path).graph()
    assert graph.has_edge("method:alpha-ascent", "method:beta-preference", key="superseded_by")


HOSTILE = 'Alpha "ascent" \\ <b> & ]'


@pytest.fixture
def hostile(small: Root) -> ua.Atlas:
    small.edit("catalog/methods/alpha-ascent.yaml", "name: Alpha ascent", f"name: '{HOSTILE}'")
    return ua.load(small.path)


def test_graphml_reads_back(hostile: ua.Atlas) -> None:
    graph = hostile.graph()
    back = nx.read_graphml(io.BytesIO(export(hostile, "graphml").encode()), force_multigraph=True)
    assert {node: back.nodes[node] for node in back} == {node: graph.nodes[node] for node in graph}
    assert sorted((s, t, d["type"]) for s, t, d in back.edges(data=True)) == sorted(
        (s, t, d["type"]) for s, t, d in graph.edges(data=True)
    )


def test_json_reads_back(hostile: ua.Atlas) -> None:
    data = json.loads(export(hostile, "json"))
    graph = hostile.graph()
    assert {node["id"] for node in data["nodes"]} == set(graph)
    assert len(data["edges"]) == graph.number_of_edges()
    assert next(node["label"] for node in data["nodes"] if node["id"] == "method:alpha-ascent") == HOSTILE


def test_dot_quotes_everything(hostile: ua.Atlas) -> None:
    graph = hostile.graph()
    text = export(hostile, "dot")
    quoted = r'"(?:[^"\\]|\\.)*"'
    nodes = re.findall(rf"^  ({quoted}) \[label=({quoted}), kind=\w+\];$", text, re.M)
    edges = re.findall(rf"^  ({quoted}) -> ({quoted}) \[label={quoted}\];$", text, re.M)
    unquote = {re.sub(r"\\(.)", r"\1", node[1:-1]): re.sub(r"\\(.)", r"\1", label[1:-1]) for node, label in nodes}
    assert unquote == {node: data["label"] for node, data in graph.nodes(data=True)}
    assert len(edges) == graph.number_of_edges()
    assert len(text.splitlines()) == len(nodes) + len(edges) + 3, "and nothing else stands in it"


def test_mermaid_escapes_labels(hostile: ua.Atlas) -> None:
    graph = hostile.graph()
    lines = export(hostile, "mermaid").splitlines()
    nodes = [re.fullmatch(r'  (n\d+)\["([^"<>]*)"\]', line) for line in lines]
    edges = [re.fullmatch(r"  (n\d+) -->\|([a-z_-]+)\| (n\d+)", line) for line in lines]
    assert sum(map(bool, nodes)) == graph.number_of_nodes()
    assert sum(map(bool, edges)) == graph.number_of_edges()
    assert len(lines) == graph.number_of_nodes() + graph.number_of_edges() + 1


def test_unknown_format(small_root: Path) -> None:
    with pytest.raises(ValueError, match=f"allowed: {', '.join(FORMATS)}"):
        export(ua.load(small_root), "svg")
