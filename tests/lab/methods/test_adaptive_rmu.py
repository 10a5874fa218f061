from __future__ import annotations

import pytest
import torch
from by_hand import Changed, module, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_adaptive_rmu() -> None:
    generator = torch.Generator().manual_seed(0)
    states, frozen = (torch.randn(3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    states.requires_grad_()
    direction = torch.rand(5, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1], [1, 0, 0, 0]]) > 0
    length = sum(float(x) ** 2 for x in direction) ** 0.5
    texts: list[Tensor] = []
    for row in range(3):
        squares = []
        for t in range(4):
            if mask[row, t]:
                norm = sum(float(x) ** 2 for x in frozen[row, t]) ** 0.5
                far = [(states[row, t, d] - 2.5 * norm * direction[d] / length) ** 2 for d in range(5)]
                squares.append(torch.stack(far).sum() / 5)
        texts.append(torch.stack(squares).sum() / len(squares))
    ours = module("adaptive-rmu")
    goal = ours.goals(frozen, direction, 2.5)
    same(ours.mean_square_distance(states, goal, mask), torch.stack(texts).sum() / 3, states)


@pytest.mark.parametrize(
    ("layer", "trained"), [(1, {"blocks.0.down.weight"}), (2, {"blocks.0.down.weight", "blocks.1.down.weight"})]
)
def test_adaptive_rmu_trains_a_few_matrices(
    model: TinyTransformer, data: Data, changed: Changed, layer: int, trained: set[str]
) -> None:
    after = module("adaptive-rmu").unlearn(model, data, steps=2, layer=layer)
    assert changed(after) == trained
    assert all(weight.requires_grad for weight in after.parameters())
