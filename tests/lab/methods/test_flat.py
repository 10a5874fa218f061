from __future__ import annotations

import torch
from by_hand import answers, module, same
from torch import Tensor


def test_flat(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()

    def activation(scores: Tensor) -> Tensor:
        tokens = [torch.exp(token) for row in answers(scores, wanted) for token in row]
        mean = torch.stack(tokens).sum() / len(tokens)
        return 0.5 * (torch.exp(mean) - torch.exp(-mean)) / (torch.exp(mean) + torch.exp(-mean))

    ours = module("flat")
    loss = ours.flat_loss(ours.mean_probability(logits * 0.5, wanted), ours.mean_probability(logits, wanted))
    same(loss, activation(logits) - activation(logits * 0.5), logits)
    assert ours.flat_loss(torch.tensor(1.0), torch.tensor(0.0)) < ours.flat_loss(torch.tensor(0.0), torch.tensor(1.0))
