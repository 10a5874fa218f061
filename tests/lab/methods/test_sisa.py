from __future__ import annotations

import math

import torch
from by_hand import V, module
from torch import Tensor

from unlearning_atlas.lab.model import Config, TinyTransformer


def test_sisa(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    _, one, two = batch
    found = module("sisa").mean_probability(torch.stack((one, two)))
    for row in range(one.shape[0]):
        for t in range(one.shape[1]):
            masses = [sum(math.exp(z) for z in logits[row, t].tolist()) for logits in (one, two)]
            for word in range(V):
                p = [math.exp(logits[row, t, word].item()) / m for logits, m in zip((one, two), masses, strict=True)]
                assert math.isclose(math.exp(found[row, t, word].item()), (p[0] + p[1]) / 2, rel_tol=1e-6)


def test_sisa_deals_every_sequence_once() -> None:
    shards = module("sisa").dealt(11, 3, seed=5)
    assert sorted(row for shard in shards for row in shard.tolist()) == list(range(11))
    assert sorted(len(shard) for shard in shards) == [3, 4, 4]


def test_sisa_of_one_model_is_that_model() -> None:
    net = TinyTransformer(Config(20), seed=1).eval()
    ids = torch.arange(1, 7)[None]
    logits = module("sisa").Ensemble([net])(input_ids=ids).logits
    torch.testing.assert_close(logits, net(ids).logits.log_softmax(-1))
