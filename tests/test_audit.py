"""Spot checks: the sample is repeatable, and outcomes reach the entries and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from unlearning_atlas import audit, validate
from unlearning_atlas.catalog import read_catalog

if TYPE_CHECKING:
    from tests.conftest import Root

A = "catalog/methods/alpha-ascent.yaml"
B = "catalog/methods/beta-preference.yaml"
DAY = "2026-11-30"


def sheet(root: Path, **outcomes: str) -> dict[str, Any]:
    """Return a worksheet of every claim, all unreachable but those named by their fields."""
    data: dict[str, Any] = yaml.safe_load(audit.worksheet(audit.draw(read_catalog(root), 1000, 0), 0))
    for row in data["claims"]:
        row["outcome"] = outcomes.get(row["field"], "unreachable") if row["file"] == B else "unreachable"
    return data


def record(root: Path, data: dict[str, Any]) -> tuple[Path, Any, list[str]]:
    return audit.record(root, yaml.safe_dump(data, allow_unicode=True), DAY)


def test_every_claim_can_be_drawn_once_with_what_it_says(small_root: Path) -> None:
    drawn = audit.draw(read_catalog(small_root), 1000, 0)
    assert len(set(drawn)) == len(drawn)
    by_field = {(claim.file, claim.field): claim for claim in drawn}
    assert by_field[B, "family"].value == "preference-optimization"
    assert by_field[B, "family"].source == "moss2025survey"
    assert by_field[B, "benchmarks.hazard-bench"].value == "hazard-bench"
    assert "sigma" in by_field[B, "equation"].value
    assert '"value": 0.75' in by_field[B, "reported_results.0"].value
    assert "config/forget.yaml" not in by_field[B, "hyperparameters.0"].value
    assert by_field["catalog/open_problems/relearning-holds.yaml", "posed_by.0"].place == "section 8"


def test_a_sample_is_the_same_for_a_seed_and_another_for_another(small_root: Path) -> None:
    catalog = read_catalog(small_root)
    first = audit.draw(catalog, 8, 1)
    assert audit.draw(catalog, 8, 1) == first
    assert audit.draw(catalog, 8, 2) != first
    assert len(first) == 8


def test_all_is_recorded_or_nothing(small: Root) -> None:
    before = small.text(B)
    blocked = small.path / f"{audit.FOLDER}/{DAY}-seed-0.yaml"
    blocked.mkdir(parents=True)
    with pytest.raises(OSError, match=blocked.name):
        record(small.path, sheet(small.path, cost="confirmed", family="confirmed"))
    assert small.text(B) == before
    assert list(blocked.parent.iterdir()) == [blocked]


def test_confirmed_claims_become_verified_and_nothing_else_does(small: Root) -> None:
    before = small.text(B)
    kept, outcomes, changed = record(small.path, sheet(small.path, cost="confirmed", family="confirmed"))
    assert (outcomes["confirmed"], changed) == (2, [B])
    assert validate(small.path) == []
    value = yaml.safe_load(small.text(B))
    cost = next(item for item in value["evidence"] if item["supports"] == ["cost"])
    assert (cost["status"], cost["checked"], cost["audited"]) == ("verified", DAY, DAY)
    rest = next(item for item in value["evidence"] if "paper" in item["supports"])
    assert rest["supports"] == ["paper", "introduced", "paradigm", "access_level", "objective", "needs"]
    assert (rest["status"], "audited" in rest) == ("unverified", False)
    family = next(item for item in value["evidence"] if item["supports"] == ["family"])
    assert (family["status"], family["basis"]) == ("verified", "derived")
    assert kept == small.path / f"catalog/audits/{DAY}-seed-0.yaml"
    was = yaml.safe_load(before)
    assert {k: v for k, v in value.items() if k != "evidence"} == {k: v for k, v in was.items() if k != "evidence"}
    assert "# A comment above the first key." in small.text(B)


def test_what_was_read_before_keeps_its_lines(small: Root) -> None:
    record(small.path, sheet(small.path, code="confirmed"))
    value = yaml.safe_load(small.text(B))
    code = next(item for item in value["evidence"] if item["supports"] == ["code"])
    assert list(code) == ["supports", "source", "commit", "place", "status", "checked", "audited"]
    assert code["checked"] == DAY


def test_a_wrong_claim_must_be_corrected_first(small: Root) -> None:
    data = sheet(small.path, family="corrected", equation="unsupported", cost="confirmed")
    before = small.text(B)
    with pytest.raises(audit.AuditError) as error:
        record(small.path, data)
    assert "family): corrected, but the entry still says what it said" in str(error.value)
    assert "equation): unsupported, but the entry still says that it was read there" in str(error.value)
    assert small.text(B) == before
    assert not (small.path / "catalog/audits").exists()

    small.edit(B, "family: preference-optimization", "family: gradient-based")
    small.edit(B, "supports: [equation, benchmarks.authors-bench, ", "supports: [benchmarks.authors-bench, ")
    _, outcomes, _ = record(small.path, data)
    value = yaml.safe_load(small.text(B))
    family = next(item for item in value["evidence"] if item["supports"] == ["family"])
    assert (family["status"], family["audited"]) == ("verified", DAY)
    assert audit.error_rate(outcomes) == pytest.approx(2 / 3)
    (kept,) = audit.audits(small.path)
    assert (kept["day"], kept["seed"], kept["size"]) == (DAY, 0, len(data["claims"]))
    assert (kept["outcomes"]["corrected"], kept["outcomes"]["unsupported"]) == (1, 1)


def test_what_is_true_but_stood_elsewhere_is_not_wrong(small: Root) -> None:
    data = sheet(small.path, family="misplaced", code="confirmed")
    with pytest.raises(audit.AuditError, match="misplaced, but the entry still says what it said"):
        record(small.path, data)
    small.edit(B, "place: figure 2", "place: figure 3")
    _, outcomes, _ = record(small.path, data)
    family = next(item for item in yaml.safe_load(small.text(B))["evidence"] if item["supports"] == ["family"])
    assert (family["place"], family["status"], family["audited"]) == ("figure 3", "verified", DAY)
    assert (outcomes["misplaced"], audit.error_rate(outcomes)) == (1, 0)
    with pytest.raises(audit.AuditError, match="has been recorded"):
        record(small.path, sheet(small.path, code="confirmed"))


def test_a_worksheet_that_is_not_filled_in_is_refused_whole(small: Root) -> None:
    data = sheet(small.path, cost="confirmed")
    data["claims"][0]["outcome"] = ""
    data["claims"][1]["outcome"] = "maybe"
    data["claims"][2]["outcome"] = ["confirmed"]
    with pytest.raises(audit.AuditError, match=r"claim 1 .*\n.*claim 2 .*'maybe' is none of confirmed.*\n.*claim 3 "):
        record(small.path, data)
    lacking = "claims: [{file: catalog/methods/npo.yaml, outcome: confirmed}]"
    for text in ("", "[]", "claims: 3", "seed: 1\nclaims: [3]", f"seed: 1\n{lacking}", "claims: ["):
        with pytest.raises(audit.AuditError, match="no worksheet"):
            audit.record(small.path, text, DAY)


def test_no_error_rate_without_anything_checked(small: Root) -> None:
    _, outcomes, changed = record(small.path, sheet(small.path))
    assert audit.error_rate(outcomes) is None
    assert changed == []
