"""The papers of the bibliography, and what each of them is to the catalog."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unlearning_atlas.atlas import Atlas
    from unlearning_atlas.papers import Paper

BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class Literature:
    """A paper and its standing.

    ``kind`` is the kind of the entries it introduces ("method", "benchmark", "metric", "survey"), else its triage kind
    (see :data:`unlearning_atlas.papers.TRIAGE`), else "background": cited by the catalog without being about
    unlearning. ``entries`` holds (kind, id) of the entries it introduces.
    """

    paper: Paper
    kind: str
    entries: tuple[tuple[str, str], ...]


def survey_literature(atlas: Atlas) -> Mapping[str, Literature]:
    """Return the standing of every paper, by BibTeX key."""
    introduced: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for kind, entries in atlas.collections.items():
        if kind == "open_problems":
            continue  # it names a paper that poses it, not one that introduces it
        for record in entries.to_records():
            introduced[record["paper"]].append((kind, record["id"]))
    return {
        key: Literature(
            paper,
            introduced[key][0][0][:-1] if key in introduced else paper.triage or BACKGROUND,
            tuple(introduced.get(key, ())),
        )
        for key, paper in atlas.papers.items()
    }


def coverage(literature: Mapping[str, Literature]) -> dict[str, tuple[int, int]]:
    """Return, for each kind of paper about unlearning, how many have an entry and how many there are.

    An attack counts as a metric, as it does in the catalog.
    """
    total: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    for item in literature.values():
        if item.kind == BACKGROUND:
            continue
        kind = "metric" if item.kind == "attack" else item.kind
        total[kind] += 1
        covered[kind] += bool(item.entries)
    return {kind: (covered[kind], total[kind]) for kind in sorted(total, key=lambda kind: -total[kind])}
