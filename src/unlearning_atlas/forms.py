"""Issue forms for GitHub, made from the models and the taxonomy, and what a filled-in form says.

A form asks for the fields of an entry that are one text or one choice; what has more parts is filled in later, in the
draft that :func:`read` and :func:`unlearning_atlas.drafts.draft` make of the form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from unlearning_atlas.drafts import DraftError, fields_of
from unlearning_atlas.faults import did_you_mean, listing, suggest
from unlearning_atlas.lint.file_rules import SCHEMA_OF
from unlearning_atlas.models import ENTRY_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.catalog import Catalog
    from unlearning_atlas.drafts import Field

FOLDER = ".github/ISSUE_TEMPLATE"
KINDS = ("methods", "benchmarks", "metrics")
PLACE, REMARKS = "Where it stands", "Remarks"
NO_ANSWER = "_No response_"
"""What GitHub writes for a field that was left empty."""
_HEAD = "# Written by 'unlearning-atlas schema' from the models and the taxonomy.\n"


@dataclass(frozen=True, slots=True)
class Question:
    """One field of a form: its heading, and the path of the entry's value that it asks for."""

    label: str
    path: tuple[str, ...]
    field: Field


def questions(kind: str, catalog: Catalog) -> list[Question]:
    """Return what the form of a kind asks besides the paper, in the entry's order."""
    return [
        question
        for field in fields_of(kind, catalog)
        if field.key not in ("paper", "evidence", "introduced")
        for question in _questions(field, ())
    ]


def _questions(field: Field, above: tuple[str, ...]) -> Iterator[Question]:
    path = (*above, field.key)
    if not field.fields and field.type != "object":
        yield Question(": ".join(part.replace("_", " ") for part in path).capitalize(), path, field)
    elif not field.many and not above:
        for child in field.fields:
            yield from _questions(child, path)


def paper_label(kind: str) -> str:
    """Return the heading of a form's first field, which says of what kind the entry is to be."""
    return f"Paper of the {SCHEMA_OF[kind].replace('-', ' ')}"


def forms(catalog: Catalog) -> dict[str, str]:
    """Return the text of every form by its file, relative to the checkout."""
    made = {f"{FOLDER}/{SCHEMA_OF[kind]}.yml": _form(kind, catalog) for kind in KINDS}
    made[f"{FOLDER}/correction.yml"] = _correction(catalog)
    return {
        file: _HEAD + yaml.safe_dump(form, sort_keys=False, width=110, allow_unicode=True)
        for file, form in made.items()
    }


def _form(kind: str, catalog: Catalog) -> dict[str, Any]:
    what = SCHEMA_OF[kind].replace("-", " ")
    paper = "Its BibTeX record; for a paper of catalog/references.bib the arXiv id or the BibTeX key is enough."
    body = [
        {
            "type": "markdown",
            "attributes": {
                "value": f"Only the paper must be given. What you leave empty stays empty in the draft of the {what}'s "
                "entry, which a comment below your issue shows. What is not known is better left empty than guessed."
            },
        },
        _element("textarea", "paper", paper_label(kind), paper, required=True, render="bibtex"),
    ]
    for question in questions(kind, catalog):
        body.append(_ask(question))
    where = "Where in the paper the above stands: sections, equations, tables."
    body.append(_element("input", "place", PLACE, where))
    body.append(_element("textarea", "remarks", REMARKS, "Anything a reader should know; it is not part of the draft."))
    return {
        "name": f"New {what}",
        "description": f"Propose a {what} for the catalog; a draft of its entry is made from what you say.",
        "title": f"New {what}: ",
        "body": body,
    }


def _ask(question: Question) -> dict[str, Any]:
    field, name = question.field, "-".join(question.path)
    about = field.description
    if field.choices and not field.refers:
        element = _element("dropdown", name, question.label, about)
        element["attributes"] |= {"multiple": field.many, "options": [_option(choice) for choice in field.choices]}
        return element
    if field.many or field.refers:
        about += f" {'Ids' if field.refers else 'Several'}, separated by commas." if field.many else ""
        return _element("input", name, question.label, about)
    return _element("textarea" if field.prose else "input", name, question.label, about)


def _element(
    type_: str, name: str, label: str, about: str, *, required: bool = False, render: str = ""
) -> dict[str, Any]:
    attributes: dict[str, Any] = {"label": label, "description": about}
    if render:
        attributes["render"] = render
    element = {"type": type_, "id": name, "attributes": attributes}
    return element | {"validations": {"required": True}} if required else element


def _option(choice: str) -> str:
    """Write a choice for a dropdown, where GitHub keeps the word 'none' for itself."""
    return "(none)" if choice == "none" else choice


