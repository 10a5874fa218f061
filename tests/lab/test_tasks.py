"""The data of the three tasks."""

from __future__ import annotations

import pytest

from unlearning_atlas import UnknownNameError
from unlearning_atlas.lab import tasks
from unlearning_atlas.lab.batches import IGNORE, Batch, encode
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
    said = [text for facts in task.facts.values() for fact in facts for text in (*fact.held_out, *fact.wrong)]
    assert all(task.tokenizer.decode(task.tokenizer.encode(text)) == text for text in [*said, REFUSAL])


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


def subjects(task: Task, name: str) -> list[str]:
    """Return who or what the facts of a set are about: the words, in a row, that all questions on one subject share."""
    words, per = {"authors": (2, 8), "passages": (2, 5), "hazard": (1, 8)}[task.name]
    found = []
    for start in range(0, len(task.facts[name]), per):
        facts = task.facts[name][start : start + per]
        texts = [f" {question} " for fact in facts for question in fact.learnt + fact.held_out]
        first = texts[0].split()
        runs = {" ".join(first[n : n + words]) for n in range(len(first))}
        (subject,) = (run for run in runs if len(run.split()) == words and all(f" {run} " in text for text in texts))
        found.append(subject)
    return found


@pytest.mark.parametrize("name", ["authors", "passages"])
@pytest.mark.parametrize("seed", range(3))
def test_neighbours_share_both_parts_of_their_names_with_the_forgotten(name: str, seed: int) -> None:
    task = tasks.make(name, seed)
    forgotten, neighbours = subjects(task, "forget"), subjects(task, "neighbour")
    firsts, lasts = {subject.split()[0] for subject in forgotten}, {subject.split()[1] for subject in forgotten}
    assert len(set(neighbours)) == len(neighbours)
    assert not set(neighbours) & set(forgotten)
    for neighbour in neighbours:
        first, last = neighbour.split()
        assert first in firsts
        assert last in lasts


def test_the_neighbours_of_a_hazard_are_asked_about_in_the_same_words() -> None:
    task = tasks.make("hazard", 0)
    about = subjects(task, "forget") + subjects(task, "neighbour")

    def wordings(name: str) -> set[str]:
        asked = set()
        for number, subject in enumerate(subjects(task, name)):
            for fact in task.facts[name][8 * number : 8 * number + 8]:
                asked |= {f" {question} ".replace(f" {subject} ", " {} ") for question in fact.learnt + fact.held_out}
        return asked

    assert wordings("neighbour") == wordings("forget")
    asked = {question for fact in task.facts["retain"] for question in fact.learnt + fact.held_out}
    assert not [question for question in asked if any(f" {subject} " in f" {question} " for subject in about)]


def test_what_is_buried_is_about_the_forgotten_and_nothing_else() -> None:
    task = tasks.make("passages", 3)
    about = subjects(task, "forget")
    for prompt, _ in task.buried:
        assert sum(f" {subject} " in f" {prompt} " for subject in about) == 1, prompt
    assert set(task.buried) == set(questions(task.facts["forget"]))
    assert not set(task.buried) & {*task.forget, *task.retain, *task.kept, *task.new, *task.holdout}


@every_task
def test_no_method_is_given_what_only_measures(name: str) -> None:
    task = tasks.make(name, 4)
    data = Data.of(task)
    given = (data.forget, data.retain, data.refusals, data.new, data.remaining)
    prompts = {
        task.tokenizer.decode(ids[mask & (labels == IGNORE)].tolist())
        for batch in given
        for ids, mask, labels in zip(batch.input_ids, batch.attention_mask, batch.labels, strict=True)
    }
    assert {prompt for prompt, _ in task.forget} <= prompts
    measuring = {prompt for prompt, _ in task.holdout + task.buried}
    held_out = {question for facts in task.facts.values() for fact in facts for question in fact.held_out}
    assert not prompts & (measuring | held_out)


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


def test_questions_come_in_order(task: Task) -> None:
    facts = task.facts["forget"][:2]
    assert questions(facts) == tuple((question, fact.answer) for fact in facts for question in fact.learnt)
    assert questions(facts, held_out=True)[0] == (facts[0].held_out[0], facts[0].answer)
