from __future__ import annotations

import pytest
import torch
from by_hand import Changed, module, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_rmu() -> None:
    generator = torch.Generator().manual_seed(0)
    forget, kept, frozen = (torch.randn(3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(3))
    forget.requires_grad_()
    goal = torch.randn(5, generator=generator, dtype=torch.float64)
    masks = (torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1], [1, 0, 0, 0]]) > 0, torch.tensor([[1, 1, 0, 0]] * 3) > 0)

    def term(states: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        texts = []
        for row in range(3):
            tokens = [t for t in range(4) if mask[row, t]]
            squares = [
                ((states[row, t] - (target if target.dim() == 1 else target[row, t])) ** 2).sum() / 5 for t in tokens
            ]
            texts.append(torch.stack(squares).sum() / len(tokens))
        return torch.stack(texts).sum() / 3

    expected = term(forget, goal, masks[0]) + 7.0 * term(kept, frozen, masks[1])
    same(module("rmu").rmu_loss(forget, goal, kept, frozen, masks, 7.0), expected, forget)


@pytest.mark.parametrize(
    ("layer", "trained"), [(1, {"blocks.0.down.weight"}), (2, {"blocks.0.down.weight", "blocks.1.down.weight"})]
)
def test_rmu_trains_a_few_matrices_and_leaves_the_rest_as_it_is(
    model: TinyTransformer, data: Data, changed: Changed, layer: int, trained: set[str]
) -> None:
    after = module("rmu").unlearn(model, data, steps=2, layer=layer)
    assert changed(after) == trained
    assert all(weight.requires_grad for weight in after.parameters())
