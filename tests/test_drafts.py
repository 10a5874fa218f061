# ruff: noqa: E501
"""Drafts: what a paper gives, what a person must add, what is refused; and skeletons of implementations."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from unlearning_atlas import lint, skeleton
from unlearning_atlas.catalog import read_catalog
from unlearning_atlas.drafts import Draft, DraftError, draft, fields_of, mint_id, name_in, scalar
from unlearning_atlas.faults import UnknownNameError
from unlearning_atlas.files import write_together
from unlearning_atlas.loading import Document
from unlearning_atlas.models import ENTRY_MODELS
from unlearning_atlas.papers import parse_bibliography, with_field, with_record, without_accents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Root

BIB = "catalog/references.bib"
NEW = """\
@misc{some-publishers-key,
  title = {DELTA: {D}escent {E}rases},
  author = {Hill, Flo and {\\O}stby, G{\\"o}ran},
  year = {2025},
  eprint = {2503.01234},
  archivePrefix = {arXiv},
  keywords = {unlearning, privacy},
  code = {https://github.com/example/delta}
}
"""
FILLED = {
    "summary": "Goes down. Forgets.", "family": "gradient-based", "paradigm": ["direct-unlearning"],
    "access_level": ["weights-and-gradients"], "intervention": ["all-weights"], "target": ["entity"],
    "modality": ["text"], "benchmarks": ["authors-bench"],
    "objective": {"forget": ["gradient-ascent"], "retain": ["no-retain-term"]},
    "needs": {"forget_set": "required", **dict.fromkeys(
        ("retain_set", "reference_model", "auxiliary_model", "extra_data"), "none")},
    "task": "Answer.", "knowledge": "real", "metrics": ["truth-score"], "role": "measure", "group": "likelihood",
    "range": {"minimum": 0}, "direction": {"forget": "lower"}, "form": "survey", "scope": "All.",
    "question": "Does it hold?", "name": "Delta",
}  # fmt: skip


def of(root: Root, kind: str = "methods", **options: Any) -> Draft:
    return draft(read_catalog(root.path), kind, **options)


def reasons(root: Root, kind: str = "methods", **options: Any) -> tuple[str, ...]:
    before = {path: path.read_bytes() for path in root.path.rglob("*") if path.is_file()}
    with pytest.raises(DraftError) as refused:
        of(root, kind, **options)
    assert before == {path: path.read_bytes() for path in root.path.rglob("*") if path.is_file()}
    return refused.value.faults


KINDS = {"methods": "", "benchmarks": "", "metrics": "", "surveys": "hill2025delta", "open_problems": "delta"}


def empty(node: yaml.Node | None) -> Iterator[tuple[int, int]]:
    """Yield (line, column) of every empty value, as a YAML reader that is not ours finds them."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith(":null"):
            yield node.start_mark.line + 1, node.start_mark.column + 1
    elif node is not None:
        for item in node.value:
            for part in item if isinstance(item, tuple) else (item,):
                yield from empty(part)


@pytest.mark.parametrize("kind", ENTRY_MODELS)
def test_validate_names_exactly_the_places_that_are_empty(small: Root, kind: str) -> None:
    made = of(small, kind, bibtex=NEW, id_=KINDS[kind])
    write_together(small.path, made.files)
    places = list(empty(yaml.compose(made.text, Loader=yaml.SafeLoader)))
    faults = small.faults()
    assert [(fault.file, fault.line, fault.column) for fault in faults] == [(made.file, *place) for place in places]
    assert len(made.empty()) == len(places)
    given = {
        "id",
        "paper",
        "introduced",
        "evidence",
        *(["name"] if kind in ("methods", "benchmarks", "metrics") else []),
    }
    wanted = {i.alias or name for name, i in ENTRY_MODELS[kind].model_fields.items() if i.is_required()} - given
    named = {fault.message.split()[0].split(".")[0] for fault in faults if fault.rule == "missing-value"}
    assert named == wanted


@pytest.mark.parametrize("kind", ENTRY_MODELS)
def test_a_draft_with_everything_filled_in_is_an_entry(small: Root, kind: str) -> None:
    made = of(small, kind, bibtex=NEW, id_=KINDS[kind], values=FILLED)
    text = made.text.replace("    place:", "    place: section 1")
    text = text.replace("posed_by:\n  - source:", "posed_by:\n  - source: hill2025delta")
    text = re.sub(r"    status:(  #.*)?\n    text:(  #.*)?", "    status: unverified\n    text: It asks.", text)
    write_together(small.path, made.files | {made.file: text})
    assert {fault.rule for fault in small.faults()} <= {"draft-guide"}, small.faults()
    lint.fix(small.path)
    assert small.faults() == []
    assert "#" not in small.text(made.file).partition("\n")[2]
    entry = yaml.safe_load(small.text(made.file))
    assert entry["paper"] == "hill2025delta"
    assert ("code" in entry) == ("code" in ENTRY_MODELS[kind].model_fields)


def test_what_the_paper_gives(small: Root) -> None:
    made = of(small, bibtex=NEW)
    value = Document(made.file, made.text.encode()).value
    assert (made.id, made.file) == ("delta", "catalog/methods/delta.yaml")
    known = {"id": "delta", "name": "DELTA", "paper": "hill2025delta", "introduced": "2025-03"}
    assert {key: value[key] for key in known} == known
    assert value["code"] == ({"source": "https://github.com/example/delta", "status": "unverified", "official": True},)
    (record,) = (r for r in made.bibliography.split("\n\n") if r.startswith("@misc{hill2025delta,"))
    paper = parse_bibliography(record)[0]["hill2025delta"]
    assert paper.authors == ("Flo Hill", "Göran Østby")
    assert (paper.triage, paper.arxiv, paper.code) == ("", "2503.01234", "https://github.com/example/delta")
    assert "{D}escent {E}rases" in record, "what protects capitals stays"
    keys = re.findall(r"@\w+\{(\w+),", made.bibliography)
    assert keys == sorted(keys)
    assert made.bibliography.replace(record + "\n\n", "") == small.text(BIB), "nothing else changes"


def test_every_term_that_may_stand_at_an_empty_place_stands_above_it(small: Root) -> None:
    made = of(small, bibtex=NEW)
    catalog = read_catalog(small.path)
    lines = made.text.split("\n")
    for field in fields_of("methods", catalog):
        if field.required and field.choices:
            at = next(number for number, line in enumerate(lines) if line.startswith(f"{field.key}:"))
            above = []
            while lines[at - 1].startswith("#:"):
                at -= 1
                above.append(lines[at])
            words = set(re.findall(r"[\w-]+", " ".join(above)))
            assert set(field.choices) <= words, field.key


def test_a_new_field_appears_by_itself(small: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydantic import Field

    from unlearning_atlas.models import Line, Metric, ModalityTerm

    class Wider(Metric):
        colour: Line = Field(description="Of what colour it is.")
        sense: tuple[ModalityTerm, ...] = Field(min_length=1, description="With which sense it is read.")
        taste: Line | None = Field(None, description="How it tastes.")

    monkeypatch.setitem(ENTRY_MODELS, "metrics", Wider)
    text = of(small, "metrics", bibtex=NEW).text
    assert "\n#: Of what colour it is.\ncolour:\n" in text
    assert "\n#: Optional. How it tastes.\n#: taste:\n" in text
    assert re.search(
        r"\n#: With which sense it is read. Any of: text, vision-language, code; [^\n]*(\n#: [^\n]*)?\nsense:\n", text
    )


# The paper.


def test_a_paper_that_waits_is_found_and_waits_no_more(small: Root) -> None:
    small.edit(
        BIB,
        "  url = {https://example.org/waiting},",
        "  eprint = {2605.00001},\n  archivePrefix = {arXiv},\n  url = {https://example.org/waiting},",
    )
    for options in (
        {"arxiv": "2605.00001"},
        {"key": "stone2026waiting"},
        {"arxiv": "https://arxiv.org/abs/2605.00001v2"},
    ):
        made = of(small, "metrics", id_="waiting", **options)
        assert made.paper.key == "stone2026waiting"
        assert made.bibliography == small.text(BIB).replace(",\n  keywords = {attack}", "")
        assert 'introduced: "2026-05"' in made.text
    assert of(small, "open_problems", id_="wait", key="stone2026waiting").bibliography == small.text(BIB)


def test_a_record_of_a_paper_that_is_there_already_is_not_taken_twice(small: Root) -> None:
    same = "@article{x, title={WAITING for an entry.}, author={E. Stone}, year={2026}}"
    made = of(small, "metrics", bibtex=same, id_="w")
    assert made.paper.key == "stone2026waiting"
    assert "was in catalog/references.bib already" in made.notes[0]
    assert made.bibliography.count("@") == small.text(BIB).count("@")


RECORDS = [
    ("scholar", "@article{hill2025delta,\n  title={Delta: descent erases},\n  author={Hill, Flo},\n  journal={arXiv preprint arXiv:2503.01234},\n  year={2025}\n}", "2503.01234"),
    ("dblp", "@article{DBLP:journals/corr/abs-2503-01234,\n  author       = {Flo Hill},\n  title        = {Delta: Descent Erases},\n  journal      = {CoRR},\n  volume       = {abs/2503.01234},\n  year         = {2025},\n  eprinttype    = {arXiv},\n  eprint       = {2503.01234},\n  timestamp    = {Mon, 01 Apr 2025 00:00:00 +0200}\n}", "2503.01234"),
    ("anthology", "@inproceedings{hill-2025-delta,\n    title = \"Delta: Descent Erases\",\n    author = \"Hill, Flo  and\n      Stone, Ed\",\n    month = jul,\n    year = \"2025\",\n    url = \"https://aclanthology.org/2025.acl-long.1/\",\n    pages = \"1--9\"\n}", ""),
    ("arxiv", "@misc{hill2025deltadescenterases,\n      title={Delta: Descent Erases}, \n      author={Flo Hill},\n      year={2025},\n      eprint={2503.01234},\n      archivePrefix={arXiv},\n      primaryClass={cs.CL},\n      url={https://arxiv.org/abs/2503.01234}, \n}", "2503.01234"),
    ("crossref", " @article{Hill_2025, title={Delta: Descent Erases}, volume={1}, url={http://dx.doi.org/10.1/x}, DOI={10.1/x}, journal={J}, author={Hill, Flo}, year={2025}, month=jul, pages={1–9} }", ""),
    ("round brackets", "@misc(a, title = {Delta: Descent (Erases)}, author = \"Flo Hill and others\", year = 2025)", ""),
    ("windows", "\r\n% from our library\r\n@misc{a,\r\n title = {Delta: Descent Erases},\r\n author = {Hill, Flo},\r\n year = 2025,\r\n month = \"March\"\r\n}\r\n", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "arxiv"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_records_as_publishers_write_them(small: Root, text: str, arxiv: str) -> None:
    made = of(small, bibtex=text)
    assert (made.paper.key, made.paper.arxiv, made.id) == ("hill2025delta", arxiv, "delta")
    assert [line for line in made.bibliography.split("\n") if line != line.rstrip()] == []
    write_together(small.path, made.files)
    assert {fault.rule for fault in small.faults()} <= {"missing-value", "yaml-null"}, small.faults()


BAD = [
    ("nothing", " ", "no BibTeX record"),
    ("prose", "Delta, by Hill, 2025", "no BibTeX record"),
    ("two records", NEW + NEW.replace("some-", "other-"), "holds 2 records"),
    ("open brace", "@misc{a, title = {Delta, author = {Flo Hill}, year = {2025}}", "not readable"),
    ("no author", "@misc{a, title = {Delta}, year = {2025}}", "no author"),
    ("no year and no title", "@misc{a, author = {Flo Hill}}", "no title and no year"),
    ("a year that is none", "@misc{a, title = {Delta}, author = {Flo Hill}, year = {soon}}", "'soon' is not a number"),
    ("a name without text", "@misc{a, title = {Delta}, author = {F H}, year = 2025, booktitle = acl}", "booktitle = acl"),
    ("text in parts", '@misc{a, title = "Delta: " # {Descent}, author = {F H}, year = 2025}', "title = \"Delta: \" # {Descent} is put together"),
    ("no end", "@misc{a, title = {Delta}", "end of file"),
    ("an address that runs", "@misc{a, title = {Delta}, author = {F H}, year = 2025, url = {javascript:alert(1)}}", "does not begin with https://"),
    ("letters of no key", "@misc{a, title = {Delta}, author = {山田 太郎}, year = {2025}}", "in Latin letters"),
    ("a hidden character", NEW.replace("escent", "es\u202ecent"), "U+202E"),
    ("a control character", NEW.replace("escent", "es\x00cent"), "U+0000"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_records_that_are_refused(small: Root, text: str, message: str) -> None:
    faults = reasons(small, bibtex=text, file="paper.bib", id_="delta")
    assert any(message in fault for fault in faults), faults
    assert all(len(fault) < 400 for fault in faults)


def test_every_fault_comes_at_once(small: Root) -> None:
    text = "@misc{a, title = {Delta}, year = soon, url = {ftp://x}}"
    faults = reasons(small, bibtex=text, id_="Delta Two")
    assert len(faults) == 3
    assert "year = soon" in faults[0]
    assert "no author" in faults[1]
    assert "such as delta-two" in faults[2]


def test_an_unknown_paper_says_what_to_do(small: Root) -> None:
    (fault,) = reasons(small, arxiv="2503.09999")
    assert "--bibtex FILE" in fault
    assert "https://arxiv.org/bibtex/2503.09999" in fault
    assert "did you mean 'stone2024gamma'" in reasons(small, key="stone2024gama")[0]
    assert "not an arXiv id" in reasons(small, arxiv="npo", id_="x")[0]
    assert "one of --bibtex" in reasons(small, id_="x")[0]
    assert "one of --bibtex" in reasons(small, arxiv="2402.01234", key="rivers2024beta", id_="x")[0]


TWICE = [
    ("arXiv id", {"arxiv": "2301.00001", "id_": "other"}, "alpha-ascent"),
    ("key", {"key": "stone2023alpha", "id_": "other"}, "alpha-ascent"),
    ("arXiv id in BibTeX", {"bibtex": NEW.replace("2503.01234", "2301.00001"), "id_": "other"}, "alpha-ascent"),
    ("title", {"bibtex": "@misc{a, title={alpha ascent - Forgetting, by climbing}, author={A B}, year={2023}}", "id_": "other"}, "alpha-ascent"),
    ("id", {"bibtex": NEW, "id_": "alpha-ascent"}, "alpha-ascent"),
    ("alias as id", {"bibtex": NEW, "id_": "aa"}, "alpha-ascent"),
    ("name", {"bibtex": NEW.replace("DELTA", "Alpha_Ascent"), "id_": "other"}, "alpha-ascent"),
    ("alias as name", {"bibtex": NEW, "id_": "other", "values": {"name": "bp"}}, "beta-preference"),
    ("alias as alias", {"bibtex": NEW, "values": {"aliases": ["Negated Training"]}}, "alpha-ascent"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "owner"), [row[1:] for row in TWICE], ids=[row[0] for row in TWICE])
def test_what_is_there_is_not_begun_again(small: Root, options: dict[str, Any], owner: str) -> None:
    faults = reasons(small, **options)
    assert any(f"catalog/methods/{owner}.yaml" in fault for fault in faults), faults


def test_an_entry_that_can_not_be_read_still_counts(small: Root) -> None:
    small.edit("catalog/methods/alpha-ascent.yaml", "family: gradient-based", "family: [")
    assert any("alpha-ascent.yaml" in fault for fault in reasons(small, bibtex=NEW, id_="alpha-ascent"))


def test_one_paper_may_introduce_several_things(small: Root) -> None:
    assert of(small, "benchmarks", key="stone2023alpha", id_="alpha-bench").id == "alpha-bench"
    assert "--another" in reasons(small, key="stone2023alpha", id_="alpha-two")[0]
    assert (
        of(small, key="stone2023alpha", id_="alpha-two", another=True, values={"name": "Alpha two"}).id == "alpha-two"
    )


def test_a_key_that_is_taken_gets_a_letter_and_a_paper_that_seems_the_same_is_asked_about(small: Root) -> None:
    other = "@misc{a, title={Alpha rhythms of sleeping rats}, author={Ed Stone}, year={2023}}"
    assert of(small, bibtex=other, id_="rats").paper.key == "stone2023alphaa"
    near = "@misc{a, title={Alpha Ascent: Forgetting by Climbing Up}, author={Ed Stone}, year={2023}}"
    (fault,) = reasons(small, bibtex=near, id_="other")
    assert "--paper stone2023alpha" in fault


def test_a_bibliography_with_faults_is_mended_first(small: Root) -> None:
    small.edit(BIB, "author = {Stone, Ed},\n  year = {2023},", "author = {Stone, Ed,\n  year = {2023},")
    assert reasons(small, bibtex=NEW)[0] == "mend catalog/references.bib first"


def test_a_draft_that_would_lose_a_record_is_not_made(small: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearning_atlas import papers

    refused = ("the record would change others in the bibliography; check its braces",)
    monkeypatch.setattr(papers, "with_record", lambda text, key, raw: raw)
    assert reasons(small, bibtex=NEW) == refused
    monkeypatch.setattr(papers, "with_record", lambda text, key, raw: f"{text.replace('Hazard', 'Hazy')}\n{raw}\n")
    assert reasons(small, bibtex=NEW) == refused


@pytest.mark.parametrize(
    ("title", "name", "id_"),
    [
        ("SIMU: Selective Influence", "SIMU", "simu"),
        ("LLM Surgery: Efficient Editing", "LLM Surgery", "llm-surgery"),
        ("Deep Forgetting: A View", "", ""),
        ("Gradual Matching (GNM) for LLM Unlearning", "GNM", "gnm"),
        ("Robust LLM Unlearning via Low-Rank Adaptation", "", ""),
        ("Thesis Proposal on (A) and (B)", "", ""),
        ("R²MU: Reasoning", "R²MU", "r2mu"),
        ("Naïve: x", "Naïve", "naive"),
    ],
)
def test_names_in_titles(title: str, name: str, id_: str) -> None:
    assert (name_in(title), mint_id(name_in(title))) == (name, id_)


def test_the_names_of_the_catalog_s_own_papers_are_found(checkout: Path) -> None:
    """Where a title names its method, the draft's name is one of those the entry has; baselines borrow a title."""
    catalog = read_catalog(checkout)
    found = wrong = 0
    for entry in catalog.entries["methods"].values():
        paper = catalog.bibliography[0].get(entry.paper_key)
        name = name_in(paper.title) if paper else ""
        names = {re.sub(r"[\W_]", "", text.lower()) for text in (entry.id, entry.name, *entry.aliases)}
        found += bool(name)
        wrong += bool(name) and re.sub(r"[\W_]", "", name.lower()) not in names
    assert found > 30
    assert wrong / found < 0.15


def test_a_title_without_a_name_asks_for_an_id(small: Root) -> None:
    text = NEW.replace("DELTA: {D}escent {E}rases", "Robust LLM Unlearning by Descent")
    assert reasons(small, bibtex=text) == (
        "'Robust LLM Unlearning by Descent' gives no name; choose an id, as in --id robust-llm-unlearning",
    )
    made = of(small, bibtex=text, id_="robust")
    assert "\nname:\n" in made.text, "the name is for a person to say"
    assert "longer" not in made.text
    assert "at most 60" in reasons(small, bibtex=text, id_="x" * 61)[0]
    assert "a survey's id is its BibTeX key" in reasons(small, "surveys", bibtex=text, id_="robust")[0]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"{\'E}ric", "Éric"), (r'M{\"u}ller', "Müller"), (r'\"Ozg{\"{u}}r', "Özgür"), (r"Garc{\'\i}a", "García"),
        (r"{\v{S}}ime", "Šime"), (r"\c{c}a", "ça"), (r"{\L}ukasz", "Łukasz"), (r"{\o}re", "øre"), (r"Stra{\ss}e", "Straße"),
        (r"{\AA}ngstr{\"o}m", "Ångström"), ("{The Team}", "{The Team}"), (r"\cite x", r"\cite x"),
    ],
)  # fmt: skip
def test_accents(written: str, read: str) -> None:
    assert without_accents(written) == read


@pytest.mark.parametrize(
    "record", ["@misc{k,\n  a = {1},\n  b = {2}\n}", "@misc{k, a = {1}, b = {2},}", '@misc{k,a="1, {x}",b=2}']
)
def test_fields_are_set_and_removed_where_they_stand(record: str) -> None:
    from unlearning_atlas.papers import fields_as_written, split_bibliography

    before = fields_as_written(record)
    for name in ("a", "b", "c"):
        there = with_field(record, name, "{new, one}")
        assert fields_as_written(there) == before | {name: "{{new, one}}"}
        gone = with_field(record, name, None)
        assert fields_as_written(gone) == {key: value for key, value in before.items() if key != name}
        for text in (there, gone):
            assert [entry.key for entry in split_bibliography(text).entries] == ["k"]
    assert with_field(record, "c", None) == record


def test_records_are_put_in_order(small: Root) -> None:
    text = small.text(BIB)
    keys = list(parse_bibliography(text)[0])
    for key in ("aaa2020a", "lake2024zzz", "zzz2030z"):
        after = with_record(text, key, f"@misc{{{key},\n  title = {{T}},\n  author = {{A B}},\n  year = {{2020}}\n}}")
        assert list(parse_bibliography(after)[0]) == sorted([*keys, key])
        assert after.count("\n\n@") == len(keys)
        assert after.endswith("}\n")
    assert with_record("", "k", "@misc{k}") == "@misc{k}\n"


# What anybody may type into a value.

HOSTILE = [
    "yes", "null", "1e5", "2025-03-01", "12:30", "{a: b}", "[x", "&a", "*a", "!!python/object:os.system", "- x", "# not a comment",
    "a: b", "a #b", "'", '"', "it's \"both\"", "\\n", "%TAG", "@at", "`tick`", "---", "...", "key:\n  id: other", "|", ">",
    "x\u2028y", "tab\there", " lead", "trail ", "\u00e9\u4e2d\U0001f600", "#: x", "a  #: b", "</script><script>alert(1)</script>",
    "${{ secrets.GITHUB_TOKEN }}", "$(touch /tmp/x)", "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_end_as_text(small: Root, text: str) -> None:
    values = FILLED | {"name": text, "summary": text, "aliases": [text + " 2", "B"], "cost": {"training": text}}
    made = of(small, bibtex=NEW, id_="delta", values=values)
    document = Document(made.file, made.text.encode())
    assert document.value["id"] == "delta"
    assert [fault.rule for fault in document.faults] == ["yaml-null"] * 2, document.faults
    assert document.value["name"] == document.value["cost"]["training"] == " ".join(text.split())
    assert document.value["summary"].split() == text.split()
    assert set(document.value) <= {field.key for field in fields_of("methods", read_catalog(small.path))}


@pytest.mark.parametrize("text", ["\x00", "a\x1bb", "\u202egnp", "\u200b", "\ufeffx", "\ud800"])
def test_what_can_not_be_seen_is_refused(small: Root, text: str) -> None:
    with pytest.raises(DraftError, match="invisible character U"):
        scalar(f"a{text}b")
    assert "invisible character" in reasons(small, bibtex=NEW, values={"summary": f"a{text}b"})[0]


@pytest.mark.parametrize("id_", ["../../etc/passwd", "a/b", "A", "a_b", "-a", "a.yaml", "a b", "é"])
def test_no_id_leads_out_of_its_folder(small: Root, id_: str) -> None:
    assert any("is not an id" in fault for fault in reasons(small, bibtex=NEW, id_=id_))


# The command.


def command_in(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "unlearning_atlas", *arguments, "--root", str(root)],
        capture_output=True, text=True, cwd=root, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command_in(root, "new", *arguments)


def test_the_command_writes_both_files_and_says_what_comes_next(small: Root, tmp_path: Path) -> None:
    (tmp_path / "paper.bib").write_text(NEW)
    done = command(small.path, "method", "--bibtex", str(tmp_path / "paper.bib"))
    assert (done.returncode, done.stdout) == (0, f"catalog/methods/delta.yaml\n{BIB}\n")
    empty = len(small.faults())
    assert f"catalog/methods/delta.yaml: {empty} places are empty" in done.stderr
    again = command(small.path, "method", "--bibtex", str(tmp_path / "paper.bib"))
    assert (again.returncode, again.stdout) == (1, "")
    assert "catalog/methods/delta.yaml is the entry of" in again.stderr
    assert command(small.path, "method", "--bibtex", str(tmp_path / "no.bib")).returncode == 1
    (tmp_path / "latin.bib").write_bytes(NEW.replace("escent", "\u00e9scent").encode("latin-1"))
    assert "not UTF-8" in command(small.path, "method", "--bibtex", str(tmp_path / "latin.bib")).stderr
    (tmp_path / "empty.bib").write_text("")
    assert "no BibTeX record" in command(small.path, "method", "--bibtex", str(tmp_path / "empty.bib")).stderr


def test_an_installed_package_is_no_place_for_a_draft(small: Root) -> None:
    (small.path / "papers.json").write_text("[]")
    done = command(small.path, "method", "--paper", "stone2026waiting", "--id", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "clone the repository" in done.stderr


def test_nothing_is_left_half_written(small: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    made = of(small, bibtex=NEW)
    before = small.text(BIB)
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if Path(target).name == "references.bib":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_together(small.path, made.files)
    monkeypatch.undo()
    assert small.text(BIB) == before
    assert not (small.path / made.file).exists()
    assert not list((small.path / "catalog").rglob("*.tmp"))
    texts = {BIB: "new", "catalog/methods": "a folder can't be written"}
    with pytest.raises(OSError, match="catalog/methods"):
        write_together(small.path, texts)
    assert small.text(BIB) == before


# Skeletons.


@pytest.fixture
def workshop(small: Root) -> Root:
    (small.path / "tests/lab/methods").mkdir(parents=True)
    return small


SHAPES = [
    ("alpha-ascent", "none", "none"),
    ("gamma-steer", "required", "none"),
    ("alpha-ascent", "required", "required"),
    ("alpha-ascent", "none", "required"),
]


@pytest.mark.parametrize(("id_", "retain", "reference"), [*SHAPES, ("wrapped", "", "")])
def test_a_skeleton_is_in_shape_and_says_what_is_to_be_written(
    workshop: Root, checkout: Path, id_: str, retain: str, reference: str
) -> None:
    file = "catalog/methods/alpha-ascent.yaml"
    text = workshop.text(file)
    if id_ == "wrapped":
        text = text.replace("access_level: [weights-and-gradients]", "access_level: [logits]")
        text = re.sub(r"intervention: .*", "intervention: [output-logits]", text)
    else:
        text = re.sub(r"retain_set: .*", f"retain_set: {retain}", text)
        text = re.sub(r"reference_model: .*", f"reference_model: {reference}", text)
    workshop.write(file, text)
    files = skeleton.implementation(read_catalog(workshop.path), "alpha-ascent")
    assert list(files) == ["reference_impls/alpha_ascent.py", "tests/lab/methods/test_alpha_ascent.py"]
    write_together(workshop.path, files)
    for file, text in files.items():
        for arguments in (["check"], ["format", "--check"]):
            ruff = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", file, "-"]
            done = subprocess.run(ruff, cwd=checkout, input=text, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout

    from unlearning_atlas.lab.registry import implementation

    loaded = implementation(workshop.path / "reference_impls", "alpha-ascent")
    assert set(loaded.space) <= set(loaded.defaults())
    assert ("retain_weight" in loaded.defaults()) == (retain == "required")
    assert ("(Wrapped):" in files["reference_impls/alpha_ascent.py"]) == (id_ == "wrapped")
    header = files["reference_impls/alpha_ascent.py"].split('"""')[1]
    for part in ("Paper: Stone 2023", "Which variant this is, and how it differs:", "\n1. "):
        assert part in header
    assert "\nimplementation:\n  status: simplified\n  differences:\n    - " in "\n" + skeleton.described(
        files["reference_impls/alpha_ascent.py"]
    )
    assert files["tests/lab/methods/test_alpha_ascent.py"].count("def test_alpha_ascent(batch") == 1


def test_a_skeleton_fails_until_it_is_written(workshop: Root, checkout: Path) -> None:
    write_together(workshop.path, skeleton.implementation(read_catalog(workshop.path), "alpha-ascent"))
    for name in ("by_hand.py", "conftest.py"):
        (workshop.path / "tests/lab/methods" / name).write_text((checkout / "tests/lab/methods" / name).read_text())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/lab/methods"],
        cwd=workshop.path, capture_output=True, text=True,
    )  # fmt: skip
    assert "NotImplementedError: write the" in done.stdout, done.stdout


def test_a_skeleton_is_refused_where_it_does_not_belong(workshop: Root, tmp_path: Path) -> None:
    catalog = read_catalog(workshop.path)
    with pytest.raises(UnknownNameError, match="did you mean 'alpha-ascent'"):
        skeleton.implementation(catalog, "alpha-asent")
    with pytest.raises(DraftError, match=r"beta_preference\.py is there already"):
        skeleton.implementation(catalog, "beta-preference")
    (workshop.path / "tests/lab/methods").rmdir()
    with pytest.raises(DraftError, match="in a checkout"):
        skeleton.implementation(catalog, "alpha-ascent")
    done = command(workshop.path, "implementation", "alpha-ascent")
    assert (done.returncode, done.stdout) == (1, "")


def test_the_command_prints_what_the_entry_says_of_an_implementation(workshop: Root) -> None:
    done = command(workshop.path, "implementation", "alpha-ascent")
    assert done.stdout.split() == ["reference_impls/alpha_ascent.py", "tests/lab/methods/test_alpha_ascent.py"]
    file = "reference_impls/alpha_ascent.py"
    text = re.sub(
        r"\n1\. .*?\n\"\"\"",
        '\n1. The mean: over tokens,\n   not answers.\n2. "No" decay.\n"""',
        workshop.text(file),
        flags=re.S,
    )
    workshop.write(file, text)
    done = command(workshop.path, "implementation", "alpha-ascent")
    assert yaml.safe_load(done.stdout) == {
        "implementation": {
            "status": "simplified",
            "differences": ["The mean: over tokens, not answers.", '"No" decay.'],
        }
    }
    workshop.write(file, "loss = 1\n")
    done = command(workshop.path, "implementation", "alpha-ascent")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: the file's header does not end in 'how it differs:' and a numbered list")


# The guides for contributors.


@pytest.fixture
def real(checkout: Path, tmp_path: Path) -> Path:
    """Return a copy of the real catalog without its measurements."""
    for folder in ("catalog", "taxonomy", "reference_impls"):
        shutil.copytree(checkout / folder, tmp_path / folder, ignore=shutil.ignore_patterns("measurements", "tuning"))
    return tmp_path


@pytest.mark.parametrize("guide", ["CONTRIBUTING.md", "site/pages/contribute/index.md"])
def test_the_guides_show_what_the_commands_print(checkout: Path, real: Path, guide: str) -> None:
    text = (checkout / guide).read_text()
    blocks = [block.split("\n") for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL)]
    shown: dict[str, list[str]] = {}
    for block in blocks:
        for line in block:
            if line.startswith("$ "):
                name = line.removeprefix("$ .venv/bin/unlearning-atlas ").partition("  ")[0]
                shown.setdefault(name, [])
            elif line:
                shown[name].append(line)
    bib = re.findall(r"@misc\{.*?\n\}", (checkout / "CONTRIBUTING.md").read_text(), re.DOTALL)[0]
    (real / "paper.bib").write_text(bib)

    def holds(printed: list[str], wanted: list[str]) -> bool:
        places = [printed.index(line) for line in wanted if line != "..."]
        return places == sorted(places) and len(places) > 1

    done = command_in(real, "new", "method", "--bibtex", "paper.bib")
    assert holds((done.stdout + done.stderr).split("\n"), shown["new method --bibtex paper.bib"])
    draft_text = (real / "catalog/methods/lantern.yaml").read_text()
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        assert holds(draft_text.split("\n"), block.strip().split("\n"))
    faults = [line for line in command_in(real, "validate").stdout.split("\n") if "lantern.yaml" in line]
    assert faults[: len(shown["validate"]) - 1] == shown["validate"][:-1]
    assert f" {len(faults)} places are empty" in done.stderr

    (real / "catalog/methods/lantern.yaml").unlink()
    (real / "catalog/references.bib").write_text((checkout / "catalog/references.bib").read_text())
    values = FILLED | {"name": "LANTERN", "benchmarks": ["tofu"]}
    made = draft(read_catalog(real), "methods", bibtex=bib, values=values, place="section 1")
    write_together(real, made.files)
    assert lint.fix(real) == [made.file]
    assert [fault for fault in lint.validate(real) if "lantern" in str(fault)] == []
    assert shown["fix"] in ([], [made.file, "1 file changed"])


def test_what_the_guide_names_is_there(checkout: Path) -> None:
    text = (checkout / "CONTRIBUTING.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (checkout / target).exists(), target
    for file in re.findall(r"`((?:catalog|src|tests|reference_impls)/[\w/.-]+)`", text):
        assert (checkout / file).exists(), file
    makefile = (checkout / "Makefile").read_text()
    for target in re.findall(r"(?:\$ |`)make ([a-z]+|\.venv/\.dev)\b", text):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.M), target
