"""Charts as SVG that is read without a script: the colours are the style sheet's, the numbers stay text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unlearning_atlas.pages.markup import Html, join, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH, HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 8, 34
_SHARES = (0.0, 0.5, 1.0)
_LETTER, _CAPITAL, _LINE = 4.9, 6.6, 10.0
"""How wide a letter and how high a line of a label is, about."""
_FAR = 20
"""How far from its point a label may stand without a line that leads to it."""


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    label: str
    points: Sequence[tuple[float, float]]
    quiet: bool = False
    """Drawn dashed and grey: something to compare with."""


@dataclass(frozen=True)
class Point:
    """One point of a scatter chart; x and y run from 0 to 1. A point without an address is no link."""

    label: str
    x: float
    y: float
    address: str = ""
    kind: str = ""
    """``front`` for those that no other beats, ``own`` for the page's subject, ``gold`` for what to compare with."""
    named: bool = False


def chart(
    title: str,
    x_label: str,
    lines: Sequence[Line],
    *,
    x_max: float | None = None,
    ticks: Sequence[tuple[float, str]] | None = None,
) -> Html:
    """Return a figure with lines over x from 0; y runs from 0 to 1. Empty lines are left out.

    ``ticks`` holds (x, text) for the marks of the axis; by default they are its ends and its middle.
    """
    shown = [line for line in lines if line.points]
    last = x_max or max((x for line in shown for x, _ in line.points), default=1.0) or 1.0
    marks = ticks or [(share * last, f"{share * last:g}") for share in _SHARES]
    parts = [_grid(), *_ticks(marks, last, WIDTH, HEIGHT), _x_label(x_label, WIDTH, HEIGHT)]
    key = []
    coloured = 0
    for line in shown:
        kind = "quiet" if line.quiet else f"s{coloured}"
        coloured += not line.quiet
        points = " ".join(f"{_x(x, last):.1f},{_y(y):.1f}" for x, y in line.points)
        parts.append(tag("polyline", points=points, class_=f"line {kind}"))
        swatch = tag("svg", tag("line", x1="0", y1="5", x2="18", y2="5", class_=f"line {kind}"), viewBox="0 0 18 10")
        key.append(tag("li", swatch, " ", line.label))
    told = "; ".join(f"{line.label}: {line.points[0][1]:.2f} to {line.points[-1][1]:.2f}" for line in shown)
    picture = tag(
        "svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{title}. {told}.", class_="plot"
    )
    return _figure(title, picture, tag("ul", *key, class_="key"))


def scatter(
    title: str,
    x_label: str,
    y_label: str,
    points: Sequence[Point],
    *,
    wide: bool = False,
) -> Html:
    """Return a figure with a point for each of what is compared, the named ones with their label beside them.

    Points of the kind ``front`` are joined by a line. Both axes run from 0 to 1, and better is up and to the right.
    """
    width, height = (2 * WIDTH, 340) if wide else (WIDTH, HEIGHT)
    parts = [
        _grid(width, height),
        *_ticks([(share, f"{share:g}") for share in _SHARES], 1.0, width, height),
        _x_label(x_label, width, height),
        tag("text", f"↑ {y_label}", x=str(_LEFT + 4), y=str(_y(0.5, height) - 4), class_="axis"),
    ]
    front = sorted((p.x, p.y) for p in points if p.kind == "front")
    if len(front) > 1:
        line = " ".join(f"{_x(x, 1.0, width):.1f},{_y(y, height):.1f}" for x, y in front)
        parts.append(tag("polyline", points=line, class_="front"))
    places = [(_x(p.x, 1.0, width), _y(p.y, height)) for p in points]
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in places]
    for point, (x, y) in zip(points, places, strict=True):
        mark = tag(
            "circle",
            tag("title", f"{point.label}: {point.x:.2f}, {point.y:.2f}"),
            cx=f"{x:.1f}",
            cy=f"{y:.1f}",
            r="3.2",
        )
        name = ""
        if point.named:
            left, base, anchor = _free(x, y, _wide(point.label), taken, width, height)
            name = tag("text", point.label, x=f"{left:.1f}", y=f"{base:.1f}", class_=f"name {anchor}")
            if abs(base - y) > _FAR:
                end = f"{base - _LINE + 2 if base > y else base + 2:.1f}"
                name = join([tag("line", x1=f"{x:.1f}", y1=f"{y:.1f}", x2=f"{left:.1f}", y2=end, class_="lead"), name])
        # As xlink:href, since instant navigation of the theme stumbles over the href of an SVG link.
        link = {"xlink:href": point.address} if point.address else {}
        parts.append(tag("a" if point.address else "g", mark, name, class_=f"point {point.kind}".strip(), **link))
    picture = tag(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="group",
        aria_label=f"{title}: {x_label} against {y_label}",
        class_="plot",
    )
    return _figure(title, picture, class_=f"scatter{' wide' * wide}")


def _figure(title: str, *parts: Html, class_: str = "") -> Html:
    # Its numbers and the names of its points are nothing that a search should find.
    return tag("figure", tag("figcaption", title), *parts, class_=f"chart {class_}".strip(), data_search_exclude=True)


Box = tuple[float, float, float, float]


def _free(x: float, y: float, wide: float, taken: list[Box], width: int, height: int) -> tuple[float, float, str]:
    """Return (x, baseline, anchor) of a label that meets no other, or the first place beside the point."""
    tried = []
    for down in (3, -6, 13, -15, 22, -24, 31, 40, 49, 58, 67, 76):
        tried.append((x + 6, y + down, "start", (x + 6, y + down - _LINE + 2, x + 6 + wide, y + down + 2)))
        tried.append((x - 6, y + down, "end", (x - 6 - wide, y + down - _LINE + 2, x - 6, y + down + 2)))
    free = (place for place in tried if _inside(place[3], width, height) and not _meets(place[3], taken))
    inside = (place for place in tried if _inside(place[3], width, height))
    left, base, anchor, box = next(free, None) or next(inside, tried[0])
    taken.append(box)
    return left, base, anchor


def _wide(label: str) -> float:
    return sum(_CAPITAL if letter.isupper() else _LETTER for letter in label)


def _inside(box: Box, width: int, height: int) -> bool:
    return box[0] >= _LEFT and box[2] <= width and box[1] >= 0 and box[3] <= height - _BOTTOM + 4


def _meets(box: Box, taken: Iterable[Box]) -> bool:
    return any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken)


def _x(x: float, last: float, width: int = WIDTH) -> float:
    return _LEFT + x / last * (width - _LEFT - _RIGHT)


def _y(y: float, height: int = HEIGHT) -> float:
    return _TOP + (1 - min(max(y, 0.0), 1.0)) * (height - _TOP - _BOTTOM)


def _grid(width: int = WIDTH, height: int = HEIGHT) -> Html:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = f"{_y(share, height):.1f}"
        parts.append(tag("line", x1=str(_LEFT), y1=y, x2=str(width - _RIGHT), y2=y, class_="grid"))
        if share in _SHARES:
            parts.append(tag("text", f"{share:g}", x=str(_LEFT - 5), y=f"{_y(share, height) + 3:.1f}", class_="tick y"))
    return tag("g", *parts)


def _ticks(marks: Iterable[tuple[float, str]], last: float, width: int, height: int) -> list[Html]:
    y = str(height - _BOTTOM + 13)
    return [tag("text", text, x=f"{_x(x, last, width):.1f}", y=y, class_="tick x") for x, text in marks]


def _x_label(text: str, width: int, height: int) -> Html:
    return tag("text", text, x=str((width + _LEFT) // 2), y=str(height - 4), class_="label")
