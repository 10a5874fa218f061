"""The JSON Schemas: fresh, and of one mind with the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from unlearning_atlas import schema
from unlearning_atlas.catalog import read_catalog
from unlearning_atlas.files import stale, write_together

if TYPE_CHECKING:
    from tests.conftest import Root

KINDS = {
    "methods": "method",
    "benchmarks": "benchmark",
    "metrics": "metric",
    "surveys": "survey",
    "open_problems": "open-problem",
}


def test_the_schemas_are_fresh(checkout: Path) -> None:
    texts = schema.schemas(read_catalog(checkout))
    assert stale(checkout, texts) == [], "run 'unlearning-atlas schema' and commit what it writes"


def test_a_new_term_makes_them_stale_and_writing_makes_them_fresh(small: Root) -> None:
    texts = schema.schemas(read_catalog(small.path))
    assert stale(small.path, texts) == list(texts)
    write_together(small.path, texts)
    assert stale(small.path, texts) == []
    small.edit("taxonomy/modalities.yaml", "id: code", "id: program-code")
    assert stale(small.path, schema.schemas(read_catalog(small.path))) == [
        "catalog/schema/method.schema.json",
        "catalog/schema/benchmark.schema.json",
        "catalog/schema/survey.schema.json",
    ]


def validator(root: Path, name: str) -> Draft202012Validator:
    data = json.loads(schema.schemas(read_catalog(root))[f"catalog/schema/{name}.schema.json"])
    Draft202012Validator.check_schema(data)
    return Draft202012Validator(data)


def entry(root: Path, file: str) -> Any:
    return yaml.safe_load((root / file).read_text())


def test_every_entry_fits(small_root: Path, checkout: Path) -> None:
    for root in (small_root, checkout):
        for kind, name in KINDS.items():
            check = validator(root, name)
            for file in (root / "catalog" / kind).glob("*.yaml"):
                assert [error.message for error in check.iter_errors(yaml.safe_load(file.read_text()))] == [], file
        check = validator(root, "axis")
        for file in (root / "taxonomy").glob("*.yaml"):
            assert [error.message for error in check.iter_errors(yaml.safe_load(file.read_text()))] == [], file


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"famliy": "x"}, []),
        ({"family": "no-such-family"}, ["family"]),
        ({"family": "direct-fine-tuning"}, ["family"]),
        ({"paradigm": []}, ["paradigm"]),
        ({"modality": ["sound"]}, ["modality", 0]),
        ({"introduced": "2023-13"}, ["introduced"]),
        ({"id": "Alpha"}, ["id"]),
        ({"needs": {"forget_set": "maybe"}}, ["needs"]),
        ({"evidence": []}, ["evidence"]),
        ({"objective": {"forget": ["nll-on-retain"], "retain": ["nll-on-retain"]}}, ["objective", "forget", 0]),
    ],
)
def test_editors_see_what_is_wrong(small_root: Path, change: dict[str, Any], where: list[str | int]) -> None:
    broken = entry(small_root, "catalog/methods/alpha-ascent.yaml") | change
    errors = list(validator(small_root, "method").iter_errors(broken))
    assert any(list(error.absolute_path) == where for error in errors), [list(e.absolute_path) for e in errors]


def test_every_field_is_described(checkout: Path) -> None:
    for name, text in schema.schemas(read_catalog(checkout)).items():
        data = json.loads(text)
        for model in (data, *data.get("$defs", {}).values()):
            for field, about in model.get("properties", {}).items():
                assert about.get("description") or "$ref" in about, f"{name}: {field}"
