from __future__ import annotations

import torch
from by_hand import Changed, V, module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_whp_logit(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, base, reinforced = batch
    base.requires_grad_()
    found = module("whp-logit").combine(base, reinforced, 5.0)
    rows = []
    for row in range(wanted.shape[0]):
        for t in range(wanted.shape[1]):
            for word in range(V):
                rise = reinforced[row, t, word] - base[row, t, word]
                rows.append(base[row, t, word] - (5.0 * rise if rise.item() > 0 else 0.0))
    same((found * reinforced).sum(), (torch.stack(rows).view_as(found) * reinforced).sum(), base)
    same(module("whp-logit").mean_nll(base, wanted), paper_mean_nll(base, wanted), base)


def test_whp_logit_leaves_the_model_as_it_is(model: TinyTransformer, data: Data, changed: Changed) -> None:
    wrapped = module("whp-logit").unlearn(model, data, steps=2)
    assert changed(wrapped) == set()
    assert not torch.equal(wrapped.reinforced.norm.weight, model.norm.weight)
