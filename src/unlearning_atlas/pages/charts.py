"""Line charts as SVG that is read without a script: the colours are the style sheet's, the numbers stay text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unlearning_atlas.pages.markup import Html, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 360, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 8, 34


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    label: str
    points: Sequence[tuple[float, float]]
    quiet: bool = False
    """Drawn dashed and grey: something to compare with."""


def chart(title: str, x_label: str, lines: Sequence[Line], *, x_max: float | None = None) -> Html:
    """Return a figure with lines over x from 0; y runs from 0 to 1. Empty lines are left out."""
    shown = [line for line in lines if line.points]
    last = x_max or max((x for line in shown for x, _ in line.points), default=1.0) or 1.0
    parts = [_grid(last), tag("text", x_label, x=str((WIDTH + _LEFT) // 2), y=str(HEIGHT - 4), class_="label")]
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
    return tag("figure", tag("figcaption", title), picture, tag("ul", *key, class_="key"), class_="chart")


def _x(x: float, last: float) -> float:
    return _LEFT + x / last * (WIDTH - _LEFT - _RIGHT)


def _y(y: float) -> float:
    return _TOP + (1 - min(max(y, 0.0), 1.0)) * (HEIGHT - _TOP - _BOTTOM)


def _grid(last: float) -> Html:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = f"{_y(share):.1f}"
        parts.append(tag("line", x1=str(_LEFT), y1=y, x2=str(WIDTH - _RIGHT), y2=y, class_="grid"))
        if share in (0.0, 0.5, 1.0):
            parts.append(tag("text", f"{share:g}", x=str(_LEFT - 5), y=f"{_y(share) + 3:.1f}", class_="tick y"))
    for share in (0.0, 0.5, 1.0):
        x = f"{_x(share * last, last):.1f}"
        parts.append(tag("text", f"{share * last:g}", x=x, y=str(HEIGHT - _BOTTOM + 13), class_="tick x"))
    return tag("g", *parts)
