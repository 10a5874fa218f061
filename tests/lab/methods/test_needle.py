from __future__ import annotations

import torch
from by_hand import Changed, module

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_needle() -> None:
    generator = torch.Generator().manual_seed(0)
    heads = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    concepts = [[1, 3], [2]]
    found = module("needle").promotes(heads, weight, concepts)
    for c, tokens in enumerate(concepts):
        for j in range(5):
            expected = sum(float(heads[v, d]) * float(weight[d, j]) for v in tokens for d in range(4))
            assert abs(found[c, j].item() - expected) < 1e-12

    before = weight.clone()
    module("needle").disturb(weight, [1, 4], 0.5, torch.Generator().manual_seed(7))
    again = torch.Generator().manual_seed(7)
    for column in (1, 4):
        noise = torch.randn(4, generator=again, dtype=torch.float64)
        length = sum(float(x) ** 2 for x in before[:, column]) ** 0.5
        torch.testing.assert_close(weight[:, column], before[:, column] + 0.5 * length * noise / 2)
    assert torch.equal(weight[:, [0, 2, 3]], before[:, [0, 2, 3]])


def test_needle_changes_columns_of_feed_forward_outputs_alone(
    model: TinyTransformer, data: Data, changed: Changed
) -> None:
    before = [block.get_parameter("down.weight").detach().clone() for block in model.blocks]
    after = module("needle").unlearn(model, data, columns=1)
    assert changed(after) <= {"blocks.0.down.weight", "blocks.1.down.weight"}
    touched = [
        int((block.get_parameter("down.weight") != old).any(dim=0).sum())
        for block, old in zip(after.blocks, before, strict=True)
    ]
    assert 0 < sum(touched) <= len(data.forget), "at most one column a text"
