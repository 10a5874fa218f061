# ruff: noqa: E501
"""Every mechanical repair mends its fault and nothing else."""

from __future__ import annotations

import random
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from unlearning_atlas.files import write_bytes
from unlearning_atlas.lint import RULES, fix
from unlearning_atlas.loading import Document

if TYPE_CHECKING:
    from tests.conftest import Root

A = "catalog/methods/alpha-ascent.yaml"
B = "catalog/methods/beta-preference.yaml"
C = "catalog/methods/gamma-steer.yaml"
AUTHORS = "catalog/benchmarks/authors-bench.yaml"
BIB = "catalog/references.bib"
PARADIGMS = "taxonomy/paradigms.yaml"
ENTRIES = (A, B, C, AUTHORS, PARADIGMS)
LINE = "# yaml-language-server: $schema=../schema/method.schema.json\n"

REPAIRS = [
    ("no schema line", A, LINE, "", ""),
    ("schema line of another kind", A, "method.schema", "metric.schema", ""),
    ("spaces at line ends", A, "family: gradient-based\n", "family: gradient-based   \n\n", "family: gradient-based\n\n"),
    ("carriage return", A, "family: gradient-based\n", "family: gradient-based\r\n", ""),
    ("no line break at the end", A, "section 3\n    status: unverified\n", "section 3\n    status: unverified", ""),
    ("empty lines at the end", A, "section 3\n    status: unverified\n", "section 3\n    status: unverified\n\n\n", ""),
    ("bare number for text", B, "place: losses.py", "place: 3.10", 'place: "3.10"'),
    ("bare arXiv id for text", B, "place: losses.py", "place: 2404.05860", 'place: "2404.05860"'),
    ("bare day", B, 'README\n    status: verified\n    checked: "2026-11-20"', "README\n    status: verified\n    checked: 2026-11-20", ""),
    ("1e-5", B, "lr: 1.0e-5", "lr: 1e-5", ""),
    ("1E5", B, "lr: 1.0e-5", "lr: 1E5", "lr: 1.0e+5"),
    (".5", B, "beta: 0.1", "beta: 12:30  # behind", 'beta: "12:30"  # behind'),
    ("commit that looks like a number", B, 'commit: "1207bbe"\n    place: README', "commit: 1207e88\n    place: README", 'commit: "1207e88"\n    place: README'),
    ("text that looks like a number", A, "[AA, negated training]", "[AA, 1e5]", '[AA, "1e5"]'),
    ("behind other alphabets", C, "    target: beta-preference", "    target: beta-preference\n    note: 0123  # γ", '    target: beta-preference\n    note: "0123"  # γ'),
    ("keys out of order", A, "name: Alpha ascent\naliases: [AA, negated training]", "aliases: [AA, negated training]\nname: Alpha ascent", ""),
    ("evidence first", C, "id: gamma-steer\nname: Gamma steering (γ)\n", "name: Gamma steering (γ)\nid: gamma-steer\n", ""),
]  # fmt: skip


@pytest.mark.parametrize("row", REPAIRS, ids=[row[0] for row in REPAIRS])
def test_repair(small: Root, row: tuple[str, str, str, str, str]) -> None:
    _, file, good, bad, mended = row
    before = small.text(file)
    small.edit(file, good, bad)
    assert small.faults(), "the edit is no fault"
    assert fix(small.path) == [file]
    assert small.text(file) == before.replace(good, mended or good)
    assert small.faults() == []
    assert fix(small.path) == []


def test_every_rule_with_a_repair_is_tested() -> None:
    named = {"schema-line", "white-space", "key-order", "draft-guide", "bibtex-order", "bibtex-triage"}
    assert {rule.name for rule in RULES if rule.fix} == named


def test_the_small_catalog_is_left_alone(small: Root) -> None:
    before = {path: path.stat().st_mtime_ns for path in small.path.rglob("*")}
    assert fix(small.path) == []
    assert {path: path.stat().st_mtime_ns for path in small.path.rglob("*")} == before


def test_byte_order_mark(small: Root) -> None:
    """The mark is one character that libyaml does not count: a repair must not slip by one."""
    before = small.text(A)
    small.write(A, "\ufeff" + before.replace('introduced: "2023-01"', "introduced: 2023-01"))
    small.edit(A, "place: section 3", "place: 3.10")
    fix(small.path)
    assert small.text(A).lstrip("\ufeff") == before.replace("place: section 3", 'place: "3.10"').replace(
        '"2023-01"', "2023-01"
    )


def test_carriage_returns_everywhere(small: Root) -> None:
    before = small.text(B)
    small.write(B, before.replace("place: losses.py", "place: 3.10").replace("\n", "\r\n"))
    fix(small.path)
    assert small.text(B) == before.replace("place: losses.py", 'place: "3.10"')


def test_a_comment_moves_with_its_key(small: Root) -> None:
    text = small.text(A).replace("family: gradient-based\n", "")
    small.write(A, text.replace("id: alpha-ascent\n", "id: alpha-ascent\n# Why this family.\nfamily: gradient-based\n"))
    fix(small.path)
    assert "# Why this family.\nfamily: gradient-based\nparadigm:" in small.text(A)


