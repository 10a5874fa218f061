"""The page of a method."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unlearning_atlas.pages import lineage, measured, parts, robustness
from unlearning_atlas.pages.markup import Html, bullets, escape, facts, folded_code, heading, join, section, table, tag
from unlearning_atlas.pages.methods import IMPLEMENTATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.models import Link, Method
    from unlearning_atlas.pages.view import View

_PHRASES = {
    "extends": ("extends", "is extended by"),
    "combines": ("combines", "is combined by"),
    "fixes": ("fixes", "is fixed by"),
    "attacks": ("attacks", "is attacked by"),
    "reduces-to": ("reduces to", "is a special case of"),
    "variant-of": ("is a variant of", "has the variant"),
}
_NAMED = 8
"""Up to so many relations of other methods are told one by one; of more, the methods are named."""
_STATUS = {
    "faithful": "The mathematics of the paper in full.",
    "simplified": "Something of the paper is left out; see the list.",
}


def render(view: View, method: Method) -> str:
    """Return a method's page as Markdown."""
    return parts.entry_page(
        view, method, view.term("family", method.family), _facets(view, method), _body(view, method)
    )


def _facets(view: View, method: Method) -> Iterable[tuple[str, str]]:
    yield "Paradigm", view.terms("paradigm", method.paradigm)
    yield "Access level", view.terms("access_level", method.access_level)
    yield "Forgets by", view.terms("objective", method.objective.forget)
    yield "Keeps by", view.terms("objective", method.objective.retain)
    yield "Changes", view.terms("intervention", method.intervention)
    yield "Target", view.terms("target", method.target)
    yield "Modality", view.terms("modality", method.modality)
    yield "Benchmarks", view.entries("benchmarks", method.benchmarks) or escape("none of this catalog")
    yield "Code", _code(method)
    yield "Attacks", _attacks(method)


def _code(method: Method) -> Html:
    """Return what there is to run, in short, as links into the page."""
    found = []
    if made := method.implementation:
        found.append(tag("a", f"{IMPLEMENTATIONS[made.status]} reference implementation", href=Html("#implementation")))
    if count := len(method.code):
        what = "public repository" if count == 1 else "public repositories"
        found.append(tag("a", f"{count} {what}", href=Html("#code")))
    return join(found, ", ") or tag("span", "none known", class_="none")


def _attacks(method: Method) -> Html:
    """Return how attacks went, in short, as a link into the page; nothing where none was tried."""
    came = Counter(method.outcomes.values())
    phrases = robustness.CAME_TO.items()
    told = ", ".join(f"{phrase.lower()} {came[outcome]}" for outcome, phrase in phrases if came[outcome])
    return tag("a", told, href=Html("#robustness")) if told else Html("")


def _body(view: View, method: Method) -> Iterable[list[str]]:
    # Signs, numbers and names of settings are no words that somebody searches for.
    yield section("Equation", "equation", *parts.equation(method.equation), searched=False)
    yield section("Needs and cost", "needs", facts(_needs(method)), searched=False)
    yield section("Hyper-parameters", "hyperparameters", *_hyperparameters(view, method), searched=False)
    yield section("Strengths", "strengths", parts.remarks(view, method.strengths))
    yield section("Limitations", "limitations", parts.remarks(view, method.limitations))
    yield section("Lineage", "relations", lineage.drawing(view, method), _relations(view, method))
    yield section("Reference implementation", "implementation", *_implementation(view, method))
    yield section("Measured", "measured", *measured.of_method(view, method), searched=False)
    yield section("Public code", "code", *parts.public_code(view, method.code))
    theirs = tag(
        "p",
        "Published numbers, each under its own settings; a note says when the run is not the authors’.",
        class_="quiet",
    )
    if method.reported_results:
        yield section(
            "Reported results", "results", theirs, parts.results(view, method.reported_results), searched=False
        )
    yield section("Attacks tried on it", "robustness", robustness.of_method(view, method))
    yield section("Surveys", "surveys", _surveys(view, method))
    problems = view.atlas.open_problems.where(method=method.id)
    yield section("Open problems it bears on", "problems", parts.entries_of(view, "open_problems", problems))


def _needs(method: Method) -> Iterable[tuple[str, str]]:
    for need in ("required", "optional", "none"):
        held = [name.replace("_", " ") for name, value in method.needs.model_dump().items() if value == need]
        yield {"required": "Required", "optional": "Optional", "none": "Not needed"}[need], ", ".join(held)
    if method.cost:
        yield "Training cost", method.cost.training or ""
        yield "Inference cost", method.cost.inference or ""


def _hyperparameters(view: View, method: Method) -> Iterable[str]:
    for setting in method.hyperparameters:
        yield tag("p", tag("strong", setting.setting), tag("br"), parts.standing(view, setting))
        rows = [(tag("code", name), escape(_value(value))) for name, value in setting.values.items()]
        yield table(["Name", "Value"], rows, "data narrow")


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _relations(view: View, method: Method) -> Html:
    own = [_relation(view, _PHRASES[link.type][0], link.target, link) for link in method.relations]
    others = view.survey.referring.get(method.id, ())
    if len(others) <= _NAMED:
        return bullets(
            [*own, *(_relation(view, _PHRASES[link.type][1], id_, link) for id_, link in others)], "relations"
        )
    named = []
    for type_, (_, phrase) in _PHRASES.items():
        ids = sorted(
            (id_ for id_, link in others if link.type == type_), key=lambda id_: view.survey.short[id_].lower()
        )
        links = (tag("a", view.survey.short[id_], href=f"{view.up}methods/{id_}/") for id_ in ids)
        if ids:
            named.append(join([tag("em", phrase), " ", join(links, ", ")]))
    return bullets([*own, *named], "relations")


def _relation(view: View, phrase: str, other: str, link: Link) -> Html:
    note = escape(f": {link.note}") if link.note else Html("")
    who = tag("span", view.source(link.source) if link.source else "follows from the equations", class_="who")
    return join([tag("em", phrase), " ", view.entry("methods", other), note, " ", who])


def _implementation(view: View, method: Method) -> Iterable[str]:
    found = method.implementation
    if found is None:
        if why := view.survey.gaps.get(method.id):
            yield tag("p", tag("strong", "None, and none is to be expected"), ". ", why)
        return
    yield tag("p", tag("strong", found.status.capitalize()), ". ", _STATUS[found.status])
    if found.differences:
        yield tag("ol", *(tag("li", difference) for difference in found.differences), class_="differences")
    if code := view.survey.code(method):
        yield heading("Source", "source", 3, searched=False)
        yield folded_code(f"reference_impls/{method.id.replace('-', '_')}.py", code)


def _surveys(view: View, method: Method) -> Html:
    seen = tag("span", "seen there", class_="ink")
    inferred = tag("span", "inferred", class_="pencil")
    return bullets(
        join([view.entry("surveys", item.survey), seen if item.status == "seen" else inferred, item.note or ""], " ")
        for item in method.surveys
    )
