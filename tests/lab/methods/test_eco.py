from __future__ import annotations

import torch
from by_hand import Changed, module

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of


def test_eco() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64)
    noise = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    found = module("eco").corrupt(vectors, noise, torch.tensor([True, False, True]), 1.5)
    for row in range(3):
        for t in range(4):
            for d in range(2):
                expected = vectors[row, t, d] + (1.5 * noise[t, d] if row != 1 else 0.0)
                torch.testing.assert_close(found[row, t, d], expected)


def test_eco_reads_words_and_no_padding() -> None:
    ids = torch.tensor([[1, 2, 2, 0], [0, 3, 0, 4]])
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]]) > 0
    assert module("eco").words_in(ids, mask, 5).tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 1, 1]]


def test_eco_corrupts_what_is_to_be_forgotten_and_lets_the_rest_pass(
    model: TinyTransformer, data: Data, changed: Changed
) -> None:
    wrapped = module("eco").unlearn(model, data)
    for part, corrupted in ((data.forget, True), (data.retain, False)):
        same = [
            torch.equal(one, two) for one, two in zip(logits_of(wrapped, part), logits_of(model, part), strict=True)
        ]
        assert sum(same) / len(same) < 0.02 if corrupted else sum(same) / len(same) > 0.98
    assert changed(wrapped) == set()


def test_eco_gives_the_same_prefix_the_same_predictions(model: TinyTransformer, data: Data) -> None:
    """The noise belongs to a position, so what comes later does not change it."""
    wrapped = module("eco").Corrupted(
        model, torch.nn.Linear(len(data.tokenizer), 1), module("eco").Hyperparameters(threshold=0.0), 0
    )
    ids = data.forget.input_ids[:2, :6]
    torch.testing.assert_close(wrapped(input_ids=ids).logits[:, :4], wrapped(input_ids=ids[:, :4]).logits)
    assert not torch.equal(wrapped(input_ids=ids).logits, model(ids).logits)
