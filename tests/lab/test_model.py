"""The built-in model."""

from __future__ import annotations

import pytest
import torch

from unlearning_atlas.lab.model import Config, TinyTransformer
from unlearning_atlas.lab.tasks import authors

WORDS = 500


@pytest.fixture
def model() -> TinyTransformer:
    """Return an untrained model with weights large enough for lively logits."""
    net = TinyTransformer(Config(WORDS), seed=3)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(3.0)
    return net.double().eval()


def test_later_tokens_do_not_change_earlier_predictions(model: TinyTransformer) -> None:
    ids = torch.randint(2, WORDS, (3, 9), generator=torch.Generator().manual_seed(0))
    changed = ids.clone()
    changed[:, 5:] = 1
    torch.testing.assert_close(model(ids).logits[:, :5], model(changed).logits[:, :5])
    assert not torch.allclose(model(ids).logits[:, 5:], model(changed).logits[:, 5:])


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(model: TinyTransformer, side: str) -> None:
    ids = torch.randint(2, WORDS, (2, 6), generator=torch.Generator().manual_seed(0))
    pad, width = torch.zeros(2, 4, dtype=torch.long), ids.shape[1]
    padded = torch.cat((pad, ids) if side == "left" else (ids, pad), dim=1)
    mask = torch.ones_like(padded)
    mask[:, :4] = 0 if side == "left" else 1
    mask[:, width:] = 0 if side == "right" else 1
    where = slice(4, None) if side == "left" else slice(0, width)
    found = model(padded, attention_mask=mask).logits
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[:, where], model(ids).logits)


def test_hidden_states_end_in_what_the_head_reads(model: TinyTransformer) -> None:
    ids = torch.arange(2, 8)[None]
    output = model(ids, output_hidden_states=True)
    assert output.hidden_states is not None
    assert [tuple(state.shape) for state in output.hidden_states] == [(1, 6, 64)] * 3
    last = output.hidden_states[-1]
    torch.testing.assert_close(model.norm(last) @ model.embedding.weight.T, output.logits)


def test_size() -> None:
    net = TinyTransformer(Config(len(authors.make(0).tokenizer)))
    assert 100_000 < sum(weight.numel() for weight in net.parameters()) < 150_000
