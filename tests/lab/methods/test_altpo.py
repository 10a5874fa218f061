from __future__ import annotations

import pytest
import torch
from by_hand import module, same, sums
from torch import Tensor

from unlearning_atlas.lab.decoding import prompts
from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_altpo(batch: tuple[Tensor, Tensor, Tensor], beta: float) -> None:
    """The alternates' batch is another one, as its answers are: here the rows in reverse."""
    wanted, logits, reference = batch
    logits.requires_grad_()
    other, of_other, other_reference = wanted.flip(0), logits * 0.5, reference.flip(0)
    total = torch.zeros((), dtype=torch.float64)
    for win, win_ref, lose, lose_ref in zip(
        sums(of_other, other), sums(other_reference, other), sums(logits, wanted), sums(reference, wanted), strict=True
    ):
        ratio = (torch.exp(win) / torch.exp(win_ref)) ** beta / (torch.exp(lose) / torch.exp(lose_ref)) ** beta
        total = total - 2 / beta * torch.log(ratio / (1 + ratio))
    ours = module("altpo")
    log_p = ours.answer_log_prob
    loss = ours.dpo_loss(
        log_p(of_other, other), log_p(other_reference, other), log_p(logits, wanted), log_p(reference, wanted), beta
    )
    same(loss, total / wanted.shape[0], logits)


def test_altpo_draws_other_answers_to_the_same_questions(model: TinyTransformer, data: Data) -> None:
    ours = module("altpo")
    lose = ours.repeated(data.forget.rows(torch.arange(6)), 3)
    assert lose.index.tolist() == list(range(18))
    win = ours.alternatives(model, data, lose, 1.0, 0)
    assert prompts(win) == prompts(lose)
    for one, two in zip(lose.labels, win.labels, strict=True):
        assert one[one != -100].tolist() != two[two != -100].tolist()
