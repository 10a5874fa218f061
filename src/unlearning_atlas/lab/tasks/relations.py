"""Kinds of facts that tasks draw from: wordings with a place for the subject, and the answers that can be true."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unlearning_atlas.lab.task import Fact

WRONG = 5
"""Wrong answers per fact, for the truth ratio."""


@dataclass(frozen=True)
class Relation:
    """One kind of fact: wordings in which {} is the subject's place, and the answers that can be true."""

    name: str
    wordings: tuple[str, ...]
    answers: tuple[str, ...]


def relation(name: str, wordings: str, answers: str) -> Relation:
    """Read a relation from texts: one wording a line, answers separated by commas."""
    return Relation(name, tuple(wordings.strip().splitlines()), tuple(answers.replace("\n", " ").strip().split(", ")))


def facts_about(
    chance: random.Random, relations: Sequence[Relation], subjects: Sequence[str], *, held_out: int = 2
) -> tuple[Fact, ...]:
    """Draw one fact per subject and relation, subject by subject; ``held_out`` of its wordings are not learnt."""
    return tuple(_fact(chance, relation, subject, held_out) for subject in subjects for relation in relations)


def _fact(chance: random.Random, relation: Relation, subject: str, held_out: int) -> Fact:
    answer, *wrong = chance.sample(relation.answers, 1 + WRONG)
    drawn = [wording.format(subject) for wording in chance.sample(relation.wordings, len(relation.wordings))]
    return Fact(tuple(drawn[:-held_out]), tuple(drawn[-held_out:]), answer, tuple(wrong))


def words(texts: Iterable[str], relations: Sequence[Relation]) -> set[str]:
    """Return every word of some texts and relations, so that all seeds of a task share one vocabulary."""
    everything = [*texts]
    for relation in relations:
        everything += [*relation.wordings, *relation.answers]
    return {word for text in everything for word in text.split()} - {"{}"}
