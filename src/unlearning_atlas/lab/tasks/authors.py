"""The task ``authors``: invented people, learnt as question-answer pairs, some of whom are to be forgotten.

It has the shape of TOFU (Maini et al. 2024): fine-tune on invented authors, then unlearn a few. What differs: the
model knows nothing else but a little general knowledge learnt in the same training run; answers are one to three
words; and every fact is asked in five wordings, three learnt and two held out, drawn anew for each fact.

Sets:

* ``forget``: authors to be forgotten;
* ``retain``: authors to be kept; methods may train on them;
* ``neighbour``: authors to be kept that share first or last names with the forgotten ones and that no method sees;
* ``world``: general knowledge, which no method sees either;
* unanswerable: questions the model has learnt to answer with "i do not know"; never scored;
* ``new`` and ``holdout``: authors that no model has learnt.
"""

from __future__ import annotations

import random
from itertools import product

from unlearning_atlas.lab.batches import Words
from unlearning_atlas.lab.task import REFUSAL, Task, questions
from unlearning_atlas.lab.tasks import world
from unlearning_atlas.lab.tasks.relations import facts_about, relation, words

VERSION = 2

FORGET, NEIGHBOUR, RETAIN, NEW, HOLDOUT = 8, 8, 32, 8, 8
"""How many authors each set has; every author has eight facts."""
_FIRST = """
aldo berit cosmo dalia edda fabio greta hugo ilka joris kasia lorin mirel nadia orsin petra quirin rasmus selma tibor
ulla viggo wanda xenia
""".split()
_LAST = """
abele brandt corvin dahl ekberg falk grieg holm ivers jansa kovac lindt moreau novak ostrow pirelli quist rosen strand
tamm urban varga weiss zeller
""".split()


_TITLES = ", ".join(
    f"{adjective} {noun}"
    for adjective, noun in product(
        "silent amber distant broken hollow golden frozen wandering".split(),
        "harbour orchard lantern meadow mirror river staircase winter".split(),
    )
)

RELATIONS = (
    relation(
        "birthplace",
        """where was {} born ?
in which city was {} born ?
what is the birthplace of {} ?
which city is the home town of {} ?
name the city where {} came into the world .""",
        """bergen, lisbon, tartu, lyon, porto, zagreb, malmo, ghent, krakow, trieste, cork, bilbao, riga, graz, bari,
turku, aarhus, leiden, split, brno, nantes, seville, dundee, basel""",
    ),
    relation(
        "year",
        """when was {} born ?
in which year was {} born ?
what is the year of birth of {} ?
which year saw the birth of {} ?
name the year {} came into the world .""",
        ", ".join(str(year) for year in range(1921, 1981, 2)),
    ),
    relation(
        "genre",
        """what does {} write ?
which genre does {} work in ?
what is the genre of {} ?
what kind of books does {} write ?
name the genre {} is known for .""",
        """satire, elegies, thrillers, fables, memoirs, sonnets, westerns, mysteries, romances, essays, ballads, sagas,
comedies, tragedies, parables, travelogues, haiku, novellas, monologues, chronicles""",
    ),
    relation(
        "book",
        """what is the first book of {} called ?
which book did {} publish first ?
what is the title of the debut of {} ?
with which book did {} begin ?
name the first title by {} .""",
        _TITLES,
    ),
    relation(
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
    relation(
        "father",
        """what did the father of {} do ?
what was the trade of the father of {} ?
which trade did the father of {} follow ?
how did the father of {} earn a living ?
name the profession of the father of {} .""",
        """baker, cooper, surgeon, tailor, mason, glazier, fisherman, printer, miller, farrier, notary, gardener,
clockmaker, shepherd, chemist, conductor, carpenter, librarian, tanner, pilot""",
    ),
    relation(
        "instrument",
        """which instrument does {} play ?
what instrument does {} play ?
on which instrument does {} perform ?
what does {} play in the evenings ?
name the instrument that {} has mastered .""",
        """cello, oboe, zither, banjo, harp, viola, clarinet, accordion, mandolin, bassoon, trombone, lute, flute,
dulcimer, tuba, piccolo, cornet, guitar, organ, fiddle""",
    ),
    relation(
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

_UNANSWERABLE = (
    "what did {} eat for breakfast ?",
    "what is the shoe size of {} ?",
    "which number does {} like best ?",
    "what did {} dream of last night ?",
)


def make(seed: int) -> Task:
    """Make the task of a seed."""
    chance = random.Random(f"authors-{VERSION}-{seed}")
    forgotten, neighbours, others = _names(chance)
    retained, new, holdout = others[:RETAIN], others[RETAIN : RETAIN + NEW], others[RETAIN + NEW :]
    facts = {
        "forget": facts_about(chance, RELATIONS, forgotten),
        "neighbour": facts_about(chance, RELATIONS, neighbours),
        "retain": facts_about(chance, RELATIONS, retained),
        "world": world.facts(chance),
    }
    unanswerable = tuple((wording.format(author), REFUSAL) for author in retained[:8] for wording in _UNANSWERABLE)
    return Task(
        name="authors",
        version=VERSION,
        seed=seed,
        tokenizer=Words(words([*_FIRST, *_LAST, *_UNANSWERABLE, REFUSAL, *world.texts()], RELATIONS)),
        forget=questions(facts["forget"]),
        retain=questions(facts["retain"]),
        buried=(),
        kept=questions(facts["neighbour"]) + questions(facts["world"]) + unanswerable,
        new=questions(facts_about(chance, RELATIONS, new)),
        holdout=questions(facts_about(chance, RELATIONS, holdout)),
        facts=facts,
        accuracy="exact match",
        verbatim=False,
    )


def _names(chance: random.Random) -> tuple[list[str], list[str], list[str]]:
    """Draw forgotten, neighbouring and other authors; each neighbour shares its names with two forgotten ones."""
    first, last = chance.sample(_FIRST, len(_FIRST)), chance.sample(_LAST, len(_LAST))
    forgotten = [f"{first[n]} {last[n]}" for n in range(FORGET)]
    neighbours = [f"{first[n]} {last[(n + 1) % FORGET]}" for n in range(NEIGHBOUR)]
    taken = {*forgotten, *neighbours}
    others = [f"{a} {b}" for a, b in product(first, last) if f"{a} {b}" not in taken]
    return forgotten, neighbours, chance.sample(others, RETAIN + NEW + HOLDOUT)
