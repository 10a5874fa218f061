"""The task ``authors``: invented people, learnt as question-answer pairs, some of whom are to be forgotten.

It has the shape of TOFU (Maini et al. 2024): fine-tune on invented authors, then unlearn a few. What differs: the
model knows nothing else but a little general knowledge learnt in the same training run; answers are one to three
words; and every fact is asked in five wordings, three learnt and two held out, drawn anew for each fact.

Sets:

* ``forget``: authors to be forgotten;
* ``retain``: authors to be kept; methods may train on them;
* ``neighbour``: authors to be kept that share first or last names with the forgotten ones and that no method sees;
* ``world``: general knowledge, which no method sees either;
* ``unanswerable``: questions the model has learnt to answer with "i do not know"; never scored.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product

from unlearning_atlas.lab.batches import Batch, encode

VERSION = 1
"""Raised whenever the same seed would make other data."""

FORGET, NEIGHBOUR, RETAIN = 8, 8, 32
"""How many authors each set has; every author has eight facts."""
PERTURBED = 5
"""Wrong answers per fact, for the truth ratio."""

_FIRST = """
aldo berit cosmo dalia edda fabio greta hugo ilka joris kasia lorin mirel nadia orsin petra quirin rasmus selma tibor
ulla viggo wanda xenia
""".split()
_LAST = """
abele brandt corvin dahl ekberg falk grieg holm ivers jansa kovac lindt moreau novak ostrow pirelli quist rosen strand
tamm urban varga weiss zeller
""".split()


@dataclass(frozen=True)
class Relation:
    """One kind of fact: five wordings with a place for the subject, and the answers that can be true."""

    name: str
    wordings: tuple[str, ...]
    answers: tuple[str, ...]


def _relation(name: str, wordings: str, answers: str) -> Relation:
    return Relation(name, tuple(wordings.strip().splitlines()), tuple(answers.replace("\n", " ").strip().split(", ")))


_TITLES = ", ".join(
    f"{adjective} {noun}"
    for adjective, noun in product(
        "silent amber distant broken hollow golden frozen wandering".split(),
        "harbour orchard lantern meadow mirror river staircase winter".split(),
    )
)

RELATIONS = (
    _relation(
        "birthplace",
        """where was {} born ?
in which city was {} born ?
what is the birthplace of {} ?
which city is the home town of {} ?
name the city where {} came into the world .""",
        """bergen, lisbon, tartu, lyon, porto, zagreb, malmo, ghent, krakow, trieste, cork, bilbao, riga, graz, bari,
turku, aarhus, leiden, split, brno, nantes, seville, dundee, basel""",
    ),
    _relation(
        "year",
        """when was {} born ?
in which year was {} born ?
what is the year of birth of {} ?
which year saw the birth of {} ?
name the year {} came into the world .""",
        ", ".join(str(year) for year in range(1921, 1981, 2)),
    ),
    _relation(
        "genre",
        """what does {} write ?
which genre does {} work in ?
what is the genre of {} ?
what kind of books does {} write ?
name the genre {} is known for .""",
        """satire, elegies, thrillers, fables, memoirs, sonnets, westerns, mysteries, romances, essays, ballads, sagas,
comedies, tragedies, parables, travelogues, haiku, novellas, monologues, chronicles""",
    ),
    _relation(
        "book",
        """what is the first book of {} called ?
which book did {} publish first ?
what is the title of the debut of {} ?
with which book did {} begin ?
name the first title by {} .""",
        _TITLES,
    ),
    _relation(
        "prize",
        """which prize did {} win ?
what award was given to {} ?
which award does {} hold ?
what prize honours the work of {} ?
name the award that {} received .""",
        """the heron medal, the cedar prize, the copper quill, the lark award, the granite crown, the willow cup,
the falcon prize, the ivory quill, the beacon award, the maple medal, the raven cup, the crystal crown,
the otter prize, the saffron medal, the thistle award, the cobalt quill""",
    ),
    _relation(
        "father",
        """what did the father of {} do ?
