# ruff: noqa: E501
"""Issue forms: fresh, of one mind with the models, and read back; nothing a form holds does anything but become text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from unlearning_atlas.catalog import read_catalog
from unlearning_atlas.drafts import DraftError, draft
from unlearning_atlas.files import stale, write_together
from unlearning_atlas.forms import KINDS, forms, paper_label, questions, read
from unlearning_atlas.loading import Document

if TYPE_CHECKING:
    from tests.conftest import Root

    from unlearning_atlas.drafts import Draft

RECORD = (
    "@misc{x,\n  title = {DELTA: Descent Erases},\n  author = {Flo Hill},\n  year = {2025},\n  eprint = {2503.01234}\n}"
)
ANSWERS = {
    "Name": "Delta", "Aliases": "D, down hill", "Summary": "Goes down.\n\n- Forgets: all of it.", "Family": "gradient-based",
    "Paradigm": "direct-unlearning, training-time", "Access level": "weights-and-gradients", "Objective: forget": "gradient-ascent",
    "Objective: retain": "no-retain-term", "Intervention": "all-weights", "Target": "entity, personal-data", "Modality": "text",
    "Benchmarks": "authors-bench, hazard-bench", "Equation: latex": r"\min_\theta -L(D_f; \theta)", "Needs: forget set": "required",
    "Needs: retain set": "(none)", "Needs: reference model": "(none)", "Needs: auxiliary model": "(none)", "Needs: extra data": "optional",
    "Cost: training": "F + B per example", "Where it stands": "section 3", "Remarks": "Please hurry.",
}  # fmt: skip


def rendered(root: Root, kind: str = "methods", paper: str = RECORD, **answers: str) -> str:
    """Write a form's body as GitHub renders it."""
    form = yaml.safe_load(forms(read_catalog(root.path))[f".github/ISSUE_TEMPLATE/{kind[:-1]}.yml"])
    given = {paper_label(kind): f"```bibtex\n{paper}\n```", **answers}
    labels = [element["attributes"]["label"] for element in form["body"] if element["type"] != "markdown"]
    assert set(given) <= set(labels), set(given) - set(labels)
    return "\n\n".join(f"### {label}\n\n{given.get(label, '_No response_')}" for label in labels) + "\n"


def drafted(root: Root, body: str) -> Draft:
    catalog = read_catalog(root.path)
    filled = read(body, catalog)
    return draft(catalog, filled.kind, **filled.options)


def test_the_forms_are_fresh(checkout: Path) -> None:
    texts = forms(read_catalog(checkout))
    assert stale(checkout, texts) == [], "run 'unlearning-atlas schema' and commit what it writes"


