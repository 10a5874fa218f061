"""What a change does to the catalog, as its reviewer reads it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from unlearning_atlas.changes import code, compare, markdown

if TYPE_CHECKING:
    from tests.conftest import Root

A = "catalog/methods/alpha-ascent.yaml"
B = "catalog/methods/beta-preference.yaml"


@pytest.fixture
def base(small: Root, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small.path, tmp_path / "base"))


def said(base: Path, small: Root) -> list[str]:
    """Return the list of the report, without its heading."""
    return markdown(compare(base, small.path)).splitlines()[2:]


def test_nothing(base: Path, small: Root) -> None:
    small.write(A, small.text(A) + "# a comment\n")
    assert not compare(base, small.path)
    assert markdown(compare(base, small.path)) == "Nothing changes in the catalog.\n"


EDITS = [
    ("value", A, "family: gradient-based", "family: task-vectors", "`family`: `gradient-based` → `task-vectors`"),
    ("term", B, "intervention: [all-weights, adapter]", "intervention: [all-weights, layers]",
     "`intervention`: gone, was `adapter`|`intervention`: new, `layers`"),
    ("order", B, "intervention: [all-weights, adapter]", "intervention: [adapter, all-weights]",
     "`intervention (order)`: `all-weights, adapter` → `adapter, all-weights`"),
    ("nested", B, "  forget: [bounded-negative-preference]", "  forget: [gradient-ascent]",
     "`objective.forget`: gone, was `bounded-negative-preference`|`objective.forget`: new, `gradient-ascent`"),
    ("item by its name", B, "value: 0.75", "value: 0.5", "`reported_results[authors-bench].value`: `0.75` → `0.5`"),
    ("trial by its attack", B, "outcome: broken", "outcome: withstood",
     "`robustness[relearning-attack].outcome`: `broken` → `withstood`"),
    ("status", B, "source: rivers2024beta\n    place: section 4\n    status: unverified",
     'source: rivers2024beta\n    place: section 4\n    status: verified\n    checked: "2026-11-25"',
     "`evidence[paper, introduced, paradigm, access_level, objective, needs…].status`: `unverified` → `verified`"
     "|`evidence[paper, introduced, paradigm, access_level, objective, needs…].checked`: new, `2026-11-25`"),
    ("field gone", A, "aliases: [AA, negated training]\n", "", "`aliases`: gone, was `AA, negated training`"),
    ("field new", A, "paper: stone2023alpha\n", "paper: stone2023alpha\nsuperseded_by: beta-preference\n",
     "`superseded_by`: new, `beta-preference`"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "lines"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_one_edit(base: Path, small: Root, file: str, old: str, new: str, lines: str) -> None:
    small.edit(file, old, new)
    assert said(base, small) == [f"- **changed** `{file}`", *(f"  - {line}" for line in lines.split("|"))]


def test_a_long_text_is_shown_where_it_differs(base: Path, small: Root) -> None:
    long = "word " * 100
    for root, end in ((Path(base), "ends so"), (small.path, "ends otherwise"), (small.path, "")):
        text = (small.path / A).read_text()
        (root / A).write_text(
            text[: text.index("summary: |")]
            + f"summary: |\n  {long}{end}".rstrip()
            + "\n"
            + text[text.index("paper:") :]
        )
    (small.path / B).unlink()
    (base / B).unlink()
    changed = said(base, small)[-1]
    assert "ends so" in changed
    assert len(changed) < 500


def test_what_a_draft_leaves_empty_is_not_shown(base: Path, small: Root) -> None:
    small.write("catalog/methods/omega.yaml", "id: omega\nname: Omega\nfamily:\n")
    assert said(base, small) == ["- **added** `catalog/methods/omega.yaml`: name `Omega`"]


def test_what_came_and_went(base: Path, small: Root) -> None:
    (small.path / A).rename(small.path / "catalog/methods/omega.yaml")
    small.edit("catalog/references.bib", "title = {Waiting for an Entry}", "title = {Waiting}")
    lines = said(base, small)
    assert lines[0] == f"- **removed** `{A}`. An entry is never deleted: give it `superseded_by`."
    assert lines[1].startswith(
        "- **added** `catalog/methods/omega.yaml`: name `Alpha ascent`, family `gradient-based`, 0 of "
    )
    assert lines[2:] == [
        "- **changed** `references.bib: stone2026waiting`",
        "  - `title`: `{Waiting for an Entry}` → `{Waiting}`",
    ]
    assert markdown(compare(base, small.path)).startswith("### In the catalog: 1 added, 1 changed, 1 removed\n")


def test_a_file_with_faults_is_compared_and_one_that_is_no_yaml_is_named(base: Path, small: Root) -> None:
    small.edit(B, "family: preference-optimization", "famly: 7")
    small.edit(A, "family: gradient-based", "family: [")
    lines = said(base, small)
    assert lines[0] == f"- **cannot be read**: `{A}`"
    assert lines[1:] == [
        f"- **changed** `{B}`",
        "  - `family`: gone, was `preference-optimization`",
        "  - `famly`: new, `7`",
    ]


@pytest.mark.parametrize("damage", [b"\xff", b"@misc{left, title = {Open\n", b"@misc{a2020a, title = {No author}}\n"])
def test_a_bibliography_with_faults_has_lost_no_record(base: Path, small: Root, damage: bytes) -> None:
    file = small.path / "catalog/references.bib"
    file.write_bytes(file.read_bytes() + damage)
    for one, two in ((base, small.path), (small.path, base)):
        assert markdown(compare(one, two)).splitlines()[2:] == ["- **cannot be read**: `catalog/references.bib`"]
    file.unlink()
    assert markdown(compare(small.path, base)).startswith("### In the catalog: 7 added\n")


@pytest.mark.parametrize(
    "text", ["plain", "`tick`", "``", "a`b``c", "<img src=x onerror=alert(1)>", "a\n\n# heading", "|", "@everyone", ""]
)
def test_nothing_leaves_its_code_span(text: str) -> None:
    from html.parser import HTMLParser

    import markdown_it

    seen: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append(tag)

    html = markdown_it.MarkdownIt().render(f"- x {code(text)} y")
    Tags().feed(html)
    assert seen == ["ul", "li", "code"]


def test_the_command(base: Path, small: Root) -> None:
    small.edit(A, "family: gradient-based", "family: task-vectors")
    command = [sys.executable, "-m", "unlearning_atlas", "diff", str(base), str(small.path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == markdown(compare(base, small.path))
    done = subprocess.run([*command[:-1], str(small.path / "nowhere")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
