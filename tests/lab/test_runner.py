"""Models that are shared, one run, and the search for hyper-parameters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from unlearning_atlas import UnknownNameError
from unlearning_atlas.lab import attacks, models, runner, tasks, tuning
from unlearning_atlas.lab.registry import available, implementation
from unlearning_atlas.lab.runner import RunResult, bases, one_thread, run
from unlearning_atlas.lab.task import Task
from unlearning_atlas.lab.training import DivergedError, descend

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with two implementations and no search yet."""
    (tmp_path / "reference_impls").mkdir()
    for name in ("npo", "grad_diff"):
        shutil.copy(CHECKOUT / "reference_impls" / f"{name}.py", tmp_path / "reference_impls")
    (tmp_path / "catalog").mkdir()
    return tmp_path


@pytest.fixture
def task() -> Task:
    return tasks.make("authors", 7)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train base models for a few steps only: enough for promises that hold of any model."""
    monkeypatch.setattr(models, "STEPS", 4)
    monkeypatch.setattr(attacks, "RELEARN_STEPS", (0, 1))


@pytest.mark.usefixtures("quick")
def test_base_models_are_cached_and_a_damaged_file_is_made_again(task: Task, cache_dir: Path) -> None:
    first = models.trained(task, "full").state_dict()
    (file,) = (cache_dir / "models").iterdir()
    steps: list[float] = []
    again = models.trained(task, "full", report=steps.append).state_dict()
    assert steps == [1.0], "from the cache, nothing is trained"
    file.write_bytes(file.read_bytes()[:1000])
    repaired = models.trained(task, "full").state_dict()
    for name, weight in first.items():
        assert torch.equal(weight, again[name])
        assert torch.equal(weight, repaired[name]), "training is repeatable to the bit"
    assert not torch.equal(models.trained(task, "retrained").state_dict()["norm.weight"], first["norm.weight"])
    assert len(list((cache_dir / "models").iterdir())) == 2


@pytest.mark.usefixtures("quick")
def test_shared_models_are_measured_once(task: Task, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bases(task)
    (file,) = (cache_dir / "measured").iterdir()
    monkeypatch.setattr(runner, "trained", lambda *_: pytest.fail("measured again"))
    again = bases(task)
    assert (again.before, again.retrained, again.again) == (first.before, first.retrained, first.again)
    assert torch.equal(again.gold.truth_ratios, first.gold.truth_ratios)
    assert first.retrained.forget_quality == 0.0
    assert first.retrained.metrics["privleak"] == 0.0
    file.write_text("{")
    monkeypatch.undo()


@pytest.mark.usefixtures("quick")
def test_a_cache_that_cannot_be_written_only_costs_time(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(models, "write_bytes", full)
    monkeypatch.setattr(runner, "write_text", full)
    assert bases(task).before.model == "before"


@pytest.mark.usefixtures("quick")
def test_a_run_reports_four_models_and_a_curve(root: Path) -> None:
    stages: dict[str, float] = {}
    values = {"steps": "20", "retain_weight": "0"}
    result = run(
        "npo", root=root, seed=2, hyperparameters=values, progress=lambda stage, done: stages.update({stage: done})
    )
    assert isinstance(result, RunResult)
    assert [row.model for row in result.rows] == ["before", "npo", "retrained", "retrained again"]
    assert result.rows[2].forget_quality == 0.0
    assert [point.step for point in result.curve] == list(range(0, 21, 2))
    assert result.hyperparameters["steps"] == 20
    assert result.hyperparameters["retain_weight"] == 0.0
    assert result.cost.forward == 192 + 20 * 32, "the reference once, then a batch a step, nothing of the curve"
    assert result.cost.backward == 20 * 32
    assert set(stages.values()) == {1.0}
    again = run("npo", root=root, seed=2, hyperparameters=values)
    assert again.rows == result.rows
    assert again.curve == result.curve
    assert json.loads(json.dumps(result.to_dict()))["rows"][1]["attacks"]["relearning"]["curve"][0][0] == 0


@pytest.mark.usefixtures("quick")
def test_a_search_is_kept_and_its_outcome_is_what_a_run_takes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tuning.STEPS, "authors", 6)
    tuning._prepared.cache_clear()
    chosen = implementation(root / "reference_impls", "grad-diff")
    assert tuning.chosen_values(root, "grad-diff", "authors") == {}
    assert not tuning.searched(root, "grad-diff", "authors")
    with one_thread():
        trials = tuning.search(chosen, "authors")
    tuning._prepared.cache_clear()
    assert len(trials) == len(tuning.configurations(chosen)) == 8
    assert [trial.score for trial in trials] == sorted((trial.score for trial in trials), reverse=True)
    tuning.keep(root, "grad-diff", "authors", trials)
    tuning.keep(root, "grad-diff", "hazard", trials[::-1])
    kept = json.loads(tuning.tuning_file(root, "grad-diff").read_text())
    assert set(kept["tasks"]) == {"authors", "hazard"}
    assert kept["seed"] not in (0, 1, 2), "no result is reported for it"
    assert tuning.searched(root, "grad-diff", "authors")
    best = {**trials[0].hyperparameters}
    result = run("grad-diff", root=root, hyperparameters={"steps": "1"})
    assert result.hyperparameters == chosen.defaults() | best | {"steps": 1}
    file = root / "reference_impls" / "grad_diff.py"
    file.write_text(file.read_text().replace('"retain_weight": (1.0, 5.0)', '"retain_weight": (1.0, 6.0)'))
    assert not tuning.searched(root, "grad-diff", "authors"), "another space asks for another search"
    tuning.tuning_file(root, "grad-diff").write_text("{")
    with pytest.raises(ValueError, match=r"grad-diff\.json: damaged; delete it"):
        tuning.chosen_values(root, "grad-diff", "authors")


def test_a_score_is_lost_on_either_side_of_the_retrained_model() -> None:
    gold = {"forget": 0.25, "paraphrase": 0.25}
    kept = dict.fromkeys(("retain", "neighbour", "world"), 1.0)
    perfect = tuning.score({**gold, **kept}, gold)
    assert perfect == 1.0
    above, below = (tuning.score({**kept, "forget": at, "paraphrase": 0.25}, gold) for at in (0.35, 0.15))
    assert above == pytest.approx(0.9)
    assert below == pytest.approx(0.9)
    assert tuning.score({**gold, **kept, "world": 0.0}, gold) == 0.0


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"method": "npoo"}, UnknownNameError, "did you mean 'npo'"),
        ({"task": "author"}, UnknownNameError, "did you mean 'authors'"),
        ({"hyperparameters": {"betaa": "1"}}, UnknownNameError, "did you mean 'beta'"),
        ({"hyperparameters": {"beta": "high"}}, ValueError, "beta must be a number (got 'high'; default"),
        ({"hyperparameters": {"steps": "1.5"}}, ValueError, "steps must be a whole number"),
        ({"hyperparameters": {"beta": "0"}}, ValueError, "beta must be above 0"),
        ({"model": "no/such/folder"}, ValueError, "--model must be a folder with config.json"),
    ],
)
def test_wrong_arguments_are_met_before_anything_is_trained(
    wrong: dict[str, object], error: type[Exception], message: str, cache_dir: Path, root: Path
) -> None:
    with pytest.raises(error) as caught:
        run(**{"method": "npo", "root": root, **wrong})  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert not list(cache_dir.iterdir())


def test_a_loss_that_is_no_number_ends_the_run_with_advice() -> None:
    model = torch.nn.Linear(1, 1)
    with pytest.raises(DivergedError, match=r"the loss is nan at step 1; lower learning_rate \(now 0\.1\)"):
        descend(model, lambda: model.weight.sum() * float("nan"), steps=3, learning_rate=0.1)


@pytest.mark.slow
def test_the_task_tells_the_methods_apart() -> None:
    """One full run each: what the field reports shows up."""
    results = {id_: run(id_, root=CHECKOUT, seed=0) for id_ in ("grad-diff", "npo", "idk-sft")}
    before, _, gold, gold2 = results["npo"].rows
    assert before.forget > 0.99
    assert before.paraphrase > 0.9, "the model has learnt facts, not sentences"
    assert gold.forget < 0.15
    assert min(gold.retain, gold.neighbour, gold.world) > 0.95
    assert before.forget_quality < -15
    assert gold2.forget_quality > -2, "the noise floor"
    assert gold.attacks["relearning"]["steps"] is None
    assert results["npo"].rows[1].paraphrase < 0.2, "facts are forgotten, not wordings"
    refusing = results["idk-sft"].rows[1]
    assert refusing.attacks["relearning"]["steps"] <= 5, "refusals hide, and are unlearnt in a few steps"
    assert refusing.metrics["mia-loss"] > 0.75, "and what they hide still looks learnt"
    wreck = run("ga", root=CHECKOUT, seed=0, hyperparameters={"steps": "120", "learning_rate": "2e-4"}).rows[1]
    assert wreck.utility < 0.05, "without a retain term ascent runs away"
    assert not wreck.forget_quality_counts, "which is why the forget quality of a wreck does not count"
    assert len(available(CHECKOUT / "reference_impls")) >= 36
