from __future__ import annotations

import copy

import torch
from by_hand import module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import Config, TinyTransformer


def test_task_vector_negation(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    same(module("task-vector-negation").mean_nll(logits, wanted), paper_mean_nll(logits, wanted), logits)


def test_task_vector_negation_goes_as_far_the_other_way() -> None:

    start, tuned = TinyTransformer(Config(20), seed=1), TinyTransformer(Config(20), seed=2)
    for scale in (0.0, 0.5, 2.0):
        model = copy.deepcopy(tuned)
        module("task-vector-negation").negate(model, start, tuned, scale)
        for new, old, other in zip(model.parameters(), start.parameters(), tuned.parameters(), strict=True):
            torch.testing.assert_close(new, (1 + scale) * old - scale * other, rtol=1e-5, atol=1e-6)