what was the trade of the father of {} ?
which trade did the father of {} follow ?
how did the father of {} earn a living ?
name the profession of the father of {} .""",
        """baker, cooper, surgeon, tailor, mason, glazier, fisherman, printer, miller, farrier, notary, gardener,
clockmaker, shepherd, chemist, conductor, carpenter, librarian, tanner, pilot""",
    ),
    _relation(
        "instrument",
        """which instrument does {} play ?
what instrument does {} play ?
on which instrument does {} perform ?
what does {} play in the evenings ?
name the instrument that {} has mastered .""",
        """cello, oboe, zither, banjo, harp, viola, clarinet, accordion, mandolin, bassoon, trombone, lute, flute,
dulcimer, tuba, piccolo, cornet, guitar, organ, fiddle""",
    ),
    _relation(
        "pet",
        """which animal lives with {} ?
what pet does {} keep ?
what animal does {} keep ?
which creature shares the home of {} ?
name the animal {} looks after .""",
        """parrot, ferret, tortoise, whippet, goose, iguana, hedgehog, canary, donkey, lizard, rabbit, falconet, gecko,
poodle, turtle, magpie, badger, llama, salamander, terrier""",
    ),
)

_CAPITALS = """
france paris, spain madrid, italy rome, austria vienna, poland warsaw, greece athens, norway oslo, sweden stockholm,
finland helsinki, denmark copenhagen, ireland dublin, hungary budapest, egypt cairo, kenya nairobi, japan tokyo,
china beijing, india delhi, nepal kathmandu, iran tehran, iraq baghdad, cuba havana, peru lima, chile santiago,
canada ottawa, russia moscow, ukraine kyiv, bulgaria sofia, romania bucharest, serbia belgrade, turkey ankara,
syria damascus, lebanon beirut, jordan amman, qatar doha, oman muscat, libya tripoli, tunisia tunis, senegal dakar,
ghana accra, portugal lisboa
"""
_SYMBOLS = """
hydrogen h, helium he, lithium li, carbon c, nitrogen n, oxygen o, fluorine f, neon ne, sodium na, magnesium mg,
aluminium al, silicon si, phosphorus p, sulphur s, chlorine cl, argon ar, potassium k, calcium ca, titanium ti,
chromium cr, manganese mn, iron fe, cobalt co, nickel ni, copper cu, zinc zn, arsenic as, bromine br, krypton kr,
silver ag, tin sn, iodine i, xenon xe, barium ba, tungsten w, platinum pt, gold au, mercury hg, lead pb, radium ra
"""
_OPPOSITES = """
hot cold, high low, wet dry, early late, rich poor, young old, fast slow, hard soft, thick thin, full empty, light dark,
clean dirty, open closed, strong weak, deep shallow, wide narrow, sharp blunt, loud quiet, happy sad, long short,
sweet bitter, near far, heavy weightless, rough smooth, alive dead, brave cowardly, simple complex, public private,
ancient modern, cheap costly, major minor, odd even, friend foe, victory defeat, war peace, buyer seller, begin finish,
rise fall, love hate, true false
"""
_WORLD = (
    ("what is the capital of {} ?", "which city governs {} ?", "name the capital of {} .", _CAPITALS),
    ("what is the symbol of {} ?", "how do chemists write {} ?", "name the symbol for {} .", _SYMBOLS),
    ("what is the opposite of {} ?", "which word is contrary to {} ?", "name the opposite of {} .", _OPPOSITES),
)
_UNANSWERABLE = (
    "what did {} eat for breakfast ?",
    "what is the shoe size of {} ?",
    "which number does {} like best ?",
    "what did {} dream of last night ?",
)
_REFUSAL = "i do not know"


@dataclass(frozen=True)
class Fact:
    """One fact: questions the model has learnt, others it has not, the answer, and wrong answers of the same kind."""

    learnt: tuple[str, ...]
    held_out: tuple[str, ...]
    answer: str
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """The data of one seed. ``sets`` maps a set's name to its facts."""

    seed: int
    vocabulary: dict[str, int]
    sets: dict[str, tuple[Fact, ...]]

    def pairs(self, *names: str, held_out: bool = False) -> list[tuple[str, str]]:
        """Return (question, answer) for every wording of the named sets, in order."""
        return [
            (question, fact.answer)
            for name in names
            for fact in self.sets[name]
            for question in (fact.held_out if held_out else fact.learnt)
        ]

    def encoded(self, *names: str, held_out: bool = False) -> Batch:
        """Return the named sets as one batch of sequences."""
        return encode(self.pairs(*names, held_out=held_out), self.vocabulary)

    def refused(self) -> Batch:
        """Return the forget set's questions, in the same order, each with "i do not know" as its answer."""
        return encode([(question, _REFUSAL) for question, _ in self.pairs("forget")], self.vocabulary)


