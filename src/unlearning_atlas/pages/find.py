"""The guide: a few questions about one's situation that end in a narrowed table of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts
from unlearning_atlas.pages.markup import Html, document, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.pages.view import View

_RICHEST_FIRST = ("training-pipeline", "weights-and-gradients", "weights-only", "logits", "text-api")
"""Access levels such that who has one has all that follow it."""
_REACH = {
    "training-pipeline": "the whole training run, before it starts",
    "weights-and-gradients": "the weights, and I can train",
    "weights-only": "the weights, but I cannot train",
    "logits": "the scores of the next token, or input embeddings",
    "text-api": "text in and text out, no more",
}
_MISSING = {
    "retain_set": "no data to keep: only what is to be forgotten",
    "forget_set": "no examples of what is to be forgotten",
    "reference_model": "no room for a second copy of the model",
    "auxiliary_model": "no other model that could help",
    "extra_data": "nothing beyond forget and retain data",
}


def render(view: View) -> str:
    """Return the page as Markdown. The form needs no script: it leads to the table, which reads the address."""
    atlas = view.atlas
    terms = {axis: atlas.methods.facets()[axis] for axis in ("target", "modality", "paradigm")}
    questions = [
        _question("What can you reach of the model?", "access_level", "radio", _reach(view)),
        _question("What is to be forgotten?", "target", "checkbox", _terms(view, "target", terms["target"])),
        _question("What do you not have?", "without", "checkbox", [*_MISSING.items()]),
        _question("How did the model learn it?", "paradigm", "radio", _terms(view, "paradigm", terms["paradigm"])),
        _question("What kind of model is it?", "modality", "radio", _terms(view, "modality", terms["modality"])),
        _question(
            "Do you want code that runs here?",
            "implementation",
            "radio",
            [("faithful,simplified", "yes, a reference implementation")],
        ),
    ]
    show = tag("button", "Show the methods", type="submit")
    form = tag(
        "form",
        *questions,
        tag("p", show, " ", tag("output", "", aria_live="polite"), class_="bar"),
        action="../methods/",
        method="get",
        class_="guide",
        data_widget="guide",
        data_search_exclude=True,
    )
    blocks = [
        parts.subnav(view, "find/"),
        "# Which method fits?",
        tag(
            "p",
            "Answer what you know and leave the rest. A method that needs less than you have is found too. The answer "
            "is the table of methods, narrowed: it says what has been published, not what is best.",
            class_="lead",
        ),
        form,
    ]
    description = "A short guide to the unlearning methods that fit a situation."
    return document("Guide", blocks, description=description, hide=["navigation", "toc"])


def _reach(view: View) -> list[tuple[str, str]]:
    """Return the access levels, each as all that who has it can use."""
    known = [level for level in _RICHEST_FIRST if level in view.atlas.methods.facets()["access_level"]]
    return [(",".join(known[number:]), _REACH[level]) for number, level in enumerate(known)]


def _terms(view: View, axis: str, counts: dict[str, int]) -> list[tuple[str, str]]:
    return [(term, view.atlas.taxonomy.label(axis, term)) for term, count in counts.items() if count]


def _question(title: str, name: str, kind: str, options: Iterable[tuple[str, str]]) -> Html:
    choices = [tag("label", tag("input", type=kind, name=name, value=value), " ", text) for value, text in options]
    if kind == "radio":
        choices.append(
            tag("label", tag("input", type=kind, name=name, value=True, checked=True), " it does not matter")
        )
    return tag("fieldset", tag("legend", title), *choices)
