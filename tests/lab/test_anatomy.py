"""The places of a model's parts, on the built-in model and on the kinds of Hugging Face."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import nn

from unlearning_atlas.lab import anatomy
from unlearning_atlas.lab.batches import Batch
from unlearning_atlas.lab.model import Config, TinyTransformer

WORDS, WIDTH = 40, 16
IDS = torch.arange(1, 13).view(2, 6)
BATCH = Batch(IDS, IDS, torch.ones_like(IDS, dtype=torch.bool), torch.arange(2))


@pytest.fixture(params=["built-in", "llama", "gpt2", "gpt-neox"])
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    if request.param == "built-in":
        return TinyTransformer(Config(WORDS, width=WIDTH, layers=3, heads=2)).eval()
    import transformers as hf

    if request.param == "llama":
        config = hf.LlamaConfig(
            vocab_size=WORDS, hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2
        )
        return cast("nn.Module", hf.LlamaForCausalLM(config)).train(mode=False)
    if request.param == "gpt2":
        small = hf.GPT2Config(vocab_size=WORDS, n_embd=WIDTH, n_layer=3, n_head=2, n_positions=32)
        return cast("nn.Module", hf.GPT2LMHeadModel(small)).train(mode=False)
    neox = hf.GPTNeoXConfig(
        vocab_size=WORDS, hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2
    )
    return cast("nn.Module", hf.GPTNeoXForCausalLM(neox)).train(mode=False)


def test_a_state_is_what_the_model_itself_reports(model: nn.Module) -> None:
    states = model(input_ids=IDS, attention_mask=BATCH.attention_mask, output_hidden_states=True).hidden_states
    for number in (1, 2):  # Hugging Face reports the last one after the normalisation
        torch.testing.assert_close(anatomy.state_at(model, BATCH, number), states[number])
    last = anatomy.final_norm(model)(anatomy.state_at(model, BATCH, 3))
    logits = model(input_ids=IDS, attention_mask=BATCH.attention_mask).logits
    torch.testing.assert_close(last @ anatomy.unembedding(model).T, logits)
    torch.testing.assert_close(anatomy.embedding(model)(IDS).shape, (2, 6, WIDTH))


def test_nothing_above_a_state_is_computed(model: nn.Module) -> None:
    seen: list[int] = []
    for number, layer in enumerate(anatomy.layers(model), 1):
        layer.register_forward_hook(lambda *_, number=number: seen.append(number))
    anatomy.state_at(model, BATCH, 2)
    assert seen == [1, 2]
    with pytest.raises(ValueError, match="between 1 and 3 for this model"):
        anatomy.state_at(model, BATCH, 4)


def test_the_matrices_write_what_they_are_said_to(model: nn.Module) -> None:
    """A feed-forward part whose output matrix is zero adds nothing but its bias; so with attention."""
    layer = anatomy.layer(model, 2)
    hidden = anatomy.neurons(model, BATCH, 2)
    down = anatomy.mlp_out(layer)
    assert anatomy.matrix(down).shape == (WIDTH, hidden.shape[-1])
    written: list[torch.Tensor] = []
    with anatomy.output_changed(down, lambda x: written.append(x) or x):  # type: ignore[func-returns-value]
        model(input_ids=IDS)
    bias = getattr(down, "bias", None)
    expected = hidden @ anatomy.matrix(down).T + (0 if bias is None else bias)
    torch.testing.assert_close(written[0], expected)
    out = anatomy.matrix(anatomy.attention_out(layer))
    assert out.shape == (WIDTH, WIDTH)
    before = anatomy.state_at(model, BATCH, 2)
    with torch.no_grad():
        out.zero_()
    assert not torch.equal(anatomy.state_at(model, BATCH, 2), before), "a view: writing to it changes the model"


def test_changes_last_as_long_as_they_are_asked_for(model: nn.Module) -> None:
    before = model(input_ids=IDS).logits
    down = anatomy.mlp_out(anatomy.layer(model, 1))
    with anatomy.output_changed(anatomy.layer(model, 1), lambda x: x + 1):
        assert not torch.equal(model(input_ids=IDS).logits, before)
    with anatomy.input_changed(down, torch.zeros_like):
        assert not torch.equal(model(input_ids=IDS).logits, before)
    assert torch.equal(model(input_ids=IDS).logits, before)


def test_another_kind_of_model_is_named() -> None:
    with pytest.raises(anatomy.UnknownModelError, match="Linear has no list of layers where it was looked for"):
        anatomy.layers(nn.Linear(2, 2))
