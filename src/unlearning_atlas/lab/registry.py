"""Reference implementations, loaded by path, so that a checkout and an installed package behave alike.

An implementation is a file named after its method's id, hyphens turned into underscores, that defines

* ``Hyperparameters``: a frozen dataclass whose defaults are the lab's values;
* ``PAPER``: the values that the paper or its code give, by the names used there;
* ``SPACE``: what :mod:`unlearning_atlas.lab.tuning` searched to find the lab's values;
* ``unlearn(model, data, *, seed=0, on_step=None, **hyperparameters)``, which returns the model changed in place, or a
  wrapped one that is called in the same way.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, cast

from unlearning_atlas.faults import UnknownNameError
from unlearning_atlas.lab.models import built_in, learnt

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from unlearning_atlas.lab.batches import Batch, Tokenizer
    from unlearning_atlas.lab.models import Start
    from unlearning_atlas.lab.task import Task
    from unlearning_atlas.lab.training import OnStep

    class Unlearn(Protocol):
        """The function every implementation defines."""

        def __call__(
            self, model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **values: Any
        ) -> nn.Module:
            """Unlearn, and return the model."""
            ...


@dataclass(frozen=True)
class Data:
    """What a method may see and use. Most take the first three only."""

    forget: Batch
    retain: Batch
    refusals: Batch
    """The prompts of ``forget``, in the same order, each with a refusal as its target."""
    new: Batch
    """Sequences of the forget set's kind that the model has never learnt."""
    remaining: Batch
    """Everything the model has learnt but what is to be forgotten: for methods that train anew."""
    tokenizer: Tokenizer
    start: Start
    """Makes and trains models as the one to be unlearnt was made."""

    @classmethod
    def of(cls, task: Task, start: Start | None = None) -> Data:
        """Take what a method may see from a task; without a start, the built-in model's."""
        return cls(
            forget=task.encoded("forget"),
            retain=task.encoded("retain"),
            refusals=task.refused(),
            new=task.encoded("new"),
            remaining=learnt(task, "retrained"),
            tokenizer=task.tokenizer,
            start=start or built_in(len(task.tokenizer)),
        )


@dataclass(frozen=True)
class Implementation:
    """A loaded file."""

    id: str
    file: Path
    unlearn: Unlearn
    hyperparameters: type[Any]
    paper: dict[str, object]
    space: dict[str, tuple[float, ...]]

    def defaults(self) -> dict[str, Any]:
        """Return the lab's hyper-parameters by name."""
        return {field.name: field.default for field in fields(self.hyperparameters)}

    def parsed(self, texts: dict[str, str]) -> dict[str, Any]:
        """Turn texts from a command line into hyper-parameters of the right type.

        Raises UnknownNameError for a name that does not exist and ValueError for a text of the wrong form.
        """
        values: dict[str, Any] = {}
        for name, text in texts.items():
            if name not in self.defaults():
                raise UnknownNameError(f"hyper-parameter of {self.id}", name, self.defaults())
            wanted = type(self.defaults()[name])
            try:
                values[name] = wanted(text)
            except ValueError:
                kind = {int: "a whole number", float: "a number"}.get(wanted, wanted.__name__)
                raise ValueError(f"{name} must be {kind} (got {text!r}; default {self.defaults()[name]})") from None
        return values


def available(folder: Path) -> list[str]:
    """Return the ids of the methods that have an implementation in a folder."""
    return sorted(file.stem.replace("_", "-") for file in folder.glob("[a-z]*.py"))


def implementation(folder: Path, id_: str) -> Implementation:
    """Load a method's implementation. Raises UnknownNameError, with those that come close, when it has none."""
    if id_ not in available(folder):
        raise UnknownNameError("implementation", id_, available(folder))
    file = folder / f"{id_.replace('-', '_')}.py"
    name = f"unlearning_atlas_reference_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return Implementation(
        id_, file, cast("Unlearn", module.unlearn), module.Hyperparameters, module.PAPER, module.SPACE
    )