def test_bibliography_is_sorted_and_keeps_every_record(small: Root) -> None:
    records = small.text(BIB).strip().split("\n\n")
    small.write(BIB, "\n\n".join([records[-1], *records[:-1]]) + "\n")
    assert fix(small.path) == [BIB]
    assert small.text(BIB).strip().split("\n\n") == records
    assert small.faults() == []


@pytest.mark.parametrize("place", ["first", "middle", "last", "last, with a comma", "in one line"])
def test_a_paper_with_an_entry_waits_for_none(small: Root, place: str) -> None:
    before = small.text(BIB)
    record = before.strip().split("\n\n")[3]
    _, *fields = record.removesuffix("\n}").split(",\n")
    head = "@misc{rivers2024beta"
    fields = [field.strip() for field in fields]
    where = {"first": 0, "middle": 2}.get(place, len(fields))
    with_triage = [*fields[:where], "keywords = {method}", *fields[where:]]
    joint = ", " if place == "in one line" else ",\n  "
    end = ",\n}" if place == "last, with a comma" else "\n}"
    small.write(BIB, before.replace(record, joint.join([head, *with_triage]) + end))
    assert [fault.rule for fault in small.faults()] == ["bibtex-triage"]
    assert fix(small.path) == [BIB]
    assert small.text(BIB) == before.replace(record, joint.join([head, *fields]) + end)
    assert small.faults() == []


def test_what_waits_for_an_open_problem_goes_on_waiting(small: Root) -> None:
    """An open problem names a paper that poses it, which may still have no entry of its own."""
    small.edit("catalog/open_problems/relearning-holds.yaml", "paper: moss2025survey", "paper: stone2026waiting")
    assert "bibtex-triage" not in {fault.rule for fault in small.faults()}
    assert fix(small.path) == []


GUIDED = """\
#: Where the data lie.
data:
  #: Address of the data.
  url: https://example.org/authors#:x  #: optional
  licence: MIT
"""


def test_the_guide_of_a_draft_goes_when_nothing_is_empty(small: Root) -> None:
    plain = "data:\n  url: https://example.org/authors#:x\n  licence: MIT\n"
    small.edit(AUTHORS, "data:\n  url: https://example.org/authors\n  licence: MIT\n", GUIDED)
    before = small.text(AUTHORS)
    (fault,) = small.faults()
    assert (fault.rule, fault.line) == ("draft-guide", small.find(AUTHORS, "#: Where the data")[0])
    small.write(AUTHORS, before.replace("  licence: MIT", "  licence:"))
    assert {fault.rule for fault in small.faults()} == {"yaml-null"}
    assert fix(small.path) == [], "the author still needs the guide"
    small.write(AUTHORS, before.replace("[entity]", "entity"))
    assert {fault.rule for fault in small.faults()} == {"wrong-type"}
    assert fix(small.path) == []
    small.write(AUTHORS, before.replace("  licence: MIT", "  licence: 1e5"))
    assert fix(small.path) == [AUTHORS]
    assert plain.replace("MIT", '"1e5"') in small.text(AUTHORS), "what is mended is no fault any more"
    small.write(AUTHORS, before)
    assert fix(small.path) == [AUTHORS]
    assert plain in small.text(AUTHORS)
    assert small.faults() == []


def test_the_mark_of_a_guide_in_a_text_is_text(small: Root) -> None:
    small.edit(AUTHORS, "  Questions about invented authors.\n", "  Questions.\n  #: about invented authors.\n")
    assert small.faults() == []
    assert fix(small.path) == []


@pytest.mark.parametrize(
    "extra",
    ["% a comment\n", "@comment{kept}\n\n", '@string{inv = "Invented"}\n\n', "@preamble{kept}\n\n", "stray text\n"],
    ids=["percent", "comment", "string", "preamble", "stray"],
)
def test_bibliography_with_anything_else_in_it_is_not_sorted(small: Root, extra: str) -> None:
    records = small.text(BIB).strip().split("\n\n")
    text = "\n\n".join([records[-1], *records[:-1]]) + "\n\n" + extra + "\n"
    small.write(BIB, text)
    fix(small.path)
    assert small.text(BIB).split() == text.split()


@pytest.mark.parametrize("file", [A, PARADIGMS])
@pytest.mark.parametrize(
    "broken", ["objective: [", '"', "\tx: y", "---\na: b"], ids=["bracket", "quote", "tab", "second"]
)
def test_files_with_syntax_errors_are_left_alone(small: Root, file: str, broken: str) -> None:
    text = small.text(file).replace("\n", "  \n", 4) + broken
    small.write(file, text)
    assert fix(small.path) == []
    assert small.text(file) == text


