from __future__ import annotations

import math

import pytest
import torch
from by_hand import Changed, answers, module, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def by_hand(logits: Tensor, wanted: Tensor) -> Tensor:
    """Average over each answer's tokens, then over the rows of the batch."""
    total = torch.zeros((), dtype=logits.dtype)
    for row in answers(logits, wanted):
        for token in row:
            total = total - token / len(row) / wanted.shape[0]
    return total


def test_memflex(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, forget, retain = batch
    both = torch.stack((forget, retain)).requires_grad_()
    module_ = module("memflex")
    loss = module_.memflex_loss(module_.sequence_nll(both[0], wanted), module_.sequence_nll(both[1], wanted), 0.4, 2.0)
    same(loss, -0.4 * by_hand(both[0], wanted) + 2.0 * by_hand(both[1], wanted), both)


@pytest.mark.parametrize(
    ("similarity", "magnitude", "expected"),
    [
        (0.9, 1.0, [False, False, True, False]),
        (0.9, 0.1, [False, True, True, False]),
        (0.9, 0.0, [False, True, True, True]),
        (1.0, 0.1, [True, True, True, False]),
        (0.9, 3.0, [False, True, False, False]),  # none passes: that of the least cosine
    ],
)
def test_memflex_locates_by_direction_and_size(similarity: float, magnitude: float, expected: list[bool]) -> None:
    forget = [
        torch.tensor([[3.0, 4.0]], dtype=torch.float64),
        torch.tensor([[1.0, 1.0]], dtype=torch.float64),
        torch.tensor([[0.0], [6.0]], dtype=torch.float64),
        torch.tensor([[0.02, 0.0]], dtype=torch.float64),
    ]
    retain = [
        torch.tensor([[6.1, 8.0]], dtype=torch.float64),
        torch.tensor([[1.0, -2.0]], dtype=torch.float64),
        torch.tensor([[1.0], [1.0]], dtype=torch.float64),
        torch.tensor([[0.0, 9.0]], dtype=torch.float64),
    ]
    cosines, sizes = [], []
    for one, two in zip(forget, retain, strict=True):
        a, b = one.flatten().tolist(), two.flatten().tolist()
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        cosines.append(dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b)))
        sizes.append(sum(abs(x) for x in a) / len(a))
    by_formula = [
        c < similarity and s > magnitude * sum(sizes) / len(sizes) for c, s in zip(cosines, sizes, strict=True)
    ]
    if any(by_formula):
        assert by_formula == expected
    assert module("memflex").located(forget, retain, similarity, magnitude).tolist() == expected


def test_memflex_takes_the_gradient_of_the_mean_over_all_copies(model: TinyTransformer, data: Data) -> None:
    model = model.double()
    copies = [data.forget.rows(torch.arange(0, 4)), data.forget.rows(torch.arange(4, 6))]
    weights = [weight for weight in model.parameters() if weight.dim() == 2]
    rows = [by_hand(logits_of(model, part), part.labels) * len(part) for part in copies]
    expected = torch.autograd.grad((rows[0] + rows[1]) / 6, weights)
    for found, wanted in zip(module("memflex").gradient(model, weights, copies), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-12)


def test_memflex_makes_half_of_the_answer_random_in_what_is_read_and_what_is_predicted(data: Data) -> None:
    tokenizer = data.tokenizer
    made = module("memflex").half_random(data.retain, tokenizer, torch.Generator().manual_seed(0))
    answer = (data.retain.labels != -100) & (data.retain.labels != tokenizer.end)
    assert torch.equal(made.input_ids[~answer], data.retain.input_ids[~answer])
    assert torch.equal(made.labels[~answer], data.retain.labels[~answer])
    assert torch.equal(made.input_ids[answer], made.labels[answer])
    share = float((made.labels != data.retain.labels)[answer].double().mean())
    assert share == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(int(answer.sum())) + 1 / len(tokenizer))
    assert not torch.isin(made.labels[answer], torch.tensor([tokenizer.pad, tokenizer.end])).any()


def test_memflex_trains_the_located_matrices_only(model: TinyTransformer, data: Data, changed: Changed) -> None:
    module_ = module("memflex")
    names = [name for name, weight in model.named_parameters() if name.startswith("blocks") and weight.dim() == 2]
    weights = [model.get_parameter(name) for name in names]
    generator = torch.Generator().manual_seed(5)
    forget, retain = (
        module_.gradient(model, weights, [module_.half_random(part, data.tokenizer, generator)])
        for part in (data.forget, data.retain)
    )
    region = module_.located(forget, retain, 0.99, 0.8).tolist()
    assert 0 < sum(region) < len(names)
    after = module_.unlearn(model, data, seed=5, steps=2, copies=1, similarity=0.99, magnitude=0.8)
    assert changed(after) == {name for name, chosen in zip(names, region, strict=True) if chosen}
    assert all(weight.requires_grad for weight in after.parameters())


@pytest.mark.parametrize("wrong", [{"similarity": 2.0}, {"magnitude": -1.0}, {"copies": 0}])
def test_memflex_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        module("memflex").Hyperparameters(**wrong)
