"""The built-in model, the task, the measures, and the promises of the runner."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from unlearning_atlas import UnknownNameError
from unlearning_atlas.lab import measures, models
from unlearning_atlas.lab.batches import IGNORE, Batch, encode, shuffled, token_log_probs
from unlearning_atlas.lab.measures import Meter
from unlearning_atlas.lab.model import Config, TinyTransformer
from unlearning_atlas.lab.registry import Data, available, implementation
from unlearning_atlas.lab.runner import RunResult, one_thread, run
from unlearning_atlas.lab.task import Task
from unlearning_atlas.lab.tasks import authors
from unlearning_atlas.lab.training import logits_of

IMPLEMENTATIONS = Path(__file__).resolve().parents[2] / "reference_impls"


@pytest.fixture(scope="module")
def task() -> Task:
    return authors.make(7)


@pytest.fixture
def model(task: Task) -> TinyTransformer:
    """Return an untrained model with weights large enough for lively logits."""
    net = TinyTransformer(Config(len(task.tokenizer)), seed=3)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(3.0)
    return net.double().eval()


def test_later_tokens_do_not_change_earlier_predictions(model: TinyTransformer) -> None:
    ids = torch.randint(2, 500, (3, 9), generator=torch.Generator().manual_seed(0))
    changed = ids.clone()
    changed[:, 5:] = 1
    torch.testing.assert_close(model(ids).logits[:, :5], model(changed).logits[:, :5])
    assert not torch.allclose(model(ids).logits[:, 5:], model(changed).logits[:, 5:])


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(model: TinyTransformer, side: str) -> None:
    ids = torch.randint(2, 500, (2, 6), generator=torch.Generator().manual_seed(0))
    pad, width = torch.zeros(2, 4, dtype=torch.long), ids.shape[1]
    padded = torch.cat((pad, ids) if side == "left" else (ids, pad), dim=1)
    mask = torch.ones_like(padded)
    mask[:, :4] = 0 if side == "left" else 1
    mask[:, width:] = 0 if side == "right" else 1
    where = slice(4, None) if side == "left" else slice(0, width)
    found = model(padded, attention_mask=mask).logits
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[:, where], model(ids).logits)


def test_hidden_states_end_in_what_the_head_reads(model: TinyTransformer) -> None:
    ids = torch.arange(2, 8)[None]
    output = model(ids, output_hidden_states=True)
    assert output.hidden_states is not None
    assert [tuple(state.shape) for state in output.hidden_states] == [(1, 6, 64)] * 3
    last = output.hidden_states[-1]
    torch.testing.assert_close(model.norm(last) @ model.embedding.weight.T, output.logits)


def test_size() -> None:
    net = TinyTransformer(Config(len(authors.make(0).tokenizer)))
    assert 100_000 < sum(weight.numel() for weight in net.parameters()) < 150_000


def test_the_same_seed_makes_the_same_task_and_another_seed_another(task: Task) -> None:
    assert authors.make(7) == task
    assert authors.make(8).sets != task.sets
    assert authors.make(8).vocabulary == task.vocabulary


@pytest.mark.parametrize("seed", range(5))
def test_the_sets_are_what_they_claim(seed: int) -> None:
    task = authors.make(seed)
    assert {name: len(facts) for name, facts in task.sets.items()} == {
        "forget": 64, "neighbour": 64, "retain": 256, "world": 120, "unanswerable": 32,
    }  # fmt: skip
    questions = [q for facts in task.sets.values() for fact in facts for q in fact.learnt + fact.held_out]
    assert len(questions) == len(set(questions)), "one question, one answer"
    for name, facts in task.sets.items():
        for fact in facts:
            assert fact.answer not in fact.wrong
            assert len(set(fact.wrong)) == len(fact.wrong) == (0 if name == "unanswerable" else 5)
    forgotten = {" ".join(name) for name in zip(*[iter(_names(task, "forget"))] * 2, strict=True)}
    kept = task.pairs("retain", "neighbour", "unanswerable") + task.pairs("retain", "neighbour", held_out=True)
    assert len(forgotten) == 8
    assert not [question for question, _ in kept for author in forgotten if author in question]
    first, last = {name.split()[0] for name in forgotten}, {name.split()[1] for name in forgotten}
    for question, _ in task.pairs("neighbour"):
        assert first & set(question.split()), "a neighbour shares a first name"
        assert last & set(question.split()), "and a last name"


def _names(task: Task, name: str) -> list[str]:
    """Return the first and last names of a set's authors, found by what all questions of a fact share."""
    names: list[str] = []
    for fact in task.sets[name][::8]:
        words = fact.learnt[0].split()
        first = next(word for word in words if word in authors._FIRST)
        names += [first, words[words.index(first) + 1]]
    return names


