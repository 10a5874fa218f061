from __future__ import annotations

import torch
from by_hand import V, gradient, log_p, module, paper_mean_nll, same
from torch import Tensor


def paper_kl(logits: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(logits.shape[0]):
        for t in range(1, logits.shape[1]):
            if mask[row, t]:
                for word in range(V):
                    q = log_p(reference, row, t, word)
                    total = total + torch.exp(q) * (q - log_p(logits, row, t, word))
                count += 1
    return total / count


def test_kl_min(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Half of the first row is padding here, on the left."""
    wanted, logits, reference = batch
    logits.requires_grad_()
    mask = torch.ones_like(wanted, dtype=torch.bool)
    mask[0, : 1 + wanted.shape[1] // 2] = False
    ours = module("kl-min")
    divergence = ours.kl_to_reference(logits, reference, mask)
    same(divergence, paper_kl(logits, reference, mask), logits)
    loss = ours.kl_min_loss(ours.mean_nll(logits, wanted), divergence, 3.0)
    same(loss, -paper_mean_nll(logits, wanted) + 3.0 * paper_kl(logits, reference, mask), logits)


def test_kl_min_divergence_is_least_at_the_reference(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    _, logits, _ = batch
    logits.requires_grad_()
    mask = torch.ones(logits.shape[:2], dtype=torch.bool)
    divergence = module("kl-min").kl_to_reference(logits, logits.detach().clone(), mask)
    torch.testing.assert_close(divergence, torch.zeros_like(divergence), rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient(divergence, logits), torch.zeros_like(logits), rtol=0, atol=1e-12)
