"""The first page: what this is, how much of it there is, and the tree of families as the way in."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unlearning_atlas.pages import leaderboard, robustness
from unlearning_atlas.pages.markup import Html, document, join, tag
from unlearning_atlas.pages.methods import IMPLEMENTATIONS
from unlearning_atlas.pages.view import anchor

if TYPE_CHECKING:
    from unlearning_atlas.models import Term
    from unlearning_atlas.pages.view import View

_NAMED = 10
"""How many methods of a leaf are named before the rest becomes a number."""


def render(view: View) -> str:
    """Return the page as Markdown."""
    blocks = [
        tag("div", _claim(view), _alive(view), class_="hero"),
        _counts(view),
        _questions(view),
        tag("h2", "The tree of families", id="families"),
        tag(
            "p",
            "Each name is a method; those in ink have a reference implementation. A family leads to its methods in the "
            "table.",
            class_="quiet",
        ),
        # Search would show the whole tree as one hit for every name in it. The mark stands on an element that has no
        # other of its kind within: the theme's search ends what it excludes at the first end tag of that kind.
        tag("section", _tree(view), data_search_exclude=True),
    ]
    description = "An executable survey of machine unlearning for large language models."
    return document("Unlearning Atlas", blocks, description=description, hide=["navigation", "toc"])


def _claim(view: View) -> Html:
    ways = (("Which method fits?", "find/"), ("All methods", "methods/"), ("From Python", "data/"))
    return tag(
        "div",
        tag("p", "An executable survey", class_="kicker"),
        tag("h1", "Machine unlearning for large language models", id="unlearning-atlas"),
        tag(
            "p",
            "How to make a trained model forget. Every surveyed method is an entry that a schema checks, a page with "
            "its equation and its sources, and, where a small transformer can show it, code that runs on a laptop.",
            class_="lead",
        ),
        tag("p", *(tag("a", label, href=Html(view.up + address)) for label, address in ways), class_="ways"),
    )


def _alive(view: View) -> Html:
    """Return a picture of what was measured, each dot of which leads to its method; nothing where nothing was."""
    board = view.atlas.measured.get("authors")
    if board is None:
        return Html("")
    title = f"{len(board.methods)} methods made to forget the same eight invented authors, measured alike"
    more = tag("a", "How this was measured", href=Html(f"{view.up}measured/"))
    return tag("div", leaderboard.plane(view, board, title, wide=False), tag("p", more, class_="quiet"))


def _counts(view: View) -> Html:
    atlas = view.atlas
    built = atlas.methods.where(implementation=["faithful", "simplified"])
    evidence = [item.status for entries in atlas.collections.values() for e in entries.values() for item in e.evidence]
    read = round(100 * evidence.count("verified") / len(evidence)) if evidence else 0
    shown = [
        (len(atlas.methods), "methods", "methods/"),
        (len(built), "with runnable code", "methods/"),
        (len(atlas.benchmarks), "benchmarks", "benchmarks/"),
        (len(atlas.metrics), "metrics and attacks", "metrics/"),
        (len(atlas.literature), "papers", "literature/"),
        (f"{read}%", "of the evidence read in the source", "about/#evidence"),
    ]
    cells = (tag("li", tag("a", tag("b", str(n)), " ", what, href=Html(f"{view.up}{to}"))) for n, what, to in shown)
    return tag("ul", *cells, class_="counts")


def _questions(view: View) -> Html:
    """Return the ways to what the catalog says as a whole, each with its outcome in a sentence."""
    tried = [(id_, trial.attack) for id_, method in view.atlas.methods.items() for trial in method.robustness]
    problems = len(view.atlas.open_problems)
    found = []
    if tried:
        attacks, methods = len({attack for _, attack in tried}), len({id_ for id_, _ in tried})
        pairs = Counter(outcome for method in view.atlas.methods.values() for outcome in method.outcomes.values())
        came = ", ".join(f"{pairs[outcome]} {outcome}" for outcome in robustness.OUTCOMES)
        told = f"{attacks} attack{'s' * (attacks != 1)} on {methods} method{'s' * (methods != 1)}: {came}."
        found.append(("What breaks what", "robustness/", told))
    found.append(("What nobody has tried", "gaps/", "Any two axes against each other: empty cells invite work."))
    if problems:
        told = f"{problems} question{'s' * (problems != 1)} that surveys leave to the field, and what was tried since."
        found.append(("What is still open", "open_problems/", told))
    cards = (
        tag("li", tag("a", label, href=Html(view.up + address), class_="label"), tag("p", told))
        for label, address, told in found
    )
    return tag("ul", *cards, class_="questions")


def _tree(view: View) -> Html:
    return tag("ul", *(_branch(view, term) for term in view.atlas.taxonomy["family"].terms), class_="families")


def _branch(view: View, term: Term) -> Html:
    count = len(view.atlas.methods.where(family=term.id))
    ours = (
        tag("span", "ours", class_="ours", title="this branch does not stand in the survey") if not term.source else ""
    )
    label = tag("a", term.label, href=Html(f"{view.up}taxonomy/#{anchor('family', term.id)}"), class_="label")
    head = join([label, tag("span", str(count), class_="count"), ours], " ")
    leaves = tag("ul", *(_leaf(view, leaf) for leaf in term.children)) if term.children else _members(view, term)
    return tag("li", tag("div", head, class_="branch"), leaves)


def _leaf(view: View, term: Term) -> Html:
    count = len(view.atlas.methods.where(family=term.id))
    label = view.filtered(term.label, "family", term.id) if count else tag("span", term.label)
    return tag(
        "li", tag("div", label, " ", tag("span", str(count), class_="count"), class_="leaf"), _members(view, term)
    )


def _members(view: View, term: Term) -> Html:
    """Return the methods of a leaf by age, the first of them by name."""
    members = list(view.atlas.methods.where(family=term.id).sort("introduced").values())
    if not members:
        return tag("p", "no method yet", class_="none")
    shown = []
    for method in members[:_NAMED]:
        status = method.implementation.status if method.implementation else "none"
        what = f"{method.introduced}, implementation: {IMPLEMENTATIONS[status].lower()}"
        address = f"{view.up}methods/{method.id}/"
        shown.append(tag("a", method.name, href=address, class_=status, title=what))
    if len(members) > _NAMED:
        shown.append(view.filtered(f"and {len(members) - _NAMED} more", "family", term.id))
    return tag("p", join(shown, " "), class_="members")
