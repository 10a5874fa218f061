from __future__ import annotations

import math

import torch
from by_hand import Changed, V, log_p, module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def test_uld(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """The assistant's loss on the retain set; that on the forget set is the mean likelihood tested above."""
    wanted, logits, _ = batch
    logits.requires_grad_()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if int(wanted[row, t]) != -100:
                total = total - sum(log_p(logits, row, t, word) for word in range(V)) / V
                count += 1
    same(module("uld").uniform_loss(logits, wanted), total / count, logits)
    same(module("uld").mean_nll(logits, wanted), paper_mean_nll(logits, wanted), logits)


def test_uld_subtracts_where_a_token_is_likely_or_among_the_likeliest() -> None:
    p = torch.tensor([0.50, 0.30, 0.06, 0.049, 0.04, 0.03, 0.011, 0.005, 0.003, 0.002], dtype=torch.float64)
    assistant = torch.arange(1.0, 11.0, dtype=torch.float64)
    for share, kept in ((0.1, 3), (0.5, 5), (0.001, 10)):
        combined = module("uld").subtract(p.log(), assistant, 2.0, share)
        expected = [math.log(p[n]) - (2.0 * float(assistant[n]) if n < kept else 0.0) for n in range(10)]
        torch.testing.assert_close(combined, torch.tensor(expected, dtype=torch.float64))


def test_uld_leaves_the_model_as_it_is(model: TinyTransformer, data: Data, changed: Changed) -> None:
    batch = data.forget.rows(torch.arange(2))
    before = logits_of(model, batch)
    wrapped = module("uld").unlearn(model, data, steps=2)
    assert changed(wrapped) == set()
    assert not torch.equal(logits_of(wrapped, batch), before)