def test_a_new_term_and_a_new_field_change_them(small: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    before = forms(read_catalog(small.path))
    small.edit("taxonomy/modalities.yaml", "id: code", "id: program-code")
    after = forms(read_catalog(small.path))
    assert {file.rpartition("/")[2] for file in before if before[file] != after[file]} == {
        "method.yml",
        "benchmark.yml",
    }

    from pydantic import Field

    from unlearning_atlas.models import ENTRY_MODELS, Line, Metric

    class Wider(Metric):
        colour: Line = Field(description="Of what colour it is.")

    monkeypatch.setitem(ENTRY_MODELS, "metrics", Wider)
    form = yaml.safe_load(forms(read_catalog(small.path))[".github/ISSUE_TEMPLATE/metric.yml"])
    (element,) = (element for element in form["body"] if element.get("id") == "colour")
    assert element == {
        "type": "input",
        "id": "colour",
        "attributes": {"label": "Colour", "description": "Of what colour it is."},
    }
    values = Document("", drafted(small, rendered(small, "metrics", Colour="red")).text.encode()).value
    assert values["colour"] == "red"


def test_github_takes_the_forms(checkout: Path) -> None:
    """The schema of the forms that check-jsonschema ships, and what GitHub's documentation forbids besides."""
    catalog = read_catalog(checkout)
    for file, text in forms(catalog).items():
        form = yaml.safe_load(text)
        elements = [element for element in form["body"] if element["type"] != "markdown"]
        assert elements
        for part in ("label", "id"):
            found = [element["attributes"]["label"] if part == "label" else element["id"] for element in elements]
            assert len(set(found)) == len(found), (file, part)
        for element in elements:
            options = element["attributes"].get("options", ["x"])
            assert options
            assert len(set(options)) == len(options)
            assert all(
                isinstance(option, str) and option.lower() != "none" and ", " not in option for option in options
            ), file
            assert "password" not in element["attributes"]["label"].lower()
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-issue-forms"]
    folder = checkout / ".github/ISSUE_TEMPLATE"
    files = [path for path in folder.glob("*.yml") if path.name != "config.yml"]
    assert len(files) == len(KINDS) + 1
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_required_field_of_one_part_is_asked(small: Root, kind: str) -> None:
    from unlearning_atlas.drafts import fields_of

    catalog = read_catalog(small.path)
    asked = {question.path[0] for question in questions(kind, catalog)}
    needed = {field.key for field in fields_of(kind, catalog) if field.required}
    assert needed - asked == {"paper", "introduced", "evidence"}


def test_a_filled_form_becomes_an_entry_that_lacks_nothing(small: Root) -> None:
    made = drafted(small, rendered(small, **ANSWERS))
    value = Document(made.file, made.text.encode()).value
    assert (made.id, value["name"], value["aliases"]) == ("delta", "Delta", ("D", "down hill"))
    assert value["summary"] == "Goes down.\n\n- Forgets: all of it.\n"
    assert value["paradigm"] == ("direct-unlearning", "training-time")
    assert value["needs"] == {
        "forget_set": "required", "retain_set": "none", "reference_model": "none", "auxiliary_model": "none", "extra_data": "optional",
    }  # fmt: skip
    assert value["equation"]["latex"] == "\\min_\\theta -L(D_f; \\theta)\n"
    assert value["evidence"][0]["place"] == "section 3"
    assert "hurry" not in made.text
    write_together(small.path, made.files)
    assert {fault.message.split()[0] for fault in small.faults()} == {
        "equation.symbols.0.symbol",
        "equation.symbols.0.meaning",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_paper_alone_is_enough(small: Root, kind: str) -> None:
    made = drafted(small, rendered(small, kind))
    assert (made.file, made.paper.key) == (f"catalog/{kind}/delta.yaml", "hill2025delta")
    other = drafted(small, rendered(small, kind, "stone2026waiting", Name="Other", Id="other").replace("\n", "\r\n"))
    assert (other.id, other.paper.key) == ("other", "stone2026waiting")


def test_numbers(small: Root) -> None:
    made = drafted(
        small, rendered(small, "metrics", **{"Range: minimum": "0", "Range: maximum": "1.5", "Role": "attack"})
    )
    assert Document("", made.text.encode()).value["range"] == {"minimum": 0, "maximum": 1.5}
    with pytest.raises(DraftError, match="Range: maximum: 'inf' is not a number"):
        drafted(small, rendered(small, "metrics", **{"Range: maximum": "inf"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: "Hello, please add NPO.", "not a filled-in form"),
        (lambda body: "", "not a filled-in form"),
        (lambda body: body.replace("### Family", "### Famly"), "no heading 'Famly' (did you mean 'Family'?)"),
        (lambda body: "Hi!\n" + body, "text before the first heading"),
        (lambda body: body.replace("Goes down.", "Goes down.\n\n### Family\n\noutput-based"), "'Family' stands there twice"),
        (lambda body: body.replace("\ngradient-based", "\ngradient-base"), "'gradient-base' is none of its choices (did you mean 'gradient-based'"),
        (lambda body: body.replace(RECORD, "the NPO paper"), "no paper 'the NPO paper'"),
        (lambda body: body.replace(f"```bibtex\n{RECORD}\n```", "_No response_"), "say which paper"),
        (lambda body: body.replace("section 3", "section\u202e3"), "U+202E"),
    ],
)  # fmt: skip
def test_what_is_no_form_any_more_is_said(small: Root, change: Any, message: str) -> None:
    with pytest.raises(DraftError) as refused:
        drafted(small, change(rendered(small, **ANSWERS)))
    assert any(message in fault for fault in refused.value.faults), refused.value.faults


def test_every_fault_of_a_form_comes_at_once(small: Root) -> None:
    body = rendered(small, **ANSWERS | {"Family": "x", "Modality": "text, smell", "Needs: extra data": "maybe"})
    with pytest.raises(DraftError) as refused:
        drafted(small, body)
    assert [fault.partition(":")[0] for fault in refused.value.faults] == ["Family", "Modality", "Needs"]


HOSTILE = [
    "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "${{ secrets.X }}", "{{ 7*7 }}", "!!python/object/apply:os.system [touch pwned]",
    "<script>alert(1)</script>", "@everyone", "a\nid: evil\npaper: evil", "---\nid: evil", "*a &b", "%s%n", "\\u0000", "]: x", "|\n  x",
    "```\n### Family\n```", "#: x", "a  #: b",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_answers_end_as_text_or_as_a_fault(small: Root, tmp_path: Path, text: str) -> None:
    body = rendered(
        small,
        **ANSWERS
        | {
            "Summary": text,
            "Name": text,
            "Aliases": text,
            "Cost: training": text,
            "Where it stands": text,
            "Id": "delta",
        },
    )
    (tmp_path / "body.md").write_text(body)
    before = small.text("catalog/references.bib")
    files = {path for path in small.path.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-m", "unlearning_atlas", "new", "from-issue", str(tmp_path / "body.md"), "--root", str(small.path)],
        capture_output=True, text=True, cwd=small.path, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    new = {path for path in small.path.rglob("*") if path.is_file()} - files
    if done.returncode:
        assert (done.returncode, done.stdout, new) == (1, "", set())
        assert small.text("catalog/references.bib") == before
        return
    assert [path.name for path in new] == ["delta.yaml"]
    value = Document("", (small.path / "catalog/methods/delta.yaml").read_bytes()).value
    assert (value["id"], value["paper"], value["family"]) == ("delta", "hill2025delta", "gradient-based")
    assert value["name"] == value["cost"]["training"] == " ".join(text.split())
    assert value["summary"].split() == text.split()


@pytest.mark.parametrize(
    "record",
    [
        RECORD.replace("Descent", "}, keywords = {x"), RECORD + "\n}\n@misc{evil, title={a}}", "@comment{x}\n@string{a = {b}}", RECORD.replace("Flo Hill", "}\n\n@misc{evil,"),
        RECORD.replace("2503.01234", "../../x"), RECORD.replace("year", "url = {javascript:alert(1)},\n  year"), RECORD.replace("@misc{x", "@misc{stone2023alpha"),
    ],
)  # fmt: skip
def test_hostile_records_change_no_other(small: Root, record: str) -> None:
    from unlearning_atlas.papers import parse_bibliography

    before = parse_bibliography(small.text("catalog/references.bib"))[0]
    try:
        made = drafted(small, rendered(small, paper=record, Id="delta", Name="Delta"))
    except DraftError:
        return
    after, _, faults = parse_bibliography(made.bibliography)
    assert faults == []
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 1
