"""General knowledge that every task adds, and that no method sees: capitals, symbols, opposites."""

from __future__ import annotations

import random

from unlearning_atlas.lab.task import Fact

WRONG = 5
"""Wrong answers per fact."""

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
_RELATIONS = (
    ("what is the capital of {} ?", "which city governs {} ?", "name the capital of {} .", _CAPITALS),
    ("what is the symbol of {} ?", "how do chemists write {} ?", "name the symbol for {} .", _SYMBOLS),
    ("what is the opposite of {} ?", "which word is contrary to {} ?", "name the opposite of {} .", _OPPOSITES),
)


def facts(chance: random.Random) -> tuple[Fact, ...]:
    """Return 120 facts, each with two learnt wordings and one held out."""
    found = []
    for *wordings, table in _RELATIONS:
        pairs = [tuple(pair.split()) for pair in table.replace("\n", " ").strip().split(", ")]
        for subject, answer in pairs:
            wrong = chance.sample([other for _, other in pairs if other != answer], WRONG)
            drawn = [wording.format(subject) for wording in chance.sample(wordings, len(wordings))]
            found.append(Fact(tuple(drawn[:2]), tuple(drawn[2:]), answer, tuple(wrong)))
    return tuple(found)


def texts() -> list[str]:
    """Return every text of this module, for a vocabulary; a subject's place is marked with {}."""
    return [text.replace(",", " ") for relation in _RELATIONS for text in relation]
