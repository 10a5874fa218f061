"""Many runs: what is written, what is done again, and what a check finds."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from unlearning_atlas import UnknownNameError, measurements
from unlearning_atlas.lab import attacks, bench, models
from unlearning_atlas.lab.bench import Job
from unlearning_atlas.lab.runner import Row
from unlearning_atlas.lab.sources import fingerprint

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two implementations that take a step or two; base models learn next to nothing."""
    monkeypatch.setattr(models, "STEPS", 2)
    monkeypatch.setattr(attacks, "RELEARN_STEPS", (0, 1))
    (tmp_path / "reference_impls").mkdir()
    (tmp_path / "catalog").mkdir()
    for name in ("ga", "grad_diff"):
        text = (CHECKOUT / "reference_impls" / f"{name}.py").read_text()
        short = "\n".join(
            "    steps: int = 1" if line.startswith("    steps: int") else line for line in text.split("\n")
        )
        (tmp_path / "reference_impls" / f"{name}.py").write_text(short)
    return tmp_path


def done(root: Path, todo: list[Job]) -> tuple[list[str], list[Job]]:
    """Run jobs one after the other; return what failed and what was done."""
    seen: list[Job] = []
    failed = bench.bench(root, todo, processes=1, backend="sequential", on_result=lambda job, *_: seen.append(job))
    return failed, seen


def test_only_what_is_missing_or_stale_is_done(root: Path) -> None:
    todo = bench.jobs(root, ["ga", "grad-diff"], ["authors"], (0,))
    assert [job.method for job in todo] == ["baselines", "ga", "grad-diff"]
    failed, seen = done(root, todo)
    assert not failed
    assert seen == todo
    files = {file.name: file.read_text() for file in (root / "catalog/measurements/authors").iterdir()}
    assert set(files) == {"baselines.json", "ga.json", "grad-diff.json"}
    (result,) = json.loads(files["ga.json"])["results"]
    assert {"seed", "key", "hyperparameters", "row", "curve", "cost", "made"} <= set(result)
    assert {"torch", "package", "commit", "processor", "python", "task_version"} <= set(result["made"])
    assert done(root, todo) == ([], []), "nothing is left"

    ga = root / "reference_impls" / "ga.py"
    ga.write_text(ga.read_text().replace('"""Gradient ascent (GA).', '# A remark.\n"""Gradient ascent, GA.', 1))
    assert done(root, todo) == ([], []), "what is said about the code does not count"
    ga.write_text(ga.read_text().replace("return log_p.sum() / scored.sum()", "return 2 * log_p.sum() / scored.sum()"))
    assert [job.method for job in bench.unfinished(root, todo)] == ["ga"]
    (root / "catalog" / "tuning").mkdir()
    chosen = {"space": {}, "tasks": {"authors": {"steps": 1, "chosen": {"learning_rate": 1e-3}, "trials": []}}}
    (root / "catalog/tuning/grad-diff.json").write_text(json.dumps(chosen))
    assert {job.method for job in bench.unfinished(root, todo)} == {"ga", "grad-diff"}
    done(root, todo)
    (again,) = measurements.read(root / "catalog/measurements/authors/grad-diff.json")
    assert again["hyperparameters"]["learning_rate"] == 1e-3
    more = bench.jobs(root, ["ga"], ["authors"], (0, 1))
    _, seen = done(root, more)
    assert {(job.method, job.seed) for job in seen} == {("baselines", 1), ("ga", 1)}
    assert [result["seed"] for result in measurements.read(root / "catalog/measurements/authors/ga.json")] == [0, 1]


def test_the_same_seed_gives_the_same_figures(root: Path) -> None:
    job = Job("authors", "ga", 0)
    one, two = bench.compute(root, job), bench.compute(root, job)
    assert one["row"] == two["row"]
    assert one["curve"] == two["curve"]


def test_a_check_finds_a_figure_that_does_not_come_out(root: Path) -> None:
    todo = [Job("authors", "ga", 0)]
    assert bench.check(root, todo, tolerance=0.05) == [
        "ga on authors, seed 0: nothing is committed; run 'unlearning-atlas bench --methods ga'"
    ]
    done(root, bench.jobs(root, ["ga"], ["authors"], (0,)))
    assert bench.check(root, bench.jobs(root, ["ga"], ["authors"], (0,)), tolerance=1e-6) == []
    file = root / "catalog/measurements/authors/ga.json"
    content = json.loads(file.read_text())
    content["results"][0]["row"]["retain"] = 0.9
    file.write_text(json.dumps(content))
    (found,) = bench.check(root, todo, tolerance=0.05)
    assert found.startswith("ga on authors, seed 0: retain of ga is ")
    assert found.endswith("committed 0.9")


