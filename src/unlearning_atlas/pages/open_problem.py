"""The page of an open problem and the list of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts
from unlearning_atlas.pages.markup import Html, document, facts, join, section, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.models import Attempt, OpenProblem
    from unlearning_atlas.pages.view import View

_KINDS = ("methods", "benchmarks", "metrics")


def render(view: View, problem: OpenProblem) -> str:
    """Return an open problem's page as Markdown."""
    top = [("Question", problem.question)]
    return parts.entry_page(view, problem, "named in the literature", top, _body(view, problem))


def _body(view: View, problem: OpenProblem) -> Iterable[list[str]]:
    yield section("Who poses it", "posed", parts.statements(view, problem.posed_by))
    tried = [tag("li", _attempt(view, attempt)) for attempt in problem.attempts]
    yield section("What has been tried", "attempts", tag("ul", *tried, class_="attempts") if tried else "")


def _attempt(view: View, attempt: Attempt) -> Html:
    labels = {"methods": "Methods", "benchmarks": "Benchmarks", "metrics": "Metrics and attacks"}
    bearing = facts((labels[kind], view.entries(kind, getattr(attempt, kind))) for kind in _KINDS)
    return join([parts.said(view, attempt.text, attempt.source, attempt.place), bearing])


def render_all(view: View) -> str:
    """Return the list of all open problems as Markdown."""
    cards = []
    for id_, problem in view.atlas.open_problems.items():
        ids = {kind: {i for a in problem.attempts for i in getattr(a, kind)} for kind in _KINDS}
        named = (f"{len(found)} {kind if len(found) > 1 else kind[:-1]}" for kind, found in ids.items() if found)
        counts = ", ".join(named) or "nothing yet"
        cards.append(
            tag(
                "li",
                tag("b", view.entry("open_problems", id_)),
                tag("p", problem.question),
                tag("p", f"Bearing on it: {counts}", class_="quiet"),
            )
        )
    blocks = [
        parts.subnav(view, "open_problems/"),
        "# Open problems",
        tag(
            "p",
            "Questions that surveys and position papers leave to the field, with what has been tried since and the "
            "entries that bear on it.",
            class_="lead",
        ),
        tag("ul", *cards, class_="problems"),
    ]
    description = "Open problems of LLM unlearning, and what has been tried."
    return document("Open problems", blocks, description=description, hide=["navigation", "toc"])
