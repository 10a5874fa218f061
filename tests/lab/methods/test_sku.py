from __future__ import annotations

import torch
from by_hand import V, answers, log_p, module, same
from torch import Tensor

from unlearning_atlas.lab.batches import Batch
from unlearning_atlas.lab.model import Config, TinyTransformer


def test_sku(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, reference = batch
    logits.requires_grad_()
    rows = [torch.stack(row).sum() / len(row) for row in answers(logits, wanted) if row]
    ours = module("sku")
    same(ours.answer_nll(logits, wanted), -torch.stack(rows).sum() / len(rows), logits)

    mask = torch.ones_like(wanted, dtype=torch.bool)
    total, count = (logits * 0).sum(), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            kl = torch.zeros((), dtype=torch.float64)
            for word in range(V):
                q = log_p(reference, row, t, word)
                kl = kl + torch.exp(q) * (q - log_p(logits, row, t, word))
            total = total + (kl if kl.item() < 1 else 1.0)
            count += 1
    same(ours.kl_to_reference(logits, reference, mask), total / count, logits)


def test_sku_pairs_each_prompt_with_anothers_answer() -> None:
    labels = torch.tensor([[-100, 11, 12, -100], [-100, -100, 21, 22], [-100, 31, -100, -100]])
    ids = torch.tensor([[1, 11, 12, 0], [2, 3, 21, 22], [4, 31, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]]) > 0
    found = module("sku").mismatched(Batch(ids, labels, mask, torch.arange(3)), 0)
    rows = [row[kept].tolist() for row, kept in zip(found.input_ids, found.attention_mask, strict=True)]
    assert rows == [[1, 21, 22], [2, 3, 31], [4, 11, 12]]
    assert [row[row != -100].tolist() for row in found.labels] == [[21, 22], [31], [11, 12]]


def test_sku_goes_as_far_the_other_way() -> None:
    start, bad, model = (TinyTransformer(Config(20), seed=seed) for seed in (1, 2, 3))
    module("sku").negate(model, bad, start, 0.5)
    for new, old, other in zip(model.parameters(), start.parameters(), bad.parameters(), strict=True):
        torch.testing.assert_close(new, old - 0.5 * (other - old), rtol=1e-5, atol=1e-6)
