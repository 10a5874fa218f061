"""What each paper is to the catalog, and the counts made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import unlearning_atlas as ua
from unlearning_atlas.literature import counts, coverage
from unlearning_atlas.papers import parse_bibliography

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Root


def test_every_paper_has_a_standing(small_root: Path) -> None:
    literature = ua.load(small_root).literature
    assert {key: item.kind for key, item in literature.items()} == {
        "field2022authors": "benchmark",
        "lake2024hazard": "benchmark",
        "moss2025survey": "survey",
        "rivers2024beta": "method",
        "stone2023alpha": "method",
        "stone2024gamma": "method",
        "stone2026waiting": "attack",
    }
    # One paper may introduce several things; posing an open problem is not introducing it.
    assert set(literature["field2022authors"].entries) == {
        ("benchmarks", "authors-bench"),
        ("metrics", "truth-score"),
        ("metrics", "privacy-gap"),
    }
    assert literature["moss2025survey"].entries == (("surveys", "moss2025survey"),)
    assert literature["stone2026waiting"].entries == ()
    paper = literature["stone2026waiting"].paper
    assert (paper.month, paper.code, paper.triage) == (5, "https://github.com/example/waiting", "attack")
    assert literature["rivers2024beta"].paper.month == 2, "from its arXiv id"


def test_coverage_counts_what_waits(small: Root) -> None:
    before = coverage(ua.load(small.path).literature)
    assert before["metric"] == (0, 1), "an attack is a metric of the catalog"
    assert before["method"] == (3, 3)
    text = small.text("catalog/references.bib")
    small.write("catalog/references.bib", text.replace("keywords = {attack}", "keywords = {method}"))
    assert coverage(ua.load(small.path).literature)["method"] == (3, 4)


def test_counts(small_root: Path) -> None:
    found = counts(ua.load(small_root))
    assert found["entries"] == {"methods": 3, "benchmarks": 2, "metrics": 3, "surveys": 1, "open problems": 1}
    family = {name.strip(): count for name, count in found["methods by family"].items()}
    assert (family["direct-fine-tuning"], family["gradient-based"], family["representation-engineering"]) == (2, 1, 1)
    assert found["evidence"] == {"unverified": 11, "verified": 2}
    assert found["public code of methods"] == {"official": 1, "ports": 0, "deviations from the paper": 1}
    assert found["attacks tried"] == {
        **{"trials": 3, "of them read in the source": 1, "methods they were tried on": 2},
        **{"attacks that were tried": 1, "weakened": 1, "broken": 1, "withstood": 1},
    }
    assert found["reported results"] == {"numbers": 1, "of them read in the source": 0, "methods with a number": 1}
    assert found["relations"] == {"extends": 1, "fixes": 1, "attacks": 1}


@pytest.mark.parametrize(
    ("author", "eprint", "citation", "month"),
    [
        ("Hill, Flo", "2503.01234", "Hill 2025", 3),
        ("Flo Hill and Stone, Ed", "2599.01234", "Hill and Stone 2025", None),
        ("Flo Hill and others", "cs/0101001", "Hill et al. 2025", None),
        ("Flo Hill and Ed Stone and others", "", "Hill et al. 2025", None),
    ],
)
def test_citation_and_month(author: str, eprint: str, citation: str, month: int | None) -> None:
    fields = f"title = {{T}}, author = {{{author}}}, year = 2025, eprint = {{{eprint}}}, archivePrefix = {{arXiv}}"
    paper = parse_bibliography(f"@misc{{a, {fields}}}")[0]["a"]
    assert (paper.citation, paper.month) == (citation, month)
