from __future__ import annotations

import torch
from by_hand import V, answers, log_p, module, same
from torch import Tensor

from unlearning_atlas.lab.batches import Batch


def test_llmu(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, reference = batch
    logits.requires_grad_()
    rows = [torch.stack(row).sum() / len(row) for row in answers(logits, wanted) if row]
    ours = module("llmu")
    same(ours.answer_nll(logits, wanted), -torch.stack(rows).sum() / len(rows), logits)

    mask = torch.ones_like(wanted, dtype=torch.bool)
    mask[-1, 1:2] = False
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if mask[row, t]:
                for word in range(V):
                    q = log_p(reference, row, t, word)
                    total = total + torch.exp(q) * (q - log_p(logits, row, t, word))
                count += 1
    same(ours.kl_to_reference(logits, reference, mask), total / count, logits)

    terms = (ours.answer_nll(logits, wanted), 2 * ours.answer_nll(logits, wanted), total / count)
    nll = -torch.stack(rows).sum() / len(rows)
    same(ours.llmu_loss(*terms, (0.5, 3.0, 7.0)), -0.5 * nll + 3.0 * 2 * nll + 7.0 * total / count, logits)


def test_llmu_pairs_prompts_with_other_answers() -> None:
    ids = torch.tensor([[1, 11, 12, 0], [2, 3, 21, 22]])
    labels = torch.tensor([[-100, 11, 12, -100], [-100, -100, 21, 22]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]]) > 0
    others = Batch(torch.tensor([[5, 6, 7]]), torch.tensor([[-100, 6, 7]]), torch.ones(1, 3) > 0, torch.arange(1))
    found = module("llmu").with_answers(Batch(ids, labels, mask, torch.arange(2)), others, 0)
    rows = [row[kept].tolist() for row, kept in zip(found.input_ids, found.attention_mask, strict=True)]
    assert rows == [[1, 6, 7], [2, 3, 6, 7]]
    assert [row[row != -100].tolist() for row in found.labels] == [[6, 7], [6, 7]]
