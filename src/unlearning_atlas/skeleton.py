"""The beginning of a reference implementation and of its test, in the shape that all of them have."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

from unlearning_atlas.drafts import DraftError, scalar
from unlearning_atlas.faults import UnknownNameError
from unlearning_atlas.models import Method

if TYPE_CHECKING:
    from unlearning_atlas.catalog import Catalog

OUTSIDE = frozenset(("logits", "text-api"))
"""With no more access than this, a method acts while the model answers and trains nothing."""

HEADER = '''\
"""{name}.

Paper: {paper}: say in a sentence what is done, and then its equation in plain characters,

    L(theta) = ...                                      (minimised)

Which variant this is, and how it differs:

1. Say here where this file departs from the paper or its code, and what it chooses where they leave a choice.
"""
'''

TRAINED = '''
from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.batches import {batches}
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import {training}

{paper_values}
SPACE = {{{space}}}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

{fields}

{log_prob}
def {stem}_loss({arguments}) -> Tensor:
    """Say what is returned: {shapes} -> scalar."""
    raise NotImplementedError("write the loss of the paper, in full")


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Say what is trained; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
{before}    forget = shuffled(data.forget, hp.batch_size, seed)
{retain}
    def loss() -> Tensor:
        lost = next(forget)
{total}

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
'''

LOG_PROB = '''
def answer_log_prob(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log p(y | x), the sum over the answer's tokens: (B, T, V), (B, T) -> (B,)."""
    log_p, _ = token_log_probs(logits, labels)  # (B, T - 1), zero where not scored
    return log_p.sum(dim=1)

'''

WRAPPED = '''
from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep

{paper_values}
SPACE: dict[str, tuple[float, ...]] = {{"strength": (0.5, 1.0)}}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    strength: float = 1.0


def {stem}(logits: Tensor, strength: float) -> Tensor:
    """Say what is returned: (B, T, V) -> (B, T, V)."""
    raise NotImplementedError("write what the paper does with the scores, in full")


class {title}(Wrapped):
    """The model with its scores changed while it answers."""

    def __init__(self, model: nn.Module, strength: float) -> None:
        super().__init__(model)
        self.strength = strength

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the changed logits."""
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return {stem}(logits, self.strength)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Return the model wrapped; nothing is trained, ``on_step`` is not called."""
    hp = Hyperparameters(**hyperparameters)
    return {title}(model, hp.strength)
'''

TEST = '''\
from __future__ import annotations

from by_hand import module, same
from torch import Tensor


def paper_{stem}(logits: Tensor{reference}, wanted: Tensor) -> Tensor:
    """{citation}, written again from the paper, token by token, without the file's own helpers."""
    raise NotImplementedError("write the formula; by_hand.answers gives each answer's log-probabilities")


