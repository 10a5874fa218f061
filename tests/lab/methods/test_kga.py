from __future__ import annotations

import torch
from by_hand import V, log_p, module, same
from torch import Tensor


def paper_kl(teacher: Tensor, student: Tensor, wanted: Tensor) -> Tensor:
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if int(wanted[row, t]) != -100:
                for word in range(V):
                    q = log_p(teacher, row, t, word)
                    total = total + torch.exp(q) * (q - log_p(student, row, t, word))
                count += 1
    return total / count


def test_kga(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, teacher = batch
    logits.requires_grad_()
    ours = module("kga")
    forget_gap = paper_kl(teacher, logits, wanted)
    same(ours.answer_kl(teacher, logits, wanted), forget_gap, logits)
    retain_gap = paper_kl(teacher * 0.5, logits, wanted)
    for new_gap in (0.1, 50.0):  # below and above the gap on the forget set
        distance = forget_gap - new_gap if forget_gap.item() > new_gap else new_gap - forget_gap
        loss = ours.kga_loss(
            ours.answer_kl(teacher, logits, wanted),
            torch.tensor(new_gap, dtype=torch.float64),
            ours.answer_kl(teacher * 0.5, logits, wanted),
            0.3,
        )
        same(loss, distance + 0.3 * retain_gap, logits)