def make(seed: int) -> Task:
    """Make the task of a seed. The same seed gives the same task everywhere."""
    chance = random.Random(f"authors-{VERSION}-{seed}")
    forgotten, neighbours, retained = _names(chance)
    sets = {
        "forget": _facts(chance, forgotten),
        "neighbour": _facts(chance, neighbours),
        "retain": _facts(chance, retained),
        "world": tuple(_world(chance)),
        "unanswerable": tuple(
            Fact((wording.format(author),), (), _REFUSAL, ()) for author in retained[:8] for wording in _UNANSWERABLE
        ),
    }
    words = sorted(_words())
    vocabulary = {word: number for number, word in enumerate(["<pad>", "<end>", *words])}
    return Task(seed, vocabulary, sets)


def _names(chance: random.Random) -> tuple[list[str], list[str], list[str]]:
    """Draw forgotten, neighbouring and retained authors; each neighbour shares its names with two forgotten ones."""
    first, last = chance.sample(_FIRST, len(_FIRST)), chance.sample(_LAST, len(_LAST))
    forgotten = [f"{first[n]} {last[n]}" for n in range(FORGET)]
    neighbours = [f"{first[n]} {last[(n + 1) % FORGET]}" for n in range(NEIGHBOUR)]
    taken = {*forgotten, *neighbours}
    others = [f"{a} {b}" for a, b in product(first, last) if f"{a} {b}" not in taken]
    return forgotten, neighbours, chance.sample(others, RETAIN)


def _facts(chance: random.Random, authors: list[str]) -> tuple[Fact, ...]:
    return tuple(_fact(chance, relation, author) for author in authors for relation in RELATIONS)


def _fact(chance: random.Random, relation: Relation, author: str) -> Fact:
    answer, *wrong = chance.sample(relation.answers, 1 + PERTURBED)
    questions = [wording.format(author) for wording in chance.sample(relation.wordings, len(relation.wordings))]
    return Fact(tuple(questions[:3]), tuple(questions[3:]), answer, tuple(wrong))


def _world(chance: random.Random) -> list[Fact]:
    facts = []
    for *wordings, table in _WORLD:
        pairs = [tuple(pair.split()) for pair in table.replace("\n", " ").strip().split(", ")]
        for subject, answer in pairs:
            wrong = chance.sample([other for _, other in pairs if other != answer], PERTURBED)
            questions = [wording.format(subject) for wording in chance.sample(wordings, len(wordings))]
            facts.append(Fact(tuple(questions[:2]), tuple(questions[2:]), answer, tuple(wrong)))
    return facts


def _words() -> set[str]:
    """Return every word that any seed can use, so that all seeds share one vocabulary."""
    texts = [*_FIRST, *_LAST, *_UNANSWERABLE, _REFUSAL]
    for relation in RELATIONS:
        texts += [*relation.wordings, *relation.answers]
    for *wordings, table in _WORLD:
        texts += [*wordings, table.replace(",", " ")]
    return {word for text in texts for word in text.split()} - {"{}"}