def test_encoding_scores_the_answer_and_its_end_only(task: Task) -> None:
    words = {number: word for word, number in task.vocabulary.items()}
    pairs = task.pairs("retain")[:40]
    batch = encode(pairs, task.vocabulary)
    for row, (question, answer) in enumerate(pairs):
        ids = [words[int(i)] for i, used in zip(batch.input_ids[row], batch.attention_mask[row], strict=True) if used]
        scored = [words[int(label)] for label in batch.labels[row] if label != IGNORE]
        assert " ".join(ids) == f"{question} {answer} <end>"
        assert " ".join(scored) == f"{answer} <end>"


def test_one_pass_takes_every_row_once(task: Task) -> None:
    batch = task.encoded("forget")
    drawn = shuffled(batch, 50, seed=1)
    rows = [row for _ in range(4) for row in unpadded(next(drawn))]
    assert sorted(rows) == sorted(unpadded(batch))


def unpadded(batch: Batch) -> list[list[int]]:
    return [row[mask].tolist() for row, mask in zip(batch.input_ids, batch.attention_mask, strict=True)]


def greedy(model: TinyTransformer, prompt: list[int], length: int) -> list[int]:
    ids = list(prompt)
    for _ in range(length):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_exact_match_is_what_greedy_decoding_gives(task: Task, model: TinyTransformer) -> None:
    """On sequences of which half were made by the model itself."""
    batch = task.encoded("forget").rows(torch.arange(30))
    ids, labels = batch.input_ids.clone(), batch.labels.clone()
    for row in range(0, 30, 2):
        answer = (labels[row] != IGNORE).nonzero().squeeze(1)
        start = int(answer[0])
        made = greedy(model, ids[row, :start].tolist(), len(answer))
        ids[row, start : start + len(made)] = labels[row, start : start + len(made)] = torch.tensor(made)
    found = measures.exact_matches(model, Batch(ids, labels, batch.attention_mask))
    expected = [
        greedy(
            model, ids[row, : int((labels[row] != IGNORE).nonzero()[0])].tolist(), int((labels[row] != IGNORE).sum())
        )
        == labels[row][labels[row] != IGNORE].tolist()
        for row in range(30)
    ]
    assert found.tolist() == expected
    assert sum(expected) >= 15


def test_truth_ratio_is_the_papers(task: Task, model: TinyTransformer) -> None:
    fact = task.sets["forget"][0]

    def normalised(answer: str) -> float:
        ids = [task.vocabulary[word] for word in [*fact.learnt[0].split(), *answer.split(), "<end>"]]
        start = len(fact.learnt[0].split())
        p = model(torch.tensor([ids])).logits[0].detach().softmax(dim=-1)
        product = 1.0
        for position in range(start, len(ids)):
            product *= float(p[position - 1, ids[position]])
        return float(product ** (1 / (len(ids) - start)))

    expected = sum(map(normalised, fact.wrong)) / len(fact.wrong) / normalised(fact.answer)
    assert measures.truth_ratios(model, (fact,), task.vocabulary)[0].item() == pytest.approx(expected, rel=1e-9)


def test_utility_is_zero_when_one_part_is(task: Task, model: TinyTransformer) -> None:
    """An untrained model answers nothing: the harmonic mean does not let good parts make up for it."""
    assert Meter(task).scores(model).utility == 0.0


def test_kolmogorov_smirnov_sees_a_shift_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(64, generator=generator), torch.randn(64, generator=generator)
    assert measures.kolmogorov_smirnov(left, left) == 0.0
    assert measures.kolmogorov_smirnov(left, right) > -1.5
    assert measures.kolmogorov_smirnov(left, right + 3) < -15


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train base models for a few steps only: enough for promises that hold of any model."""
    monkeypatch.setattr(models, "STEPS", 4)


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
@pytest.mark.parametrize("id_", available(IMPLEMENTATIONS))
def test_an_implementation_keeps_its_promises(id_: str, task: Task) -> None:
    chosen = implementation(IMPLEMENTATIONS, id_)
    before = models.trained(task, "full")
    data = Data.of(task)
    steps: list[int] = []
    with one_thread():
        results = [
            chosen.unlearn(copy.deepcopy(before), data, seed=1, steps=3, on_step=lambda step, _: steps.append(step))
            for _ in range(2)
        ]
    assert steps == [1, 2, 3] * 2
    for (name, one), two in zip(results[0].named_parameters(), results[1].parameters(), strict=True):
        assert torch.isfinite(one).all()
        assert torch.equal(one, two), f"{name}: the same seed gives the same weights"
    with pytest.raises(TypeError):
        chosen.unlearn(before, data, no_such_value=1)
    assert dataclasses.is_dataclass(chosen.hyperparameters)
    assert set(chosen.space) <= set(chosen.defaults())
    header = chosen.file.read_text().split('"""')[1]
    for part in ("Paper:", "(minimised)", "1. "):
        assert part in header