def _correction(catalog: Catalog) -> dict[str, Any]:
    keys = dict.fromkeys(field.key for kind in ENTRY_MODELS for field in fields_of(kind, catalog))
    options = [*sorted(keys), "implementation", "the page of the entry", "something else"]
    field = _element("dropdown", "field", "Field", "Which part of the entry.")
    field["attributes"]["options"] = options
    return {
        "name": "Correction",
        "description": "Say what is wrong in an entry.",
        "title": "Correction: ",
        "body": [
            _element("input", "entry", "Entry", "Its id, as in the address of its page: npo, tofu.", required=True),
            field,
            _element("textarea", "wrong", "What is wrong", "What the entry says now.", required=True),
            _element("textarea", "right", "What is right", "What it should say.", required=True),
            _element(
                "input",
                "source",
                "Source",
                "Where that stands: an address or a paper. A correction needs one.",
                required=True,
            ),
            _element(
                "input", "place", PLACE, "Section, equation, table, file or function; for a repository the commit."
            ),
        ],
    }


# A form that was filled in.


@dataclass(frozen=True, slots=True)
class Filled:
    """What a filled-in form says: the kind of entry, and the options of :func:`unlearning_atlas.drafts.draft`."""

    kind: str
    options: dict[str, Any]


def read(body: str, catalog: Catalog) -> Filled:
    """Read the body of an issue that was made with a form.

    Raises DraftError with every fault: headings that are no form's or stand twice, choices that there are not.
    """
    body = body.replace("\r\n", "\n").removeprefix("\ufeff")
    kind = next((kind for kind in KINDS if f"### {paper_label(kind)}\n" in f"{body}\n"), "")
    if not kind:
        raise DraftError(
            [f"this is not a filled-in form: it has no heading '### {paper_label('methods')}' or the like"]
        )
    asked = questions(kind, catalog)
    labels = [paper_label(kind), *(question.label for question in asked), PLACE, REMARKS]
    answers, faults = _answers(body, labels)
    values: dict[str, Any] = {}
    for question in asked:
        if answer := answers.get(question.label, ""):
            try:
                _put(values, question.path, _value(question, answer))
            except DraftError as error:
                faults += error.faults
    options: dict[str, Any] = {"id_": str(values.pop("id", "")), "place": answers.get(PLACE, ""), "values": values}
    paper = answers.get(labels[0], "")
    if fenced := re.fullmatch(r"`{3,}\w*\n(.*?)\n?`{3,}", paper, re.DOTALL):
        paper = fenced[1].strip()
    if "@" in paper:
        options |= {"bibtex": paper, "file": labels[0]}
    elif re.search(r"[0-9]{4}\.[0-9]{4,5}", paper) or not paper:
        options["arxiv"] = paper
    else:
        options["key"] = paper
    if faults:
        raise DraftError(faults)
    return Filled(kind, options)


def _answers(body: str, labels: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split a body at the headings of its form. A heading inside an answer stands there twice, which is a fault."""
    parts = re.split(r"^### (.*?)[ \t]*$", body, flags=re.MULTILINE)
    answers: dict[str, str] = {}
    faults = []
    if parts[0].strip():
        faults.append("there is text before the first heading; leave the headings as the form writes them")
    for label, answer in zip(parts[1::2], parts[2::2], strict=True):
        if label not in labels:
            near = did_you_mean(suggest(label, labels))
            faults.append(f"the form has no heading {label[:60]!r}{near}; leave the headings as the form writes them")
        elif label in answers:
            faults.append(f"the heading {label!r} stands there twice; leave the headings as the form writes them")
        answers.setdefault(label, "" if answer.strip() == NO_ANSWER else answer.strip())
    return answers, faults


def _value(question: Question, answer: str) -> Any:
    """Turn an answer into the value of its field. Raises DraftError for a choice or a number that is none."""
    field, label = question.field, question.label
    texts = [text.strip() for text in answer.split(",")] if field.many else [answer]
    texts = [text for text in texts if text]
    if field.choices and not field.refers:
        known = {_option(choice): choice for choice in field.choices}
        if wrong := [text for text in texts if text not in known]:
            near = did_you_mean(suggest(wrong[0], known))
            raise DraftError([f"{label}: {wrong[0][:60]!r} is none of its choices{near}: {listing(known)}"])
        texts = [known[text] for text in texts]
    if field.type in ("number", "integer"):
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", answer):
            raise DraftError([f"{label}: {answer[:60]!r} is not a number, such as 0 or 1.5"])
        return float(answer) if "." in answer else int(answer)
    if field.type == "boolean" and answer not in ("true", "false"):
        raise DraftError([f"{label}: write true or false, not {answer[:60]!r}"])
    return texts if field.many else answer == "true" if field.type == "boolean" else texts[0]


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value
