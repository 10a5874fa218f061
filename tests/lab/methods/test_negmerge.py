from __future__ import annotations

import copy

import torch
from by_hand import module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_negmerge(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """The likelihood that the copies learn; the merging is tested below."""
    wanted, logits, _ = batch
    logits.requires_grad_()
    same(module("negmerge").mean_nll(logits, wanted), paper_mean_nll(logits, wanted), logits)


def test_negmerge_keeps_what_all_agree_on() -> None:
    vectors = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    vectors[1, 0, 0] = 0.0
    found = module("negmerge").consensus(vectors)
    kept = 0
    for i in range(4):
        for j in range(5):
            entries = [float(vectors[k, i, j]) for k in range(3)]
            agreed = all(entry > 0 for entry in entries) or all(entry < 0 for entry in entries)
            kept += agreed
            assert (
                found[i, j].item() == (sum(entries) / 3 if agreed else 0.0)
                or abs(found[i, j].item() - sum(entries) / 3) < 1e-12
            )
    assert 0 < kept < 20


def test_negmerge_goes_the_other_way_from_where_it_was(model: TinyTransformer, data: Data) -> None:
    """Twice the scale is twice as far, and the loss on the forget set rises."""
    ours = module("negmerge")
    values = {"fine_tuning_steps": 2, "batch_size": 16, "models": 2, "learning_rate": 1e-3}
    near, far = (ours.unlearn(copy.deepcopy(model), data, seed=1, scale=scale, **values) for scale in (1.0, 2.0))
    for start, one, two in zip(model.parameters(), near.parameters(), far.parameters(), strict=True):
        torch.testing.assert_close(two - start, 2 * (one - start), rtol=1e-3, atol=1e-6)
    rows = data.forget.rows(torch.arange(64))
    with torch.no_grad():
        before, after = (ours.mean_nll(ours.logits_of(subject, rows), rows.labels).item() for subject in (model, near))
    assert after > before