@pytest.mark.usefixtures("quick")
def test_unlearning_lowers_the_likelihood_of_what_is_forgotten(task: Task) -> None:
    before = models.trained(task, "full")
    data = Data.of(task)
    without_retain_term: dict[str, dict[str, Any]] = {
        "ga": {},
        "grad-diff": {"retain_weight": 0.0},
        "npo": {"retain_weight": 0.0},
    }
    for id_, alone in without_retain_term.items():
        after = implementation(IMPLEMENTATIONS, id_).unlearn(copy.deepcopy(before), data, steps=5, **alone)
        with torch.no_grad():
            then, now = (
                token_log_probs(logits_of(m, data.forget), data.forget.labels)[0].sum() for m in (before, after)
            )
        assert now < then, id_


@pytest.mark.usefixtures("quick")
def test_a_run_reports_four_models_and_a_curve() -> None:
    stages: dict[str, float] = {}
    result = run(
        "npo", implementations=IMPLEMENTATIONS, seed=2, hyperparameters={"steps": "20", "retain_weight": "0"},
        progress=lambda stage, done: stages.update({stage: done}),
    )  # fmt: skip
    assert isinstance(result, RunResult)
    assert [row.model for row in result.rows] == ["before", "npo", "retrained", "retrained again"]
    assert result.rows[2].forget_quality == 0.0
    assert [point.step for point in result.curve] == list(range(0, 21, 2))
    assert result.hyperparameters["steps"] == 20
    assert result.hyperparameters["retain_weight"] == 0.0
    assert set(stages.values()) == {1.0}
    again = run("npo", implementations=IMPLEMENTATIONS, seed=2, hyperparameters={"steps": "20", "retain_weight": "0"})
    assert again.rows == result.rows
    assert again.curve == result.curve


def test_forget_quality_does_not_count_without_utility() -> None:
    from unlearning_atlas.lab.runner import _row

    gold = measures.Scores(0, 0, 1, 1, 1, utility=0.9, truth_ratios=torch.ones(64))
    wreck = dataclasses.replace(gold, utility=0.5)
    assert _row("wreck", wreck, gold).forget_quality == 0.0
    assert not _row("wreck", wreck, gold).forget_quality_counts
    assert _row("gold", gold, gold).forget_quality_counts


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"method": "npoo"}, UnknownNameError, "did you mean 'npo'"),
        ({"task": "author"}, UnknownNameError, "did you mean 'authors'"),
        ({"hyperparameters": {"betaa": "1"}}, UnknownNameError, "did you mean 'beta'"),
        ({"hyperparameters": {"beta": "high"}}, ValueError, "beta must be a number (got 'high'; default"),
        ({"hyperparameters": {"steps": "1.5"}}, ValueError, "steps must be a whole number"),
        ({"hyperparameters": {"beta": "0"}}, ValueError, "beta must be above 0"),
    ],
)
def test_wrong_arguments_are_met_before_anything_is_trained(
    wrong: dict[str, object], error: type[Exception], message: str, cache_dir: Path
) -> None:
    with pytest.raises(error) as caught:
        run(**{"method": "npo", "implementations": IMPLEMENTATIONS, **wrong})  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert not list(cache_dir.iterdir())


@pytest.mark.slow
def test_the_task_tells_the_methods_apart() -> None:
    """One full run each: what the field reports shows up."""
    with one_thread():
        results = {id_: run(id_, implementations=IMPLEMENTATIONS, seed=0) for id_ in ("ga", "grad-diff", "npo")}
    before, _, gold, gold2 = results["npo"].rows
    assert before.forget > 0.99
    assert before.paraphrase > 0.9, "the model has learnt facts, not sentences"
    assert gold.forget < 0.15
    assert min(gold.retain, gold.neighbour, gold.world) > 0.95
    assert before.forget_quality < -15
    assert gold2.forget_quality > -2, "the noise floor"
    score = {id_: result.rows[1].utility * (1 - result.rows[1].forget) for id_, result in results.items()}
    assert score["npo"] > score["grad-diff"] > score["ga"]
    assert score["npo"] > 0.6
    assert results["npo"].rows[1].paraphrase < 0.15, "facts are forgotten, not wordings"
    wreck = run("ga", implementations=IMPLEMENTATIONS, seed=0, hyperparameters={"steps": "400"}).rows[1]
    assert wreck.utility < 0.05, "without a retain term ascent runs away"
    assert wreck.forget_quality > -2, "and a wreck can not be told from a retrained model by its truth ratios,"
    assert not wreck.forget_quality_counts, "which is why they do not count then"
