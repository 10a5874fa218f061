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


def counts(atlas: Atlas) -> dict[str, dict[str, int | list[int]]]:
    """Count the catalog, under one heading for each thing that is counted.

    Entries by kind, papers with an entry of all of their kind, methods by term of each axis, evidence by status, public
    code, reported results, attacks tried, and relations by type.
    """
    from unlearning_atlas.catalog import walk_terms

    found: dict[str, dict[str, int | list[int]]] = {
        "entries": {kind.replace("_", " "): len(entries) for kind, entries in atlas.collections.items()},
        "papers with an entry": {kind: list(pair) for kind, pair in coverage(atlas.literature).items()},
    }
    facets = atlas.methods.facets()
    for name, axis in atlas.taxonomy.items():
        if name in facets:
            found[f"methods by {name}"] = {
                "  " * len(above) + term.id: facets[name][term.id] for term, above in walk_terms(axis.terms)
            }
    entries = [entry for collection in atlas.collections.values() for entry in collection.values()]
    found["evidence"] = dict(Counter(item.status for entry in entries for item in entry.evidence).most_common())
    methods = list(atlas.methods.values())
    code = [code for method in methods for code in method.code]
    found["public code of methods"] = {
        "official": sum(item.official for item in code),
        "ports": sum(not item.official for item in code),
        "deviations from the paper": sum(len(item.deviations) for item in code),
    }
    results = [result for method in methods for result in method.reported_results]
    found["reported results"] = {
        "numbers": len(results),
        "of them read in the source": sum(result.status == "verified" for result in results),
        "methods with a number": sum(bool(method.reported_results) for method in methods),
    }
    trials = [trial for method in methods for trial in method.robustness]
    found["attacks tried"] = {
        "trials": len(trials),
        "of them read in the source": sum(trial.status == "verified" for trial in trials),
        "methods they were tried on": sum(bool(method.robustness) for method in methods),
        "attacks that were tried": len({trial.attack for trial in trials}),
        **Counter(trial.outcome for trial in trials),
    }
    found["relations"] = dict(Counter(link.type for method in methods for link in method.relations).most_common())
    return found