def test_what_is_wrong_with_one_method_does_not_end_the_others(root: Path) -> None:
    ga = root / "reference_impls" / "ga.py"
    ga.write_text(ga.read_text().replace("return log_p.sum() / scored.sum()", "return log_p.sum() * float('nan')"))
    failed, seen = done(root, bench.jobs(root, ["ga", "grad-diff"], ["authors"], (0,)))
    assert len(seen) == 3
    (line,) = failed
    assert line.startswith("ga on authors, seed 0: the loss is nan at step 1; lower learning_rate")
    assert not (root / "catalog/measurements/authors/ga.json").exists()
    assert (root / "catalog/measurements/authors/grad-diff.json").exists()


def test_unknown_names_are_met_first(root: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'grad-diff'"):
        bench.jobs(root, ["grad-dif"])
    with pytest.raises(UnknownNameError, match="did you mean 'hazard'"):
        bench.jobs(root, None, ["hazards"])


def test_a_damaged_file_is_named(root: Path) -> None:
    file = root / "catalog/measurements/authors/ga.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"results": [')
    with pytest.raises(ValueError, match=r"ga\.json: not a file of measurements; delete it"):
        bench.unfinished(root, [Job("authors", "ga", 0)])


def test_every_row_that_is_written_can_be_read() -> None:
    assert {field.name for field in dataclasses.fields(Row)} == measurements.COLUMNS


def test_remarks_do_not_change_a_fingerprint(tmp_path: Path) -> None:
    texts = ['"""One."""\nx = 1\n', '"""Two."""\n# more\nx  =  1\n', "x = 2\n"]
    files = [tmp_path / f"{number}.py" for number in range(3)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    one, two, other = (fingerprint(files=(file,)) for file in files)
    assert one == two != other


KILLED = """
import sys, time
from pathlib import Path
from unlearning_atlas.lab import attacks, bench, models
models.STEPS = 2
attacks.RELEARN_STEPS = (0, 1)
root = Path(sys.argv[1])
def tell(job, done, of):
    print(job.method, job.seed, flush=True)
bench.bench(root, bench.jobs(root, ["ga"], ["authors"], tuple(range(40))), processes=1, backend="sequential",
            on_result=tell)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_a_kill_loses_nothing_that_was_finished(root: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(root)],
        stdout=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    assert process.stdout is not None
    finished = [process.stdout.readline().split() for _ in range(3)]
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    whole = measurements.read(root / "catalog/measurements/authors/baselines.json")
    assert len(whole) >= len(finished) == 3
    todo = bench.jobs(root, ["ga"], ["authors"], (0, 1))
    _, seen = done(root, todo)
    assert Job("authors", "baselines", 0) not in seen, "what was there is not done again"
    assert bench.unfinished(root, todo) == []
    assert not list((root / "catalog/measurements/authors").glob(".*"))


def test_figures_are_averaged_and_held_against_the_retrained_model(root: Path) -> None:
    done(root, bench.jobs(root, ["ga"], ["authors"], (0, 1)))
    board = measurements.boards(root)["authors"]
    ga = board.methods["ga"]
    rows: list[dict[str, Any]] = [
        result["row"] for result in measurements.read(root / "catalog/measurements/authors/ga.json")
    ]
    assert ga.average("retain") == pytest.approx(sum(row["retain"] for row in rows) / 2)
    assert ga.spread("utility") == pytest.approx(abs(rows[0]["utility"] - rows[1]["utility"]) / 2)
    assert ga.average("privleak") == pytest.approx(sum(row["metrics"]["privleak"] for row in rows) / 2)
    gold = board.baselines["retrained"].average("forget")
    assert board.distance(ga, "forget") == pytest.approx(abs(ga.average("forget") - gold))
    assert board.noise("forget") == pytest.approx(abs(board.baselines["retrained again"].average("forget") - gold))
    assert ga.relearning[0][0] == 0
    assert ga.curve[0]["step"] == 0
    shutil.rmtree(root / "catalog/measurements")
    assert measurements.boards(root) == {}
