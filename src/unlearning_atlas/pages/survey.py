"""The page of a survey and the table of all surveys."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts
from unlearning_atlas.pages.facets import Facet, Row, axis_facet, finder, flat_facet
from unlearning_atlas.pages.markup import document, escape, join, section, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.models import Survey
    from unlearning_atlas.pages.view import View

_FORMS = {"survey": "Survey", "position": "Position paper"}


def render(view: View, survey: Survey) -> str:
    """Return a survey's page as Markdown."""
    return parts.entry_page(view, survey, view.terms("modality", survey.modality), _facets(survey), _body(view, survey))


def _facets(survey: Survey) -> Iterable[tuple[str, str]]:
    yield "Scope", survey.scope
    yield "Form", _FORMS[survey.form]


def _body(view: View, survey: Survey) -> Iterable[list[str]]:
    yield section("Definition of unlearning", "definition", *parts.equation(survey.definition))
    yield section("What it says", "statements", parts.statements(view, survey.statements))
    problems = view.survey.posed_by.get(survey.id, ())
    yield section("Open problems it names", "problems", parts.entries_of(view, "open_problems", problems))
    seen, inferred = (view.survey.covered_by.get((survey.id, status), ()) for status in ("seen", "inferred"))
    narrowed = tag("p", "See them ", view.filtered("in the table", "survey", survey.id), ".", class_="quiet")
    yield section(
        "Methods that stand in it", "methods", parts.entries_of(view, "methods", seen), narrowed if seen else ""
    )
    ours = tag(
        "p",
        "These fit a branch of its tree, as the catalog reads it. That the survey names them is not known.",
        class_="quiet",
    )
    yield section(
        "Methods placed by us", "inferred", ours if inferred else "", parts.entries_of(view, "methods", inferred)
    )


def render_all(view: View) -> str:
    """Return the table of all surveys as Markdown, the newest first."""
    counts = view.atlas.surveys.facets()
    years = Counter(survey.introduced[:4] for survey in view.atlas.surveys.values())
    facets = [
        flat_facet("form", "Form", _FORMS, counts["form"]),
        axis_facet(view, "modality", counts["modality"]),
        Facet("year", "Year", [(year, year, years[year], 0) for year in sorted(years, reverse=True)]),
    ]
    terms = view.survey.found_by("surveys")
    rows = []
    for id_, survey in view.atlas.surveys.sort("introduced", reverse=True).items():
        seen = len(view.atlas.methods.where(survey=id_))
        posed = len(view.survey.posed_by.get(id_, ()))
        paper = tag("span", survey.paper.citation, class_="quiet")
        cells = [
            join([tag("b", view.entry("surveys", id_)), tag("br"), paper]),
            escape(survey.scope),
            escape(_FORMS[survey.form]),
            view.filtered(str(seen), "survey", id_) if seen else "",
            str(posed) if posed else "",
            escape(survey.introduced),
        ]
        also = ", ".join((*survey.aliases, *survey.paper.authors, survey.paper.title))
        rows.append(Row(cells, [*terms[id_], f"year:{survey.introduced[:4]}"], also, id_))
    blocks = [
        parts.subnav(view, "surveys/"),
        "# Surveys",
        tag(
            "p",
            "Surveys and position papers on LLM unlearning. A survey is credited with a method only where it is known "
            "to cover it, so an empty count says nothing about the survey.",
        ),
        *finder(
            facets,
            ("Survey", "Scope", "Form", "Methods known", "Open problems", "Since"),
            rows,
            id_="all-surveys",
            noun="surveys",
            search="Name, author, scope …",
            kind="surveys",
        ),
    ]
    return document("Surveys", blocks, description="Surveys of LLM unlearning.", hide=["navigation", "toc"])
