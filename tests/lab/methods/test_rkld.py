from __future__ import annotations

import torch
from by_hand import V, gradient, log_p, module, same
from torch import Tensor


def test_rkld(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, reference = batch
    logits.requires_grad_()
    strong = reference.flip(-1)
    teacher = torch.empty_like(reference)
    for index in range(reference.numel()):
        z, s = reference.flatten()[index].item(), strong.flatten()[index].item()
        teacher.view(-1)[index] = z - 2.0 * max(s - z, 0.0)
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if int(wanted[row, t]) != -100:
                for word in range(V):
                    p = log_p(logits, row, t, word)
                    total = total + torch.exp(p) * (p - log_p(teacher, row, t, word))
                count += 1
    ours = module("rkld")
    same(ours.reverse_kl(logits, ours.teacher_logits(reference, strong, 2.0), wanted), total / count, logits)


def test_rkld_is_least_at_the_teacher(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, _, teacher = batch
    at = teacher.clone().requires_grad_()
    loss = module("rkld").reverse_kl(at, teacher, wanted)
    torch.testing.assert_close(loss, torch.zeros_like(loss), rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient(loss, at), torch.zeros_like(at), rtol=0, atol=1e-12)
