from __future__ import annotations

import math

import pytest
import torch
from by_hand import Changed, module, same

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_circuit_breakers() -> None:
    generator = torch.Generator().manual_seed(0)
    now, then = (torch.randn(3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    now.requires_grad_()
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1], [1, 0, 0, 0]]) > 0
    turned, moved, count, away = torch.zeros(()).double(), torch.zeros(()).double(), 0, 0
    for row in range(3):
        for t in range(4):
            if mask[row, t]:
                a, b = now[row, t], then[row, t]
                cosine = (a * b).sum() / ((a * a).sum().sqrt() * (b * b).sum().sqrt())
                turned = turned + (cosine if cosine.item() > 0 else 0.0)
                away += cosine.item() < 0
                moved = moved + ((a - b) * (a - b)).sum().sqrt()
                count += 1
    assert 0 < away < count, "both sides of the ReLU are met"
    ours = module("circuit-breakers")
    same(ours.rerouting(now, then, mask), turned / count, now)
    same(ours.drift(now, then, mask), moved / count, now)


@pytest.mark.parametrize("step", [0, 30, 60])
def test_circuit_breakers_shift_the_weight_from_forgetting_to_keeping(step: int) -> None:
    forgetting, keeping = module("circuit-breakers").schedule(step, 60, 10.0)
    assert math.isclose(forgetting, 10 * (1 - step / 120))
    assert math.isclose(keeping, 10 * step / 120)


def test_circuit_breakers_train_nothing_above_the_layer(model: TinyTransformer, data: Data, changed: Changed) -> None:
    names = changed(module("circuit-breakers").unlearn(model, data, steps=2, layer=1))
    assert "blocks.0.down.weight" in names
    assert not any(name.startswith("blocks.1") for name in names)
