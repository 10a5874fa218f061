"""The vocabulary on one page: the survey's tree with the methods in each leaf, then the other axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts as shared
from unlearning_atlas.pages.markup import Html, document, escape, folded, heading, join, tag
from unlearning_atlas.pages.view import anchor

if TYPE_CHECKING:
    from unlearning_atlas.models import Axis, Term
    from unlearning_atlas.pages.view import View

_NAMED = 12
"""How many entries a term names before the rest is folded."""
_FACET = {"metric_group": ("metrics", "group")}
"""Axis to the kind of entry and the facet that use it, where these are not the methods and the axis' own name."""


def render(view: View) -> str:
    """Return the page as Markdown. Every axis and every term has the anchor that ``view.anchor`` gives it."""
    blocks = [
        shared.subnav(view, "taxonomy/"),
        "# Taxonomy",
        tag(
            "p",
            "The words the catalog sorts by. A term is credited to whoever drew the distinction; where nobody is "
            "named, it is ours.",
            class_="lead",
        ),
    ]
    for name, axis in view.survey.taxonomy:
        blocks += _axis(view, name, axis)
    description = "The tree of unlearning families and the other axes, with definitions."
    return document("Taxonomy", blocks, description=description, hide=["navigation"])


def _axis(view: View, name: str, axis: Axis) -> list[str]:
    tree = tag("ul", *(_term(view, name, term) for term in axis.terms), class_=f"tree {'members' * (name == 'family')}")
    return [heading(axis.label, anchor(name)), tag("p", axis.question, class_="question"), tree]


def _term(view: View, axis: str, term: Term) -> Html:
    kind, facet = _FACET.get(axis, ("methods", axis))
    members = view.atlas.collections[kind].select({facet: term.id})
    count = str(len(members))
    if kind == "methods" and members:
        count = view.filtered(count, facet, term.id)
    parts = [
        tag("b", term.label, class_="label"),
        tag("span", count, class_="count", title=f"{len(members)} {kind}"),
        _credit(view, term),
        tag("p", term.definition),
    ]
    for label, found in (("Speaks for it", term.strengths), ("Speaks against it", term.limitations)):
        if found:
            parts.append(tag("p", label, class_="weighing"))
            parts.append(shared.remarks(view, found))
    if term.children:
        parts.append(tag("ul", *(_term(view, axis, child) for child in term.children)))
    elif members and (axis == "family" or kind == "metrics"):
        parts.append(tag("div", folded([view.entry(kind, id_) for id_ in members], _NAMED), class_="members"))
    return tag("li", join(parts, " "), id=anchor(axis, term.id))


def _credit(view: View, term: Term) -> Html:
    if term.source is None:
        return tag("span", "ours", class_="ours")
    place = escape(f", {term.place}") if term.place else Html("")
    known = (
        tag("span", "read there", class_="ink")
        if term.status == "verified"
        else tag("span", "unverified", class_="pencil")
    )
    return tag("span", view.source(term.source), place, " ", known, class_="credit")
