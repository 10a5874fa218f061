"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import unlearning_atlas as ua
from unlearning_atlas import cli

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Root


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(small_root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Return what runs a command on the small catalog, in this process."""

    def run_(*arguments: str, root: bool = True) -> Done:
        monkeypatch.setattr(
            sys, "argv", ["unlearning-atlas", *arguments, *(["--root", str(small_root)] if root else [])]
        )
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Done(code, out, err)

    return run_


def test_list_as_json(run: Callable[..., Done], small_root: Path) -> None:
    done = run("list", "--json")
    records = json.loads(done.out)
    wanted = {"id", "name", "family", "paradigm", "access_level", "objective", "benchmarks", "implementation"}
    assert all(wanted <= record.keys() for record in records)
    assert records == ua.load(small_root).methods.to_records()
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ((), ["alpha-ascent", "beta-preference", "gamma-steer"]),
        (("--benchmark", "hazard-bench"), ["beta-preference", "gamma-steer"]),
        (("--family", "direct-fine-tuning"), ["alpha-ascent", "beta-preference"]),
        (("--family", "direct-fine-tuning", "--paradigm", "direct-unlearning"), ["beta-preference"]),
        (("--implementation", "simplified", "--implementation", "faithful"), ["beta-preference"]),
        (("--access-level", "text-api"), []),
        (("--kind", "benchmarks", "--metric", "truth-score", "--knowledge", "fictitious"), ["authors-bench"]),
        (("--kind", "metrics", "--role", "attack"), ["relearning-attack"]),
        (("--survey", "moss2025survey"), ["beta-preference"]),
        (("--kind", "surveys", "--form", "survey"), ["moss2025survey"]),
        (("--kind", "open_problems", "--method", "gamma-steer"), ["relearning-holds"]),
        (("--kind", "open_problems", "--method", "alpha-ascent"), []),
        (("--sort", "introduced", "--reverse"), ["gamma-steer", "beta-preference", "alpha-ascent"]),
    ],
)
def test_list_narrows(run: Callable[..., Done], arguments: tuple[str, ...], ids: list[str]) -> None:
    assert [record["id"] for record in json.loads(run("list", *arguments, "--json").out)] == ids


def test_what_can_be_asked_for_is_the_same_everywhere(run: Callable[..., Done]) -> None:
    from unlearning_atlas import atlas
    from unlearning_atlas.index import FACETS
    from unlearning_atlas.models import Needs

    assert FACETS["methods"]["without"][2] == tuple(Needs.model_fields)
    kinds = dict(zip(FACETS, ("Method", "Benchmark", "Metric", "Survey", "OpenProblem"), strict=True))
    for kind, name in kinds.items():
        assert getattr(atlas, f"{name}Facets").__annotations__.keys() == FACETS[kind].keys(), kind
        for facet in FACETS[kind]:
            done = run("list", "--kind", kind, f"--{facet.replace('_', '-')}", "no-such-term")
            assert (done.code, done.err[: len(f"error: unknown {facet}")]) == (2, f"error: unknown {facet}"), done.err


def test_list_in_other_forms(run: Callable[..., Done], small_root: Path) -> None:
    methods = ua.load(small_root).methods
    assert [row["id"] for row in csv.DictReader(io.StringIO(run("list", "--csv").out))] == list(methods)
    assert run("list", "--bibtex").out == methods.to_bibtex()
    assert run("list", "--markdown").out == methods.to_markdown()
    done = run("list")
    assert all(id_ in done.out for id_ in methods)
    assert done.err == "3 of 3 methods\n", "the count is for people, not for pipes"


def test_show(run: Callable[..., Done], small_root: Path) -> None:
    out = run("show", "beta-preference").out
    for part in (
        "Beta preference", "bounded below", "verified", r"\log \sigma", "Divides by the number of tokens", "0.1",
        "reference_impls/beta_preference.py", "Authors bench", "extends alpha-ascent", "inverse temperature",
    ):  # fmt: skip
        assert part.lower() in out.lower(), part
    data = json.loads(run("show", "authors-bench", "--json").out)
    assert (data["kind"], data["splits"][0]["size"]) == ("benchmarks", 400)
    assert "Relearning" in run("show", "relearning-attack").out


def test_compare_and_cite(run: Callable[..., Done], small_root: Path) -> None:
    atlas = ua.load(small_root)
    assert run("compare", "alpha-ascent", "gamma-steer", "--markdown").out == str(
        atlas.compare("alpha-ascent", "gamma-steer")
    )
    assert json.loads(run("compare", "alpha-ascent", "gamma-steer", "--json").out)[1]["id"] == "gamma-steer"
    assert "needs reference model" in run("compare", "alpha-ascent", "gamma-steer").out
    paper = atlas.methods["beta-preference"].paper
    assert run("cite", "beta-preference").out.strip() == paper.bibtex
    assert json.loads(run("cite", "beta-preference", "authors-bench", "--json").out)[0]["key"] == paper.key


@pytest.mark.parametrize("form", ["json", "graphml", "dot", "mermaid"])
def test_graph(run: Callable[..., Done], small_root: Path, form: str) -> None:
    from unlearning_atlas.graph import export

    assert run("graph", "--format", form).out == export(ua.load(small_root), form)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "beta"), 2, "did you mean"),
        (("list", "--family", "gradient"), 2, "did you mean 'gradient-based'"),
        (("list", "--json", "--csv"), 2, "exclude each other"),
        (("list", "--sort", "year"), 2, "unknown column"),
        (("compare", "alpha-ascent"), 2, "two or more"),
        (("cite", "nobody"), 2, "nobody"),
        (("run", "npoo"), 2, "npoo"),
        (("run", "npo", "--hyperparameter", "beta"), 2, "NAME=VALUE"),
        (("list", "--kind", "papers"), 2, "papers"),
        (("no-such-command",), 2, "No such command"),
    ],
)
def test_wrong_usage(run: Callable[..., Done], arguments: tuple[str, ...], code: int, message: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (code, ""), "errors go to standard error only"
    assert message in " ".join(done.err.split())


def test_a_root_without_a_catalog(run: Callable[..., Done], tmp_path: Path) -> None:
    for command in ("validate", "fix", "schema"):
        assert run(command, "--root", str(tmp_path / "nowhere"), root=False).code == 2
    done = run("list", "--root", str(tmp_path / "nowhere"), root=False)
    assert done.code == 1
    assert "no folder 'catalog'" in done.err


def test_validate_in_three_forms(run: Callable[..., Done], small: Root) -> None:
    assert run("validate") == Done(0, "", "no faults\n")
    assert json.loads(run("validate", "--format", "json").out) == []
    line, column = small.edit("catalog/methods/alpha-ascent.yaml", "modality: [text]", "modality: [⌖txt]")
    done = run("validate")
    assert done.code == 1
    assert done.out.startswith(f"catalog/methods/alpha-ascent.yaml:{line}:{column}: reference: ")
    assert "did you mean 'text'" in done.out
    assert done.err == "1 fault in 1 file\n"
    (fault,) = json.loads(run("validate", "--format", "json").out)
    assert fault.keys() == {"file", "line", "column", "rule", "message", "tip"}
    assert (fault["file"], fault["line"], fault["column"]) == ("catalog/methods/alpha-ascent.yaml", line, column)
    annotation = run("validate", "--format", "github").out
    assert annotation.startswith(
        f"::error file=catalog/methods/alpha-ascent.yaml,line={line},col={column},title=reference::"
    )
    assert annotation.count("\n") == 1
    assert run("list").code == 0, "an unknown term does not keep the rest from being read"


def test_a_broken_bibliography_is_told_of_once(small: Root) -> None:
    """In a process of its own: the parser's log would go to standard error."""
    small.edit("catalog/references.bib", "author = {Rivers, Di and Stone, Ed},", "author = {Rivers, Di and Stone, Ed,")
    command = [sys.executable, "-m", "unlearning_atlas", "validate", "--root", str(small.path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "1 fault in 1 file\n")
    assert done.stdout.startswith("catalog/references.bib:")


def test_a_file_that_does_not_fit_is_told_of_by_every_command(run: Callable[..., Done], small: Root) -> None:
    small.edit("catalog/methods/alpha-ascent.yaml", "modality: [text]", "modality: text")
    for command in (("list",), ("show", "beta-preference"), ("graph",)):
        done = run(*command)
        assert (done.code, done.out) == (1, "")
        assert "catalog/methods/alpha-ascent.yaml:" in done.err


def test_a_bibliography_that_is_not_utf8_is_told_of_by_every_command(run: Callable[..., Done], small: Root) -> None:
    (small.path / "catalog/references.bib").write_bytes(small.text("catalog/references.bib").encode() + b"\xff")
    for command in (("show", "beta-preference"), ("cite", "beta-preference"), ("graph",), ("list", "--bibtex")):
        done = run(*command)
        assert (done.code, done.out) == (1, "")
        assert "catalog/references.bib:1:1: file-encoding: the file is not UTF-8" in done.err
    assert run("compare", "alpha-ascent", "gamma-steer").code == 1


def test_what_the_taxonomy_lacks_is_shown_by_its_id(run: Callable[..., Done], small: Root) -> None:
    small.edit("catalog/methods/alpha-ascent.yaml", "family: gradient-based", "family: gradient-basd")
    (small.path / "taxonomy/modalities.yaml").unlink()
    shown = run("show", "alpha-ascent")
    assert (shown.code, shown.err) == (0, "")
    assert "gradient-basd" in shown.out
    assert "gradient-basd" in run("compare", "alpha-ascent", "gamma-steer").out


def test_a_paper_that_the_bibliography_lacks(run: Callable[..., Done], small: Root) -> None:
    small.edit("catalog/methods/alpha-ascent.yaml", "paper: stone2023alpha", "paper: stone2023alfa")
    for command in (("list", "--bibtex"), ("cite", "alpha-ascent"), ("show", "alpha-ascent")):
        done = run(*command)
        assert (done.code, done.out) == (2, "")
        assert "unknown paper 'stone2023alfa' (did you mean 'stone2023alpha'" in done.err


def test_output_is_utf8_whatever_the_locale(small: Root) -> None:
    small.edit("catalog/references.bib", "Stone, Ed},\n  year = {2023}", "Støne, Ed},\n  year = {2023}")
    odd = os.fsdecode(b"catalog/methods/\xff.yaml")
    small.write(odd, "id: x")
    command = [sys.executable, "-m", "unlearning_atlas", "validate", "--root", str(small.path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True)
    assert b"Traceback" not in done.stderr
    assert b"catalog/methods/\\udcff.yaml:1:1: " in done.stdout
    (small.path / odd).unlink()
    command[3:4] = ["cite", "alpha-ascent"]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Støne, Ed" in done.stdout.decode("utf-8")


def test_fix(run: Callable[..., Done], small: Root) -> None:
    assert run("fix").err == "nothing to mend\n"
    small.edit("catalog/methods/alpha-ascent.yaml", "name: Alpha ascent\n", "name: Alpha ascent   \n")
    done = run("fix")
    assert (done.out, done.err) == ("catalog/methods/alpha-ascent.yaml\n", "1 file changed\n")
    assert run("validate").code == 0


@pytest.mark.parametrize("at", ["write_bytes", "replace"])
def test_a_full_disk_is_said_with_the_file_it_refused(
    run: Callable[..., Done], small: Root, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    file = "catalog/methods/alpha-ascent.yaml"
    small.edit(file, "name: Alpha ascent\n", "name: Alpha ascent   \n")
    before = small.text(file)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, at, full)
    done = run("fix")
    assert (done.code, done.err) == (1, f"error: {small.path / file}: No space left on device\n")
    assert small.text(file) == before
    assert not list(small.path.rglob("*.tmp"))


def test_schema(run: Callable[..., Done], small_root: Path) -> None:
    done = run("schema", "--check")
    assert done.code == 1
    assert "run 'unlearning-atlas schema'" in done.err
    assert len(run("schema").out.splitlines()) == 6
    assert run("schema", "--check").code == 0
    assert (small_root / "catalog/schema/method.schema.json").is_file()


def test_no_schema_is_written_without_its_terms(run: Callable[..., Done], small: Root) -> None:
    small.edit("taxonomy/modalities.yaml", "axis: modality", "axis: [")
    done = run("schema")
    assert (done.code, done.out) == (1, "")
    assert "taxonomy/modalities.yaml:" in done.err
    assert not (small.path / "catalog/schema").exists()


def test_run_prints_its_result_as_json(
    checkout: Path, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unlearning_atlas.lab import models

    monkeypatch.setattr(models, "STEPS", 3)
    done = run("run", "npo", "--json", "-p", "steps=2", "-p", "retain-weight=0", root=False)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert [row["model"] for row in result["rows"]] == ["before", "npo", "retrained", "retrained again"]
    assert {"forget", "paraphrase", "retain", "utility", "forget_quality"} <= result["rows"][0].keys()
    assert result["hyperparameters"]["steps"] == 2
    table = run("run", "npo", "-p", "steps=2", root=False)
    assert "forget quality" in table.out
    assert "learning everything" in table.err, "progress goes to standard error"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backend", "lokky"), "--backend must be one of loky, sequential, dask, ray (got 'lokky')"),
        (("--methods", "npoo"), "unknown implementation 'npoo' (did you mean 'npo' or"),
        (("--tasks", "author"), "unknown task 'author' (did you mean 'authors'?)"),
    ],
)
def test_bench_says_what_it_does_not_know(run: Callable[..., Done], arguments: tuple[str, ...], message: str) -> None:
    done = run("bench", *arguments, root=False)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("batch-size=-1", "batch_size must be at least 1 (got -1)"),
        ("steps=0", "steps must be at least 1 (got 0)"),
        ("learning_rate=nan", "learning_rate must be a number above 0 (got nan)"),
    ],
)
def test_run_refuses_numbers_that_make_no_sense(run: Callable[..., Done], value: str, message: str) -> None:
    done = run("run", "npo", "-p", value, root=False)
    assert done.code == 2
    assert message in done.err


def test_run_says_what_is_wrong_with_a_model(run: Callable[..., Done]) -> None:
    done = run("run", "npo", "--model", "no/such/folder", root=False)
    assert done.code == 2
    assert "--model must be a folder with config.json and weights" in done.err


def test_without_torch_run_says_what_to_install(small_root: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    done = subprocess.run(
        [sys.executable, "-m", "unlearning_atlas", "run", "npo", "--root", str(small_root)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    said = "error: torch is not installed; the lab needs it: pip install 'unlearning-atlas[lab]', or in a checkout "
    assert done.stderr == f"{said}'make .venv/.dev'\n"


def test_a_reader_that_goes_away_is_no_error_message(small_root: Path) -> None:
    command = f"{sys.executable} -m unlearning_atlas graph --root {small_root} | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""
