from __future__ import annotations

import math

import pytest
import torch
from by_hand import Changed, module
from torch import Tensor, nn

from unlearning_atlas.lab.model import Block, TinyTransformer
from unlearning_atlas.lab.registry import Data

TOKENS, NEURONS = 6, 4


def by_hand(activations: Tensor, neuron: int, kind: str) -> float:
    values = [float(activations[token, neuron]) for token in range(len(activations))]
    mean = sum(values) / len(values)
    return {
        "abs": sum(abs(value) for value in values) / len(values),
        "freq": sum(value > 0 for value in values) / len(values),
        "std": math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)),
        "rms": math.sqrt(sum(value**2 for value in values) / len(values)),
    }[kind]


@pytest.mark.parametrize("kind", ["abs", "freq", "std", "rms"])
@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_selective_pruning(kind: str, epsilon: float) -> None:
    generator = torch.Generator().manual_seed(0)
    forget = torch.randn(TOKENS, NEURONS, generator=generator, dtype=torch.float64) + 0.5
    retain = torch.randn(TOKENS + 3, NEURONS, generator=generator, dtype=torch.float64) - 0.3
    retain[:, 1] = 0.0  # a neuron that is silent on what is kept: epsilon decides
    expected = [by_hand(forget, n, kind) / (by_hand(retain, n, kind) + epsilon) for n in range(NEURONS)]
    found = module("selective-pruning").scores(forget, retain, kind, epsilon)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def blocks(model: nn.Module) -> list[Block]:
    return [module_ for module_ in model.modules() if isinstance(module_, Block)]


def neurons_of(model: TinyTransformer, ids: Tensor) -> list[Tensor]:
    """Compute each layer's feed-forward neurons for one text without padding, a step of the model at a time."""
    found, x = [], model.embedding(ids[None])
    turn = model._angles(len(ids), x)
    for block in blocks(model):
        after = x + block.attention(block.attention_norm(x), turn, None)
        gate, up = block.gate_up(block.mlp_norm(after)).chunk(2, dim=-1)
        hidden = gate * torch.sigmoid(gate) * up
        found.append(hidden[0])
        x = after + hidden @ block.down.weight.T
    return found


@torch.no_grad()
def test_selective_pruning_reads_the_neurons_of_all_layers_and_no_padding(model: TinyTransformer, data: Data) -> None:
    few = data.forget.rows(torch.arange(3))
    assert not few.attention_mask.all()
    texts = [few.input_ids[row][few.attention_mask[row]] for row in range(3)]
    layers = [torch.cat([neurons_of(model, ids)[layer] for ids in texts]) for layer in range(2)]
    found = module("selective-pruning").activations(model, few)
    torch.testing.assert_close(found, torch.cat(layers, dim=-1), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_selective_pruning_removes_the_highest_ratios_of_all_layers(
    model: TinyTransformer, data: Data, changed: Changed
) -> None:
    """A neuron that the retain set leaves silent goes first; its going changes the function as its silence would."""
    module_ = module("selective-pruning")
    ratio = module_.scores(
        module_.activations(model, data.forget), module_.activations(model, data.retain), "abs", 1e-5
    ).tolist()
    width = model.config.hidden
    highest = sorted(range(2 * width), key=lambda n: -ratio[n])[:7]
    after = module_.unlearn(model, data, steps=1, fraction=7 / (2 * width))
    zero = {
        layer * width + n
        for layer in range(2)
        for n in range(width)
        if not blocks(after)[layer].down.weight[:, n].any()
    }
    assert zero == set(highest)
    assert changed(after) <= {"blocks.0.down.weight", "blocks.1.down.weight"}


@torch.no_grad()
def test_selective_pruning_never_removes_a_neuron_twice_and_ends_with_none(model: TinyTransformer, data: Data) -> None:
    seen: list[int] = []

    def count(_: int, now: nn.Module) -> None:
        seen.append(sum(int((~block.down.weight.any(dim=0)).sum()) for block in blocks(now)))

    module("selective-pruning").unlearn(model, data, steps=6, fraction=0.2, on_step=count)
    assert seen == [round(0.2 * (step + 1) * 352) for step in range(5)] + [352]


@pytest.mark.parametrize("wrong", [{"importance": "size"}, {"fraction": 0.0}, {"fraction": 2.0}])
def test_selective_pruning_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        module("selective-pruning").Hyperparameters(**wrong)
