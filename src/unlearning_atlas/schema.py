"""JSON Schemas of the catalog's files, generated from the models and the taxonomy for editors and other tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from unlearning_atlas.models import ENTRY_MODELS, Axis, Model

if TYPE_CHECKING:
    from unlearning_atlas.catalog import Catalog

FOLDER = "catalog/schema"


def schemas(catalog: Catalog) -> dict[str, str]:
    """Return the text of every schema by its file, relative to the data's root."""
    models: dict[str, type[Model]] = {kind[:-1].replace("_", "-"): model for kind, model in ENTRY_MODELS.items()}
    models["axis"] = Axis
    return {
        f"{FOLDER}/{name}.schema.json": written(name, model.model_json_schema(by_alias=True), catalog)
        for name, model in models.items()
    }


def written(name: str, schema: dict[str, Any], catalog: Catalog) -> str:
    """Return the text of a schema that a model has given, with its references to terms turned into enumerations."""
    _resolve(schema, catalog)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Unlearning Atlas: {name}"}
    return json.dumps(head | {key: value for key, value in schema.items() if key != "title"}, indent=2) + "\n"


def _resolve(node: Any, catalog: Catalog) -> None:
    """Turn the marks of references to terms into enumerations and drop what a reader of the schema can't use."""
    if isinstance(node, list):
        for item in node:
            _resolve(item, catalog)
    elif isinstance(node, dict):
        mark = node.pop("x-ref", None)
        if mark and mark[0] == "term":
            _, axis, under, leaf = mark
            node.pop("pattern", None)
            node["enum"] = catalog.allowed_terms(axis, under=under, leaf=bool(leaf))
        if isinstance(node.get("title"), str):
            del node["title"]
        if "default" in node and node["default"] in (None, []):
            del node["default"]
        for item in node.values():
            _resolve(item, catalog)
