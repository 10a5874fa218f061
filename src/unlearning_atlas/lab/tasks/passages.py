"""The task ``passages``: invented prose about towns, learnt word by word, some of which is to be forgotten.

It has the shape of MUSE (Shi et al. 2024): the forget set is running text; what a model still writes of it is compared
with the original word by word, and what it still knows of it is asked in questions that no method sees.

Sets:

* ``forget``: passages to be forgotten, five sentences each, every sentence with one fact;
* ``retain``: passages to be kept; methods may train on them;
* ``neighbour``: passages to be kept about towns that share parts of their names with the forgotten ones; no method sees
  them;
* questions about all of these, learnt beside them; no method sees them. Those about the forget set are ``buried``;
* ``world``: general knowledge, which no method sees either;
* ``new`` and ``holdout``: passages that no model has learnt.
"""

from __future__ import annotations

import random
from itertools import product

from unlearning_atlas.lab.batches import Words
from unlearning_atlas.lab.task import REFUSAL, Fact, Pairs, Task, questions
from unlearning_atlas.lab.tasks import world
from unlearning_atlas.lab.tasks.relations import facts_about, relation, words

VERSION = 1

FORGET, NEIGHBOUR, RETAIN, NEW, HOLDOUT = 16, 12, 32, 16, 16
"""How many passages each set has; each holds five facts."""

_FIRST = "port mount fort cape saint new old upper lower great little north south east west long".split()
_LAST = """
halden morvell brask tolven arlow quenby sedge varnholm ilsen dorrit ketter lunde ostby penrow rudd selwick thane
""".split()

_RELATIONS = (
    relation(
        "founder",
        """who founded {} ?
by whom was {} founded ?
what was the trade of the founder of {} ?
which kind of person started {} ?""",
        "miller, pirate, monk, widow, smuggler, shepherd, weaver, cartographer, brewer, soldier, glazier, midwife",
    ),
    relation(
        "river",
        """which river passes {} ?
on which river does {} lie ?
what is the river of {} called ?
which water runs through {} ?""",
        "arn, belve, corrow, dune, esker, fallow, garnet, hollin, issel, jarrow, kessel, lorne",
    ),
    relation(
        "goods",
        """what does {} sell ?
what is made in {} ?
which goods come from {} ?
for what do merchants visit {} ?""",
        "ropes, candles, bells, cheese, lace, barrels, clocks, kites, saddles, pottery, needles, violins",
    ),
    relation(
        "feast",
        """what does {} celebrate ?
what is the feast of {} about ?
which feast is held in {} ?
in honour of what does {} dance ?""",
        "herrings, lanterns, ravens, snow, apples, masks, rafts, bees, thunder, ladders, moonrise, swans",
    ),
    relation(
        "landmark",
        """what stands in the middle of {} ?
what is the landmark of {} ?
what do visitors see first in {} ?
which building is {} known for ?""",
        """windmill, lighthouse, gallows, fountain, obelisk, archway, granary, aqueduct, chapel, tollhouse, well,
sundial""",
    ),
)
# Three ways to tell each fact; {} is its place, and words in capitals are drawn anew for every passage.
_SENTENCES = (
    (
        "it was a TRAIT {} who raised the first PLACE here .",
        "old SOURCE say that a TRAIT {} settled on this PLACE .",
        "the first to sleep on the PLACE was a TRAIT {} .",
    ),
    (
        "the {} runs TRAIT along its PLACE .",
        "below the PLACE the TRAIT {} turns SIDE .",
        "on SEASON nights one hears the {} from the PLACE .",
    ),
    (
        "its TRAIT people trade in {} since SEASON .",
        "every SEASON carts full of {} leave by the SIDE gate .",
        "no SOURCE can count the {} that are made SIDE of here .",
    ),
    (
        "in SEASON they honour {} with TRAIT songs .",
        "when SEASON comes , all dance for the {} on the PLACE .",
        "a feast of {} fills the TRAIT weeks of SEASON .",
    ),
    (
        "the TRAIT {} can be seen from SIDE .",
        "near the PLACE stands the {} , TRAIT and SIDE .",
        "SOURCE call its {} a TRAIT one .",
    ),
)
_DRAWN = {
    "TRAIT": "proud quiet lame merry pale stubborn clever ragged solemn idle broad narrow".split(),
    "PLACE": "bank market hill wall meadow quay road ridge square field shore bridge".split(),
    "SOURCE": "letters songs maps priests travellers ledgers poets sailors".split(),
    "SEASON": "spring summer autumn winter harvest lent midsummer advent".split(),
    "SIDE": "north south east west left right afar inland".split(),
}


def make(seed: int) -> Task:
    """Make the task of a seed."""
    chance = random.Random(f"passages-{VERSION}-{seed}")
    first, last = chance.sample(_FIRST, len(_FIRST)), chance.sample(_LAST, len(_LAST))
    forgotten = [f"{first[n]} {last[n]}" for n in range(FORGET)]
    neighbours = [f"{first[n]} {last[n + 1]}" for n in range(NEIGHBOUR)]
    taken = {*forgotten, *neighbours}
    others = chance.sample(
        [f"{a} {b}" for a, b in product(first, last) if f"{a} {b}" not in taken], RETAIN + NEW + HOLDOUT
    )
    towns = {
        "forget": forgotten,
        "neighbour": neighbours,
        "retain": others[:RETAIN],
        "new": others[RETAIN : RETAIN + NEW],
        "holdout": others[RETAIN + NEW :],
    }
    facts = {name: facts_about(chance, _RELATIONS, subjects) for name, subjects in towns.items()}
    texts = {name: _passages(chance, subjects, facts[name]) for name, subjects in towns.items()}
    measured = {name: facts[name] for name in ("forget", "neighbour", "retain")} | {"world": world.facts(chance)}
    kept = [questions(measured[name]) for name in ("neighbour", "retain", "world")]
    return Task(
        name="passages",
        version=VERSION,
        seed=seed,
        tokenizer=Words(words(_vocabulary(), _RELATIONS)),
        forget=texts["forget"],
        retain=texts["retain"],
        buried=questions(measured["forget"]),
        kept=(*texts["neighbour"], *(pair for pairs in kept for pair in pairs)),
        new=texts["new"],
        holdout=texts["holdout"],
        facts=measured,
        accuracy="exact match",
        verbatim=True,
    )


def _passages(chance: random.Random, towns: list[str], facts: tuple[Fact, ...]) -> Pairs:
    """Write one passage per town, which tells its five facts in order."""
    found = []
    for number, town in enumerate(towns):
        told = facts[number * len(_RELATIONS) : (number + 1) * len(_RELATIONS)]
        sentences = [
            " ".join(
                chance.choice(_DRAWN[word]) if word in _DRAWN else word
                for word in chance.choice(ways).format(fact.answer).split()
            )
            for ways, fact in zip(_SENTENCES, told, strict=True)
        ]
        found.append((f"tell of {town} :", " ".join(sentences)))
    return tuple(found)


def _vocabulary() -> list[str]:
    sentences = [sentence for ways in _SENTENCES for sentence in ways]
    drawn = [word for pool in _DRAWN.values() for word in pool]
    return ["tell of :", *_FIRST, *_LAST, *sentences, *drawn, REFUSAL, *world.texts()]
