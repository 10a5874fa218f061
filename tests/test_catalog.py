"""The catalog itself: no faults, no empty leaf, nothing without evidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.speed.generate import catalog

import unlearning_atlas as ua
from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.models import Term


@pytest.fixture(scope="module")
def atlas() -> ua.Atlas:
    return ua.load()


def test_it_has_no_faults() -> None:
    assert [str(fault) for fault in ua.validate()] == []


def leaves(terms: tuple[Term, ...]) -> set[str]:
    return {term.id for term, _ in walk_terms(terms) if not term.children}


def test_what_the_benchmarks_make_of_it_has_no_faults_either(checkout: Path, tmp_path: Path) -> None:
    assert ua.validate(catalog(checkout, tmp_path / "made", 1_000)) == []


def test_every_leaf_of_the_surveys_tree_has_a_method(atlas: ua.Atlas) -> None:
    of_the_survey = [term for term in atlas.taxonomy["family"].terms if term.source]
    assert len(of_the_survey) == 4
    for leaf in leaves(tuple(of_the_survey)):
        assert atlas.methods.where(family=leaf), leaf


def test_our_own_branch_is_not_credited_to_anybody(atlas: ua.Atlas) -> None:
    own = next(term for term in atlas.taxonomy["family"].terms if term.id == "exact-and-retraining")
    assert all(term.source is None for term, _ in walk_terms((own,)))


def test_every_term_says_what_belongs_there(atlas: ua.Atlas) -> None:
    for axis in atlas.taxonomy.values():
        for term, _ in walk_terms(axis.terms):
            assert len(term.definition.split()) >= 5, f"{axis.axis}/{term.id}"


def test_what_entries_name_is_there(atlas: ua.Atlas) -> None:
    used = {id_ for method in atlas.methods.values() for id_ in method.benchmarks}
    assert used <= set(atlas.benchmarks)
    assert {id_ for benchmark in atlas.benchmarks.values() for id_ in benchmark.metrics} <= set(atlas.metrics)
    groups = {metric.group for metric in atlas.metrics.values()}
    assert groups == leaves(atlas.taxonomy["metric_group"].terms), "every group of metrics has one"


def test_papers_are_cited_both_ways(atlas: ua.Atlas, checkout: Path) -> None:
    files = [*(checkout / "catalog").rglob("*.yaml"), *(checkout / "taxonomy").glob("*.yaml")]
    pattern = re.compile(r"(?:paper|source|survey): ([a-z]+[0-9]{4}[a-z0-9]+)$", re.M)
    cited = {key for file in files for key in pattern.findall(file.read_text())}
    assert cited <= set(atlas.papers)
    assert {key for key, paper in atlas.papers.items() if not paper.triage} <= cited, "what waits for no entry is cited"


def test_the_survey_is_credited_as_seen_only_where_it_is_known_to_cover(atlas: ua.Atlas) -> None:
    """The list of methods that a summary of the seed survey names."""
    covered = ((method.id, item) for method in atlas.methods.values() for item in method.surveys)
    seen = {id_ for id_, item in covered if (item.survey, item.status) == ("li2025survey", "seen")}
    assert seen <= {"ga", "quark", "demem", "idk-dpo", "npo", "rmu", "depn", "wagle", "needle", "icul"}


def test_what_is_verified_was_read_on_a_day_at_a_place(atlas: ua.Atlas) -> None:
    verified = [
        evidence
        for collection in atlas.collections.values()
        for entry in collection.values()
        for evidence in entry.evidence
        if evidence.status == "verified"
    ]
    assert len(verified) >= 80
    assert all(evidence.checked and evidence.place for evidence in verified)
