"""The graph of families, methods and benchmarks: positions are computed here, a script makes it interactive.

Every leaf of the tree of families is a disc of its methods, oldest inside; the discs stand in a ring in the order of
the tree, the branches inside the ring, and the benchmarks in the middle, each near those who report on it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.pages import parts
from unlearning_atlas.pages.markup import Html, document, lines, tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.pages.view import View

_STEP = 23.0
"""Distance of neighbours in a disc."""
_GAP = 36.0
"""Distance of discs in the ring."""
_NAME = 22.0
"""Distance of a disc's name from the disc."""
_INSIDE = 0.58
"""How far out the branches stand, as a share of the ring."""
_STRETCH = 1.35
"""How much wider than high the ring is, as screens are."""
_GOLDEN = math.pi * (3 - math.sqrt(5))
_MARGIN = 60

Place = tuple[float, float]


def render(view: View) -> str:
    """Return the page as Markdown; without a script the graph is a drawing whose dots are links."""
    nodes = {node["id"]: node for node in elements(view)["nodes"]}
    same = tag("a", "the tree", href="../taxonomy/")
    blocks = [
        parts.subnav(view, "graph/"),
        "# Graph",
        tag(
            "p",
            "Families in a ring, their methods around them, benchmarks in the middle. A line joins a method to one it "
            "builds on, fixes or attacks. Everything that stands here stands as text in ",
            same,
            " and on the methods’ pages.",
        ),
        tag("div", _drawing(view, nodes), class_="graph", data_widget="graph", data_search_exclude=True),
    ]
    description = "Families, methods, benchmarks and lineage of LLM unlearning as a graph."
    return document("Graph", blocks, description=description, hide=["navigation", "toc"])


def elements(view: View) -> dict[str, Any]:
    """Return what is drawn: nodes with place and kind, and edges as [source, target, type]."""
    atlas = view.atlas
    nodes: list[dict[str, Any]] = []
    edges: list[tuple[str, str, str]] = []
    at: dict[str, Place] = {}

    def add(id_: str, kind: str, label: str, place: Place, address: str, **more: str) -> None:
        at[id_] = place
        x, y = place
        nodes.append(
            {"id": id_, "kind": kind, "label": label, "x": round(x, 1), "y": round(y, 1), "address": address, **more}
        )

    leaves = [(term, above) for term, above in walk_terms(atlas.taxonomy["family"].terms) if not term.children]
    members = [list(atlas.methods.where(family=term.id).sort("introduced")) for term, _ in leaves]
    radii = [_STEP * math.sqrt(len(ids) + 1) for ids in members]
    ring = sum(2 * radius + _GAP for radius in radii) / (2 * math.pi)
    angle = -math.pi / 2
    of_branch: dict[str, list[float]] = {}
    for (term, above), ids, radius in zip(leaves, members, radii, strict=True):
        share = (2 * radius + _GAP) / ring
        angle += share / 2
        centre = (ring * _STRETCH * math.cos(angle), ring * math.sin(angle))
        # The name stands outside the ring, where it covers no method.
        out = ring + radius + _NAME
        name = (out * _STRETCH * math.cos(angle), out * math.sin(angle))
        add(f"family/{term.id}", "family", term.label, name, f"taxonomy/#family--{term.id}")
        for id_, place in zip(ids, _disc(centre, len(ids)), strict=True):
            method = atlas.methods[id_]
            made = method.implementation.status if method.implementation else "none"
            add(
                f"methods/{id_}",
                "method",
                view.survey.short[id_],
                place,
                f"methods/{id_}/",
                name=method.name,
                family=term.id,
                made=made,
            )
            edges.append((f"methods/{id_}", f"family/{term.id}", "is_a"))
        for branch in above[-1:]:
            of_branch.setdefault(branch, []).append(angle)
            edges.append((f"family/{term.id}", f"family/{branch}", "is_a"))
        angle += share / 2
    for branch, angles in of_branch.items():
        middle = sum(angles) / len(angles)
        place = (_INSIDE * ring * _STRETCH * math.cos(middle), _INSIDE * ring * math.sin(middle))
        label = atlas.taxonomy.label("family", branch)
        add(f"family/{branch}", "branch", label, place, f"taxonomy/#family--{branch}")
    for id_, place in _benchmarks(view, at):
        add(f"benchmarks/{id_}", "benchmark", view.survey.names["benchmarks"][id_], place, f"benchmarks/{id_}/")
    for id_, method in atlas.methods.items():
        edges += [(f"methods/{id_}", f"methods/{link.target}", link.type) for link in method.relations]
        edges += [(f"methods/{id_}", f"benchmarks/{benchmark}", "evaluated_on") for benchmark in method.benchmarks]
    return {"nodes": nodes, "edges": edges}


def _disc(centre: Place, count: int) -> Iterator[Place]:
    """Yield places around a centre at even distances, as seeds stand in a sunflower."""
    for number in range(1, count + 1):
        radius, angle = _STEP * math.sqrt(number), number * _GOLDEN
        yield centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


def _benchmarks(view: View, at: dict[str, Place]) -> Iterator[tuple[str, Place]]:
    """Yield each benchmark with a place in the middle, dealt out in the direction of those who report on it."""
    wanted = {}
    for id_ in view.atlas.benchmarks:
        users = [at[f"methods/{method}"] for method in view.atlas.methods.where(benchmark=id_)]
        x = sum(x for x, _ in users) / len(users) if users else 0.0
        y = sum(y for _, y in users) / len(users) if users else 0.0
        wanted[id_] = (len(users), math.atan2(y, x))
    # Those that many report on stand in the middle; within a circle, by direction.
    free = list(_disc((0.0, 0.0), len(wanted)))
    ids = sorted(wanted, key=lambda id_: (-wanted[id_][0], id_))
    start, width = 0, 6
    while start < len(ids):
        some = sorted(ids[start : start + width], key=lambda id_: (wanted[id_][1], id_))
        places = sorted(free[start : start + width], key=lambda place: math.atan2(place[1], place[0]))
        yield from zip(some, places, strict=True)
        start, width = start + width, 2 * width


def _drawing(view: View, nodes: dict[str, dict[str, Any]]) -> Html:
    """Return the graph as a drawing: dots that are links, names of families, and no lines."""
    xs = [node["x"] for node in nodes.values()] or [0]
    ys = [node["y"] for node in nodes.values()] or [0]
    left, top = min(xs) - _MARGIN, min(ys) - _MARGIN
    box = f"{left:.0f} {top:.0f} {max(xs) - left + _MARGIN:.0f} {max(ys) - top + _MARGIN:.0f}"
    shown = lines(_dot(view, node) for node in nodes.values())
    return tag("svg", shown, viewBox=box, role="group", aria_label="Families, methods and benchmarks")


def _dot(view: View, node: dict[str, Any]) -> Html:
    x, y = f"{node['x']:g}", f"{node['y']:g}"
    named = node["kind"] in ("family", "branch")
    dot = tag("circle", tag("title", node["label"]), cx=x, cy=y, r="6")
    mark = tag("text", node["label"], x=x, y=y) if named else dot
    link = {"xlink:href": view.up + node["address"]}
    kinds = f"node {node['kind']} {node.get('made', '')}".strip()
    return tag("a", mark, class_=kinds, aria_label=node["label"], **link)
