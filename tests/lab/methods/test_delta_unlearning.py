from __future__ import annotations

import dataclasses

import torch
from by_hand import Changed, V, log_p, module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def test_delta_unlearning(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Of the small model's logits; the large one's and the frozen small one's are constants."""
    wanted, tuned, large = batch
    tuned.requires_grad_()
    start = large.flip(-1)
    ours = module("delta-unlearning")
    combined = ours.combine(large, tuned, start, 0.7)
    summed = torch.stack(
        [
            large[row, t, word] + 0.7 * tuned[row, t, word] - 0.7 * start[row, t, word]
            for row in range(wanted.shape[0])
            for t in range(wanted.shape[1])
            for word in range(V)
        ]
    ).view_as(large)
    loss = ours.grad_diff_loss(ours.mean_nll(combined, wanted), ours.mean_nll(combined.flip(-1), wanted), 3.0)
    same(loss, -paper_mean_nll(summed, wanted) + 3.0 * paper_mean_nll(summed.flip(-1), wanted), tuned)
    assert log_p(summed, 0, 1, 0).item() < 0


def test_delta_unlearning_starts_without_an_offset(model: TinyTransformer, data: Data, changed: Changed) -> None:
    few = dataclasses.replace(data, start=dataclasses.replace(data.start, steps=5))
    wrapped = module("delta-unlearning").unlearn(model, few, steps=0)
    rows = data.forget.rows(torch.arange(4))
    torch.testing.assert_close(logits_of(wrapped, rows), logits_of(model, rows))
    wrapped = module("delta-unlearning").unlearn(model, few, steps=2)
    assert changed(wrapped) == set()
    assert not torch.equal(logits_of(wrapped, rows), logits_of(model, rows))