@pytest.mark.parametrize("how", ["folder", "link to nothing", "no permission"])
def test_unreadable_files_are_left_alone(small: Root, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small.path / "catalog/methods/new.yaml"
    if how == "folder":
        path.mkdir()
    elif how == "link to nothing":
        path.symlink_to("nowhere.yaml")
    else:
        path.write_text("id: new\n")
        read = Path.read_bytes

        def refuse(self: Path) -> bytes:
            if self == path:
                raise PermissionError(13, "Permission denied")
            return read(self)

        monkeypatch.setattr(Path, "read_bytes", refuse)
    assert fix(small.path) == []
    if how == "folder":
        assert path.is_dir()
    elif how == "link to nothing":
        assert path.is_symlink()
    else:
        assert path.read_text() == "id: new\n"


@pytest.mark.parametrize("file", [A, PARADIGMS, BIB])
def test_files_that_are_not_utf8_are_left_alone(small: Root, file: str) -> None:
    content = small.text(file).encode().replace(b"\n", b"  \n", 1) + b"\xff"
    (small.path / file).write_bytes(content)
    fix(small.path)
    assert (small.path / file).read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o664, 0o600])
def test_mode_is_kept(small: Root, mode: int) -> None:
    (small.path / A).chmod(mode)
    small.edit(A, "family: gradient-based\n", "family: gradient-based  \n")
    assert fix(small.path) == [A]
    assert stat.S_IMODE((small.path / A).stat().st_mode) == mode


def test_a_link_stays_a_link(small: Root) -> None:
    target = small.path / "elsewhere.yaml"
    (small.path / A).rename(target)
    (small.path / A).symlink_to(target)
    small.edit("elsewhere.yaml", "family: gradient-based\n", "family: gradient-based  \n")
    assert fix(small.path) == [A]
    assert (small.path / A).is_symlink()
    assert "family: gradient-based\n" in target.read_text()


def test_writing_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_never_meet_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new content is complete, under another name, before it takes the old one's place."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    met = []
    replace = Path.replace

    def spy(self: Path, target: Path) -> Path:
        met.append((path.read_bytes(), self.read_bytes(), self.parent))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", spy)
    write_bytes(path, b"new")
    assert met == [(b"old", b"new", tmp_path)]
    assert path.read_bytes() == b"new"


def value(text: str) -> object:
    """Return what a plain YAML reader makes of a file: nothing but text, so that quotes do not count."""
    return normal(yaml.load(text, Loader=yaml.BaseLoader))


def normal(item: object) -> object:
    """Drop what a repair may change: the order of keys, white space at line ends, the spelling of a number."""
    if isinstance(item, dict):
        return {str(key): normal(part) for key, part in sorted(item.items())}
    if isinstance(item, list):
        return [normal(part) for part in item]
    text = "\n".join(line.rstrip() for line in str(item).split("\n")).strip()
    try:
        return float(text) if re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?", text) else text
    except ValueError:
        return text


def comments(text: str) -> list[str]:
    """Return the comments of a file, the schema line excepted."""
    found = re.findall(r"(?:^|(?<=\s))#[^\n]*", text)
    return sorted(comment.rstrip() for comment in found if "yaml-language-server" not in comment)


def mangle(chance: random.Random, text: str) -> str:
    """Change a file in ways that keep its meaning, or nearly."""
    head, *blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)
    for _ in range(chance.randint(1, 5)):
        what = chance.randrange(8)
        number = chance.randrange(len(blocks))
        if what == 0:
            chance.shuffle(blocks)
        elif what == 1:
            blocks[number] = blocks[number].replace("\n", chance.choice(["  \n", "\r\n", f"  # c{number}\n"]), 1)
        elif what == 2:
            blocks[number] = f"# above {number}\n" + blocks[number]
        elif what == 3:
            blocks[number] = blocks[number] + "\n" * chance.randint(1, 3)
        elif what == 4:
            blocks[number] = re.sub(r'"([^"]*)"', r"\1", blocks[number])
        elif what == 5:
            old = chance.choice(["section", "required", "none", "text"])
            blocks[number] = blocks[number].replace(
                old, chance.choice(["12:30", "0123", "1e-5", "1E5", "3.10", "γ"]), 1
            )
        elif what == 6:
            head = chance.choice(["", "---\n", "# top\n", head, "\n" + head])
        elif blocks[-1].endswith("\n"):
            blocks[-1] += chance.choice(["...\n", "# end\n", "\n\n", "  # indented\n"])
    return head + "".join(blocks)


@pytest.mark.parametrize("seed", range(10))
def test_no_repair_loses_a_value_or_a_comment(small: Root, seed: int) -> None:
    chance = random.Random(seed)
    checked = 0
    for _ in range(30):
        file = chance.choice(ENTRIES)
        before = small.text(file)
        mangled = mangle(chance, before)
        small.write(file, mangled)
        document = Document(file, mangled.encode())
        fix(small.path)
        after = small.text(file)
        if document.value is None or "yaml-duplicate-key" in {fault.rule for fault in document.faults}:
            assert after == mangled
        else:
            checked += 1
            assert value(after) == value(mangled), mangled
            assert comments(after) == comments(mangled), mangled
            assert fix(small.path) == [], mangled
        small.write(file, before)
    assert checked > 15
