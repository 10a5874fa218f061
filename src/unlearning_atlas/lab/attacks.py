"""Attacks that ask whether something was forgotten or only hidden, named as the entries in ``catalog/metrics``.

Asking in other words is the score ``paraphrase``, and membership inference is measured with the other scores, in
:mod:`unlearning_atlas.lab.measures`. The three attacks here have the weights: a wrapping around a model that was left
as it was comes off first.
"""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab import anatomy
from unlearning_atlas.lab.batches import IGNORE, mean_nll, shuffled
from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.training import DivergedError, descend, logits_of

if TYPE_CHECKING:
    from unlearning_atlas.lab.batches import Batch
    from unlearning_atlas.lab.measures import Meter

RELEARN_RATE, RELEARN_BATCH = 3e-4, 32
RELEARN_STEPS = (0, 1, 2, 3, 5, 7, 10, 14, 20, 28, 40)
RELEARNT = 0.9
"""Back is what is answered as often as this."""
BITS = (8, 4, 3)


def bare(model: nn.Module) -> nn.Module:
    """Return the model inside a wrapping, or the model itself."""
    return model.model if isinstance(model, Wrapped) else model


def relearn(model: nn.Module, meter: Meter, forget: Batch, seed: int) -> dict[str, Any]:
    """Fine-tune a copy on the forget set and watch the forgotten come back.

    AdamW at a rate of 3e-4, batches of 32. Returns ``curve``, pairs of steps and the score ``forget``, and ``steps``,
    the first of them at which it has reached 0.9, or None when it has not within 40.
    """
    subject = copy.deepcopy(bare(model)).requires_grad_(True)
    drawn = shuffled(forget, RELEARN_BATCH, seed)
    curve = [(0, meter.forgotten(subject))]

    def loss() -> Tensor:
        batch = next(drawn)
        return mean_nll(logits_of(subject, batch), batch.labels)

    def watch(step: int, now: nn.Module) -> None:
        if step in RELEARN_STEPS:
            curve.append((step, meter.forgotten(now)))

    with contextlib.suppress(DivergedError):  # a wreck whose weights are beyond repair learns nothing back
        descend(subject, loss, steps=RELEARN_STEPS[-1], learning_rate=RELEARN_RATE, on_step=watch)
    back = next((step for step, share in curve if share >= RELEARNT), None)
    return {"curve": [[step, share] for step, share in curve], "steps": back}


@torch.no_grad()
def quantize(model: nn.Module, bits: int) -> nn.Module:
    """Return a copy whose matrices are rounded to nearest, symmetrically, with one scale per row of (out, in)."""
    rounded = copy.deepcopy(bare(model))
    top = 2 ** (bits - 1) - 1
    for module in rounded.modules():
        kept = getattr(module, "weight", None)
        if isinstance(kept, Tensor) and kept.dim() == 2:
            weight = anatomy.matrix(module)
            scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / top
            weight.copy_((weight / scale).round().clamp(-top, top) * scale)
    return rounded


@torch.no_grad()
def logit_lens(model: nn.Module, sequences: Batch) -> float:
    """Return the largest share, over the layers below the last, of target tokens that a layer's state already predicts.

    The state goes through the final normalisation and the head (exact memorisation, read off in the middle).
    """
    subject = bare(model)
    norm, head = anatomy.final_norm(subject), anatomy.unembedding(subject)
    targets = sequences.labels[:, 1:]
    scored = targets != IGNORE
    shares = []
    for number in range(1, len(anatomy.layers(subject))):
        state = norm(anatomy.state_at(subject, sequences, number))
        right = F.linear(state, head)[:, :-1].argmax(dim=-1) == targets
        shares.append((right & scored).sum().item() / scored.sum().item())
    return max(shares, default=0.0)


def attack(model: nn.Module, meter: Meter, seed: int) -> dict[str, Any]:
    """Run every attack with access to the weights.

    Returns ``relearning`` as :func:`relearn` does, ``quantization`` with the scores ``forget`` and ``retain`` for each
    number of bits, and ``logit-lens``; the last is missing for a model whose layers are not known or are several.
    """
    found: dict[str, Any] = {"relearning": relearn(model, meter, meter.forget, seed)}
    found["quantization"] = {}
    for bits in BITS:
        matches = meter.matches(quantize(model, bits))
        found["quantization"][str(bits)] = {name: matches[name] for name in ("forget", "retain")}
    with contextlib.suppress(anatomy.UnknownModelError):
        found["logit-lens"] = logit_lens(model, meter.forget)
    return found
