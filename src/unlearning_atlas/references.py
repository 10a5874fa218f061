"""Where the models refer to something else, read off their own annotations.

The reference check, the query index and the graph all walk an entry's references through here, so a new field needs no
more than its :class:`~unlearning_atlas.models.Ref` mark.
"""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from unlearning_atlas.models import ENTRY_MODELS, Model, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Loc = tuple[str | int, ...]


@cache
def fields(model: type[Model]) -> dict[str, tuple[str, Ref | None, type[Model] | None]]:
    """Map each YAML key of a model to its attribute, its reference mark and the model nested in it, if any."""
    found = {}
    for attribute, info in model.model_fields.items():
        ref = next((item for item in info.metadata if isinstance(item, Ref)), None)
        nested_ref, nested = _inside(info.annotation)
        found[info.alias or attribute] = (attribute, ref or nested_ref, nested)
    return found


def _inside(annotation: Any) -> tuple[Ref | None, type[Model] | None]:
    """Look through optionals, tuples and Annotated for a reference mark or a nested model."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return None, annotation
    ref = None
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        ref = next((item for item in inner[1:] if isinstance(item, Ref)), None)
        inner = inner[:1]
    elif get_origin(annotation) not in (tuple, Union, UnionType):
        return None, None
    for part in inner:
        nested_ref, nested = _inside(part)
        if nested_ref or nested:
            return ref or nested_ref, nested
    return ref, None


@cache
def _referring(model: type[Model]) -> list[tuple[str, str, Ref | None]]:
    """Return (key, attribute, mark) of the fields that refer to something or hold a model that does."""
    return [
        (key, attribute, ref)
        for key, (attribute, ref, nested) in fields(model).items()
        if ref is not None or (nested is not None and (nested is model or _referring(nested)))
    ]


def walk(instance: Model, loc: Loc = ()) -> Iterator[tuple[Loc, Ref, str]]:
    """Yield (place, mark, value) for every reference in an instance; the place is the path of YAML keys and indices."""
    for key, attribute, ref in _referring(type(instance)):
        value = getattr(instance, attribute)
        if ref is not None:
            if isinstance(value, tuple):
                for number, item in enumerate(value):
                    yield (*loc, key, number), ref, item
            elif value is not None:
                yield (*loc, key), ref, value
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                yield from walk(item, (*loc, key, number))
        elif value is not None:
            yield from walk(value, (*loc, key))


@cache
def _nested(model: type[Model]) -> list[tuple[str, str]]:
    return [(key, attribute) for key, (attribute, _, nested) in fields(model).items() if nested is not None]


def models(instance: Model, loc: Loc = ()) -> Iterator[tuple[Loc, Model]]:
    """Yield (place, model) for an instance and every model nested in it."""
    yield loc, instance
    for key, attribute in _nested(type(instance)):
        value = getattr(instance, attribute)
        if isinstance(value, tuple):
            for number, item in enumerate(value):
                yield from models(item, (*loc, key, number))
        elif value is not None:
            yield from models(value, (*loc, key))


def axes(models: Iterable[type[Model]] = tuple(ENTRY_MODELS.values())) -> set[str]:
    """Return the axes of the taxonomy that some models refer to, those of nested models among them."""
    found = set()
    for model in models:
        for _, ref, nested in fields(model).values():
            if ref is not None and ref.to == "term":
                found.add(ref.axis)
            if nested is not None:
                found |= axes((nested,))
    return found


def model_at(model: type[Model], loc: Loc) -> type[Model] | None:
    """Return the model of the mapping at a place, or None where the place holds no model."""
    for part in loc:
        if isinstance(part, int):
            continue
        entry = fields(model).get(part)
        if entry is None or entry[2] is None:
            return None
        model = entry[2]
    return model
