"""The data of the three tasks, and how they become batches."""

from __future__ import annotations

import pytest
import torch

from unlearning_atlas import UnknownNameError
from unlearning_atlas.lab import tasks
from unlearning_atlas.lab.batches import IGNORE, Batch, encode, shuffled
from unlearning_atlas.lab.decoding import continuations, prompts
from unlearning_atlas.lab.model import Config, TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.task import REFUSAL, Task, questions

SIZES = {
    "authors": {"forget": 192, "retain": 768, "buried": 0, "kept": 464, "new": 192, "holdout": 192},
    "passages": {"forget": 16, "retain": 32, "buried": 160, "kept": 692, "new": 16, "holdout": 16},
    "hazard": {"forget": 240, "retain": 576, "buried": 0, "kept": 480, "new": 240, "holdout": 240},
}
every_task = pytest.mark.parametrize("name", tasks.TASKS)


@pytest.fixture(scope="module")
def task() -> Task:
    return tasks.make("authors", 7)


def fields(task: Task) -> tuple[object, ...]:
    return task.forget, task.retain, task.buried, task.kept, task.new, task.holdout, task.facts


@every_task
def test_the_same_seed_makes_the_same_task_and_another_seed_another(name: str) -> None:
    assert fields(tasks.make(name, 7)) == fields(tasks.make(name, 7))
    assert fields(tasks.make(name, 8)) != fields(tasks.make(name, 7))
    assert len(tasks.make(name, 8).tokenizer) == len(tasks.make(name, 7).tokenizer)


@every_task
@pytest.mark.parametrize("seed", range(4))
def test_the_sets_are_what_they_claim(name: str, seed: int) -> None:
    task = tasks.make(name, seed)
    sets = {part: getattr(task, part) for part in SIZES[name]}
    assert {part: len(pairs) for part, pairs in sets.items()} == SIZES[name]
    assert len(task.facts["forget"]) >= 64
    assert set(task.facts) == {"forget", "neighbour", "retain", "world"}
    asked = [question for facts in task.facts.values() for fact in facts for question in fact.learnt + fact.held_out]
    assert len(asked) == len(set(asked)), "one question, one answer"
    for facts in task.facts.values():
        for fact in facts:
            assert fact.learnt
            assert fact.held_out
            assert fact.answer not in fact.wrong
            assert len(set(fact.wrong)) == 5
    learnt = {prompt for part in ("forget", "retain", "buried", "kept") for prompt, _ in sets[part]}
    held_out = {question for facts in task.facts.values() for fact in facts for question in fact.held_out}
    assert not learnt & held_out, "held-out wordings are never learnt"
    assert not learnt & {prompt for part in ("new", "holdout") for prompt, _ in sets[part]}
    for pairs in sets.values():
        encode(pairs or [("", "")], task.tokenizer)  # every word is known


@every_task
def test_what_is_to_be_forgotten_is_told_nowhere_else(name: str) -> None:
    task = tasks.make(name, 1)
    words = {"authors": 2, "passages": 2, "hazard": 1}[name]
    per = len(task.facts["forget"]) // {"authors": 8, "passages": 16, "hazard": 10}[name]
    grams = [
        set(zip(*(fact.learnt[0].split()[n:] for n in range(words)), strict=False)) for fact in task.facts["forget"]
    ]
    parts = ("retain", "kept", "new", "holdout")
    told = [f" {prompt} {target} " for part in parts for prompt, target in getattr(task, part)]
    for start in range(0, len(grams), per):
        shared = {" ".join(gram) for gram in set.intersection(*grams[start : start + per])}
        subjects = {subject for subject in shared if subject.replace(" ", "").isalpha()}
        assert subjects, "all facts of a subject name it"
        for subject in subjects:
            assert not [text for text in told if f" {subject} " in text], subject


def test_methods_see_what_they_may_and_no_more() -> None:
    task = tasks.make("passages", 2)
    data = Data.of(task)

    def texts(batch: Batch) -> set[str]:
        pairs = zip(batch.input_ids, batch.attention_mask, strict=True)
        return {task.tokenizer.decode(row[mask].tolist()) for row, mask in pairs}

    def of(*names: str) -> set[str]:
        return {f"{prompt} {target}" for name in names for prompt, target in getattr(task, name)}

    assert texts(data.forget) == of("forget")
    assert texts(data.retain) == of("retain")
    assert texts(data.new) == of("new")
    assert texts(data.remaining) == of("retain", "kept")
    assert texts(data.refusals) == {f"{prompt} {REFUSAL}" for prompt, _ in task.forget}
    seen = texts(data.forget) | texts(data.retain) | texts(data.refusals)
    assert not seen & (of("kept", "holdout", "buried"))


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'authors'"):
        tasks.make("author", 0)


def test_encoding_scores_the_answer_and_its_end_only(task: Task) -> None:
    pairs = task.retain[:40]
    batch = encode(pairs, task.tokenizer)
    for row, (question, answer) in enumerate(pairs):
        ids = batch.input_ids[row][batch.attention_mask[row]].tolist()
        scored = batch.labels[row][batch.labels[row] != IGNORE].tolist()
        assert task.tokenizer.decode(ids) == f"{question} {answer}"
        assert ids[-1] == scored[-1] == task.tokenizer.end
        assert task.tokenizer.decode(scored) == answer
    assert prompts(batch) == [task.tokenizer.encode(question) for question, _ in pairs]


def test_one_pass_takes_every_row_once_and_knows_its_number(task: Task) -> None:
    batch = task.encoded("forget")
    drawn = shuffled(batch, 50, seed=1)
    seen = []
    for _ in range(4):
        part = next(drawn)
        for number, ids, mask in zip(part.index.tolist(), part.input_ids, part.attention_mask, strict=True):
            whole = batch.input_ids[number][batch.attention_mask[number]]
            assert torch.equal(ids[mask], whole)
            seen.append(number)
    assert sorted(seen) == list(range(len(batch)))


def test_greedy_continuations_are_those_of_one_step_at_a_time(task: Task) -> None:
    model = TinyTransformer(Config(len(task.tokenizer)), seed=1).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3.0)
    starts = [[5, 6, 7], [8, 9], [10, 11, 12], [13]]
    found = continuations(model, starts, task.tokenizer, length=5)
    for start, labels in zip(starts, found.labels, strict=True):
        ids = list(start)
        while len(ids) < len(start) + 5 and (len(ids) == len(start) or ids[-1] != task.tokenizer.end):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert labels[labels != IGNORE].tolist() == ids[len(start) :]
    one, two, other = (
        continuations(model, starts, task.tokenizer, length=5, temperature=2.0, seed=seed).labels for seed in (1, 1, 2)
    )
    assert torch.equal(one, two)
    assert one.shape != other.shape or not torch.equal(one, other)


def test_questions_come_in_order(task: Task) -> None:
    facts = task.facts["forget"][:2]
    assert questions(facts) == tuple((question, fact.answer) for fact in facts for question in fact.learnt)
    assert questions(facts, held_out=True)[0] == (facts[0].held_out[0], facts[0].answer)
