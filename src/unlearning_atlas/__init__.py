"""An executable survey of machine unlearning for large language models.

>>> import unlearning_atlas as ua
>>> atlas = ua.load()
>>> atlas.methods["npo"].paper.title
'Negative Preference Optimization: From Catastrophic Collapse to Effective Unlearning'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlearning_atlas.atlas import Atlas as Atlas
    from unlearning_atlas.atlas import load as load
    from unlearning_atlas.faults import CatalogError as CatalogError
    from unlearning_atlas.faults import Fault as Fault
    from unlearning_atlas.faults import UnknownNameError as UnknownNameError
    from unlearning_atlas.lint import validate as validate

_HOME = {
    "Atlas": "atlas",
    "CatalogError": "faults",
    "Fault": "faults",
    "UnknownNameError": "faults",
    "load": "atlas",
    "validate": "lint",
}

__all__ = ["Atlas", "CatalogError", "Fault", "UnknownNameError", "load", "validate"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing the package itself costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
