from __future__ import annotations

import dataclasses

import pytest
import torch
from by_hand import Changed, module
from torch import Tensor, nn

from unlearning_atlas.lab.model import Block, TinyTransformer
from unlearning_atlas.lab.registry import Data

POINTS = 3


def blocks(model: nn.Module) -> list[Block]:
    return [part for part in model.modules() if isinstance(part, Block)]


def probability(model: TinyTransformer, ids: Tensor, place: int, layer: int, neurons: Tensor | None) -> list[Tensor]:
    """Compute P(token at ``place`` | what comes before) by the model's definition, one block at a time.

    ``neurons`` takes the place of those of a layer at the position before. Returns the probability and those neurons.
    """
    x = model.embedding(ids[None, :place])
    turn = model._angles(place, x)
    met = torch.zeros(0)
    for number, block in enumerate(blocks(model), start=1):
        x = x + block.attention(block.attention_norm(x), turn, None)
        gate, up = block.gate_up(block.mlp_norm(x)).chunk(2, dim=-1)
        hidden = gate * torch.sigmoid(gate) * up
        if number == layer:
            met = hidden[0, -1]
            if neurons is not None:
                hidden = torch.cat((hidden[:, :-1], neurons[None, None]), dim=1)
        x = x + hidden @ block.down.weight.T
    scores = model.norm(x)[0, -1] @ model.embedding.weight.T
    return [scores.exp()[ids[place]] / scores.exp().sum(), met]


def by_hand(model: TinyTransformer, ids: Tensor, place: int, layer: int, points: int) -> Tensor:
    with torch.no_grad():
        found = probability(model, ids, place, layer, None)[1]
    total = torch.zeros_like(found)
    for point in range(points):
        scaled = (found * point / points).requires_grad_()
        total += torch.autograd.grad(probability(model, ids, place, layer, scaled)[0], scaled)[0] / points
    return found * total


@pytest.mark.parametrize("layer", [1, 2])
def test_depn(model: TinyTransformer, data: Data, layer: int) -> None:
    model = model.double()
    few = data.forget.rows(torch.arange(3))
    assert not few.attention_mask.all()
    places = torch.tensor([3, 1, 6])
    expected = torch.stack([by_hand(model, few.input_ids[row], int(places[row]), layer, POINTS) for row in range(3)])
    found = module("depn").attribution(model, few, places, layer, POINTS)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-14)


def test_depn_attributions_add_up_to_the_difference_that_the_neurons_make(model: TinyTransformer, data: Data) -> None:
    """The completeness of integrated gradients."""
    model = model.double()
    few = data.forget.rows(torch.arange(2))
    found = module("depn").attribution(model, few, torch.tensor([5, 4]), 2, 400).sum(dim=1)
    for row, place in ((0, 5), (1, 4)):
        with torch.no_grad():
            here, neurons = probability(model, few.input_ids[row], place, 2, None)
            without = probability(model, few.input_ids[row], place, 2, torch.zeros_like(neurons))[0]
        torch.testing.assert_close(found[row], here - without, rtol=0.05, atol=1e-7)


def test_depn_adds_up_the_tokens_of_an_answer_but_its_end(model: TinyTransformer, data: Data) -> None:
    model = model.double()
    few = data.forget.rows(torch.arange(3))
    rows = []
    for row in range(3):
        answer = [t for t in range(1, few.labels.shape[1]) if int(few.labels[row, t]) not in (-100, data.tokenizer.end)]
        assert answer
        rows.append(
            torch.cat([sum(by_hand(model, few.input_ids[row], t, layer, POINTS) for t in answer) for layer in (1, 2)])  # type: ignore[misc]
        )
    found = module("depn").all_attributions(model, few, data.tokenizer.end, POINTS)
    torch.testing.assert_close(found, torch.stack(rows), rtol=1e-8, atol=1e-14)


def test_depn_ranks_by_how_many_strings_share_a_neuron() -> None:
    scores = torch.tensor([[1.0, 0.5, 0.4, -3.0], [0.1, 1.0, 0.7, 0.0], [0.9, 0.2, 2.0, 0.1]], dtype=torch.float64)
    # half of each string's largest is 0.5, 0.5 and 1: counts 1, 2, 2, 0; the sums 1.7 and 3.1 order the two equal ones
    assert module("depn").ranked(scores, 0.5).tolist() == [2, 1, 0, 3]
    assert module("depn").ranked(scores, 1.0).tolist() == [2, 0, 1, 3]  # the first's 2.0 comes before 1.7


def test_depn_silences_the_first_of_the_ranking(model: TinyTransformer, data: Data, changed: Changed) -> None:
    module_ = module("depn")
    data = dataclasses.replace(data, forget=data.forget.rows(torch.arange(5)))
    order = module_.ranked(module_.all_attributions(model, data.forget, data.tokenizer.end, POINTS), 0.2).tolist()
    after = module_.unlearn(model, data, steps=2, fraction=5 / 352, threshold=0.2, points=POINTS)
    silent = {
        layer * 176 + n for layer in range(2) for n in range(176) if not blocks(after)[layer].down.weight[:, n].any()
    }
    assert silent == set(order[:10])
    assert changed(after) <= {"blocks.0.down.weight", "blocks.1.down.weight"}
    assert all(weight.requires_grad for weight in after.parameters())


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"points": 0}, {"fraction": 1.5}])
def test_depn_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        module("depn").Hyperparameters(**wrong)