def test_{stem}(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, {third} = batch
    logits.requires_grad_()
    ours = module("{id}")
{call}
'''


def implementation(catalog: Catalog, id_: str) -> dict[str, str]:
    """Return the files of an implementation to be written, by path below the root.

    Raises UnknownNameError when no method has the id, and DraftError when there is an implementation, or no checkout
    that could hold one.
    """
    method = catalog.entries["methods"].get(id_)
    if not isinstance(method, Method):
        if id_ in catalog.known("methods"):
            raise DraftError([f"catalog/methods/{id_}.yaml has faults; mend them first: 'unlearning-atlas validate'"])
        raise UnknownNameError("method", id_, catalog.known("methods"))
    stem = id_.replace("-", "_")
    files = {"code": f"reference_impls/{stem}.py", "test": f"tests/lab/methods/test_{stem}.py"}
    faults = [f"{file} is there already; go on there" for file in files.values() if (catalog.root / file).exists()]
    if not stem.isidentifier():
        faults.append(f"{id_!r} makes no name of a Python file; such an implementation is registered by hand")
    if not (catalog.root / "tests/lab/methods").is_dir():
        faults.append(f"{catalog.root} has no tests/lab/methods: an implementation is written in a checkout")
    if faults:
        raise DraftError(faults)
    paper = catalog.bibliography[0].get(method.paper_key)
    citation = paper.citation if paper else method.paper_key
    title = f'{citation}, "{paper.title}"' if paper else citation
    values: dict[str, Any] = dict(method.hyperparameters[0].values) if method.hyperparameters else {}
    known = {"stem": stem, "id": id_, "citation": citation, "title": "".join(map(str.title, stem.split("_")))}
    known["paper_values"] = _dictionary(values)
    wrapped = set(method.access_level) <= OUTSIDE
    code = (WRAPPED if wrapped else TRAINED).format(**known, **({} if wrapped else _parts(method, stem)))
    header = HEADER.format(name=method.name.replace("\\", ""), paper=title.replace("\\", "")).split("\n")
    long = [part for line in header for part in (textwrap.wrap(line, 118) or [""])]
    return {
        files["code"]: "\n".join(long) + code,
        files["test"]: TEST.format(**known, **_test(method, stem, wrapped=wrapped)),
    }


def _dictionary(values: dict[str, Any]) -> str:
    """Write the paper's values as Python, one a line where they don't fit into one."""
    items = [f'"{name}": {_literal(value)}' for name, value in values.items()]
    line = f"PAPER: dict[str, object] = {{{', '.join(items)}}}"
    return line if len(line) <= 120 else "\n".join(["PAPER: dict[str, object] = {", *(f"    {i}," for i in items), "}"])


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _parts(method: Method, stem: str) -> dict[str, str]:
    """Return what differs between methods that train: with a retained set or not, with a reference model or not."""
    retain, reference = method.needs.retain_set != "none", method.needs.reference_model == "required"
    batches = ["mean_nll"] * retain + ["shuffled"] + ["token_log_probs"] * reference
    scores = ["scores_of_rows"] * reference
    loss = (
        f"{stem}_loss(answer_log_prob(logits_of(model, lost), lost.labels), log_p_ref[lost.index])"
        if reference
        else f"{stem}_loss(logits_of(model, lost), lost.labels)"
    )
    if retain:
        total = [
            "        kept = next(retain)",
            f"        total = {loss}",
            "        return total + hp.retain_weight * mean_nll(logits_of(model, kept), kept.labels)",
        ]
    else:
        total = [f"        return {loss}"]
    return {
        "batches": ", ".join(batches),
        "training": ", ".join(["OnStep", "descend", "logits_of", *scores]),
        "space": '"learning_rate": (1e-4, 3e-4)' + ', "retain_weight": (1.0, 5.0)' * retain,
        "fields": "    retain_weight: float = 1.0\n" * retain
        + "    learning_rate: float = 1e-4\n    steps: int = 120\n    batch_size: int = 32",
        "log_prob": LOG_PROB if reference else "",
        "arguments": "log_p: Tensor, log_p_ref: Tensor" if reference else "logits: Tensor, labels: Tensor",
        "shapes": "(B,), (B,)" if reference else "(B, T, V), (B, T)",
        "before": "    log_p_ref = scores_of_rows(model, data.forget, answer_log_prob)\n" * reference,
        "retain": "    retain = shuffled(data.retain, hp.batch_size, seed)\n" * retain,
        "total": "\n".join(total),
    }


def _test(method: Method, stem: str, *, wrapped: bool) -> dict[str, str]:
    reference = method.needs.reference_model == "required" and not wrapped
    if wrapped:
        call = [f"same(ours.{stem}(logits, 0.7).sum(), paper_{stem}(logits, wanted).sum(), logits)"]
    elif reference:
        call = [
            "log_p, log_p_ref = ours.answer_log_prob(logits, wanted), ours.answer_log_prob(reference, wanted)",
            f"same(ours.{stem}_loss(log_p, log_p_ref), paper_{stem}(logits, reference, wanted), logits)",
        ]
    else:
        call = [f"same(ours.{stem}_loss(logits, wanted), paper_{stem}(logits, wanted), logits)"]
    return {
        "reference": ", reference: Tensor" * reference,
        "third": "reference" if reference else "_",
        "call": "\n".join(f"    {line}" for line in call),
    }


def described(text: str) -> str:
    """Return what the entry says of an implementation, taken from its file's header: the numbered differences.

    The words are the header's own; a test holds the two to each other. Raises DraftError when there are none.
    """
    _, _, rest = text.partition('"""')
    header, _, _ = rest.partition('"""')
    listed = re.split(r"\n\d+\. ", header.partition("how it differs:")[2])[1:]
    if not listed:
        raise DraftError(["the file's header does not end in 'how it differs:' and a numbered list; add them"])
    lines = [f"    - {scalar(' '.join(part.split()))}" for part in listed]
    return "\n".join(["implementation:", "  status: simplified", "  differences:", *lines])
