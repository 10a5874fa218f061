"""The page that sets up to four methods side by side; the address says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts
from unlearning_atlas.pages.markup import Html, bullets, document, tag

if TYPE_CHECKING:
    from unlearning_atlas.pages.view import View

_EXAMPLES = (
    ("Ascent and what tamed it", ("ga", "grad-diff", "npo", "simnpo")),
    ("Steering activations", ("rmu", "adaptive-rmu", "circuit-breakers")),
    ("Weights untouched", ("icul", "eco", "spul", "memfree")),
    ("Another model helps", ("task-vector-negation", "uld", "undial", "rkld")),
)
"""Comparisons that are offered before anything is chosen."""


def render(view: View) -> str:
    """Return the page as Markdown; a script fills the table from what the address names."""
    known = view.atlas.methods
    offered = [
        tag("a", title, href=Html(f"../compare/?{'&amp;'.join(f'method={id_}' for id_ in ids)}"))
        for title, ids in _EXAMPLES
        if all(id_ in known for id_ in ids)
    ]
    blocks = [
        parts.subnav(view, "compare/"),
        "# Compare",
        tag(
            "p",
            "Up to four methods side by side: where they stand on every axis, their equations, what they need and "
            "cost, and what was measured of them.",
        ),
        tag("div", _plain(), class_="compare", data_widget="compare", data_search_exclude=True),
    ]
    if offered:
        blocks += [tag("p", "For example:", class_="quiet"), bullets(offered, "examples")]
    return document("Compare", blocks, description="Unlearning methods side by side.", hide=["navigation", "toc"])


def _plain() -> Html:
    """Return what a reader without a script sees."""
    command = tag("code", "unlearning-atlas compare npo rmu")
    return tag("noscript", tag("p", "This page needs a script. On the command line, ", command, " prints the same."))
