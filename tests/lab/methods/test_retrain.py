from __future__ import annotations

import dataclasses

import torch
from by_hand import module, paper_mean_nll
from torch import Tensor, nn

from unlearning_atlas.lab.batches import shuffled
from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def test_retrain(model: TinyTransformer, data: Data) -> None:
    """The first step goes against the gradient of the mean likelihood of what remains, from fresh weights."""

    def fresh(seed: int) -> nn.Module:
        return data.start.fresh(seed).double()

    few = dataclasses.replace(data, start=dataclasses.replace(data.start, fresh=fresh, steps=1, batch_size=8))
    start = fresh(5)
    first = next(shuffled(data.remaining, 8, 5))
    loss = paper_mean_nll(logits_of(start, first), first.labels)
    gradients: list[Tensor] = list(torch.autograd.grad(loss, list(start.parameters())))
    after = module("retrain").unlearn(model, few, seed=5)
    for before, now, gradient in zip(start.parameters(), after.parameters(), gradients, strict=True):
        clear = gradient.abs() > 1e-5
        step = (before - now)[clear]
        assert torch.equal(step.sign(), gradient[clear].sign())
        assert torch.allclose(step.abs(), step.abs().mean(), rtol=1e-2), "AdamW's first step is as long everywhere"


def test_retrain_has_not_seen_what_is_forgotten(data: Data) -> None:
    def rows(part: str) -> set[tuple[int, ...]]:
        batch = getattr(data, part)
        return {tuple(row[mask].tolist()) for row, mask in zip(batch.input_ids, batch.attention_mask, strict=True)}

    assert not rows("forget") & rows("remaining")
    assert rows("retain") <= rows("remaining")
