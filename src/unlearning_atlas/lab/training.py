"""The two loops: learning a task, and descending a method's loss."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import Batch, mean_nll, shuffled

CHUNK = 256
"""Sequences per forward pass where nothing is trained."""

OnStep = Callable[[int, nn.Module], None]
"""Called after every step with the number of steps done and the model."""


class DivergedError(ArithmeticError):
    """A loss is no longer a number."""


def logits_of(model: nn.Module, batch: Batch) -> Tensor:
    """Return a model's logits on a batch: (B, T, V)."""
    logits: Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    return logits


@torch.no_grad()
def scores_of_rows(model: nn.Module, sequences: Batch, score: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return ``score(logits, labels)`` of every row of a whole set, to be looked up by ``Batch.index``: (N,).

    What a method needs of its frozen reference does not change while it trains, so it is computed once.
    """
    return torch.cat([score(logits_of(model, batch), batch.labels) for batch in sequences.split(CHUNK)])


def learn(
    model: nn.Module,
    sequences: Batch,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    on_step: OnStep | None = None,
) -> None:
    """Train a model in place on the mean negative log-likelihood of the answer tokens.

    AdamW with momenta 0.9 and 0.95, without weight decay, gradients clipped to norm 1; the rate rises over the first
    seventh of the steps and falls along a cosine to a tenth of its peak.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    batches = shuffled(sequences, batch_size, seed)
    model.train()
    for step in range(steps):
        rise = min(1.0, (step + 1) / (steps / 7))
        fall = 0.1 + 0.9 * (1 + math.cos(math.pi * step / steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * rise * fall
        batch = next(batches)
        loss = mean_nll(logits_of(model, batch), batch.labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, model)
    model.eval()


def descend(
    model: nn.Module,
    loss: Callable[[], Tensor],
    *,
    steps: int,
    learning_rate: float,
    on_step: OnStep | None = None,
) -> None:
    """Take steps of AdamW, without weight decay and at a constant rate.

    ``loss`` draws its own batch and returns a scalar computed from the model as it then is. Only weights that require
    gradients change. Raises DivergedError once the loss is not finite.
    """
    optimizer = torch.optim.AdamW(
        (weight for weight in model.parameters() if weight.requires_grad),
        lr=learning_rate,
        weight_decay=0.0,
        fused=True,
    )
    model.train()
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        if not bool(value.isfinite()):
            raise DivergedError(
                f"the loss is {value.item()} at step {step + 1}; lower learning_rate (now {learning_rate:g})"
            )
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if on_step is not None:
            on_step(step + 1, model)
    model.eval()
