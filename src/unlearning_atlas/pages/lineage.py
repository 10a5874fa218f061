"""The lineage of a method as a drawing: what it builds on to the left, what builds on it to the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages.markup import Html, join, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unlearning_atlas.models import Method
    from unlearning_atlas.pages.view import View

_COLUMN, _BOX, _ROW, _TOP = 190, 150, 26, 8
_MOST = 10
"""How many methods a column names before the rest becomes a number."""
_LETTERS = 22

Edge = tuple[str, str, str]


def drawing(view: View, method: Method) -> Html:
    """Return the drawing, or nothing for a method without relations.

    Columns hold what the method's own sources build on, what it builds on, itself, and what builds on it. The list of
    relations beside it says the same in words.
    """
    parents = _older(view, method.id)
    children = [(id_, link.target, link.type) for id_, link in view.survey.referring.get(method.id, ())]
    if not parents and not children:
        return Html("")
    near = [target for _, target, _ in parents]
    before = [edge for id_ in near for edge in _older(view, id_) if edge[1] not in (*near, method.id)]
    columns = [_once(e[1] for e in before), _once(near), [method.id], _once(e[0] for e in children)]
    shown = [(ids[:_MOST], max(0, len(ids) - _MOST)) for ids in columns]
    while shown and not shown[0][0]:
        shown = shown[1:]
    height = max(len(ids) + bool(more) for ids, more in shown) * _ROW + 2 * _TOP
    at: dict[str, tuple[int, float]] = {}
    marks: list[Html] = []
    for number, (ids, more) in enumerate(shown):
        top = (height - (len(ids) + bool(more)) * _ROW) / 2
        x = number * _COLUMN + 1
        for row, id_ in enumerate(ids):
            at[id_] = (x, top + row * _ROW + _ROW / 2)
            marks.append(_box(view, id_, *at[id_], own=id_ == method.id))
        if more:
            y = top + len(ids) * _ROW + _ROW / 2
            marks.append(tag("text", f"and {more} more", x=str(x + 6), y=f"{y + 3:.1f}", class_="more"))
    lines = join(_line(edge, at) for edge in (*before, *parents, *children) if edge[0] in at and edge[1] in at)
    width = (len(shown) - 1) * _COLUMN + _BOX + 4
    picture = tag(
        "svg",
        lines,
        *marks,
        viewBox=f"0 0 {width} {height:.0f}",
        width=str(width),
        height=f"{height:.0f}",
        role="group",
        aria_label=f"Lineage of {method.name}",
    )
    return tag("div", picture, class_="scroll lineage")


def _older(view: View, id_: str) -> list[Edge]:
    return [(id_, link.target, link.type) for link in view.atlas.methods[id_].relations]


def _once(ids: Iterator[str] | Sequence[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def _box(view: View, id_: str, x: int, y: float, *, own: bool) -> Html:
    name = view.survey.short[id_]
    label = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    box = tag("rect", x=str(x), y=f"{y - 10:.1f}", width=str(_BOX), height="20", rx="2")
    text = tag("text", label, x=str(x + 6), y=f"{y + 3.5:.1f}")
    if own:
        return tag("g", box, text, class_="own")
    link = {"xlink:href": f"{view.up}methods/{id_}/"}
    return tag("a", tag("title", view.survey.names["methods"][id_]), box, text, **link)


def _line(edge: Edge, at: dict[str, tuple[int, float]]) -> Html:
    newer, older, kind = edge
    (x, y), (end, level) = at[older], at[newer]
    start = x + _BOX
    bend = (end - start) / 2
    path = f"M{start} {y:.1f}C{start + bend:.0f} {y:.1f} {end - bend:.0f} {level:.1f} {end} {level:.1f}"
    return tag("path", d=path, class_=kind)
