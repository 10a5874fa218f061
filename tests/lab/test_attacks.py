"""Attacks on weights, and what a run costs."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from unlearning_atlas.lab import anatomy, attacks, compute
from unlearning_atlas.lab.batches import IGNORE, mean_nll
from unlearning_atlas.lab.measures import Meter
from unlearning_atlas.lab.model import Config, TinyTransformer, Wrapped
from unlearning_atlas.lab.task import Task
from unlearning_atlas.lab.tasks import authors
from unlearning_atlas.lab.training import logits_of


@pytest.fixture(scope="module")
def task() -> Task:
    return authors.make(7)


@pytest.fixture
def model(task: Task) -> TinyTransformer:
    return TinyTransformer(Config(len(task.tokenizer)), seed=3).eval()


class Silent(Wrapped):
    """Answers nothing, with a model inside that could."""

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        return torch.zeros_like(self.model(input_ids=input_ids, attention_mask=attention_mask).logits)


@pytest.mark.parametrize("bits", [8, 4, 3])
def test_weights_are_rounded_to_a_grid_per_row(model: TinyTransformer, bits: int) -> None:
    rounded = attacks.quantize(model, bits)
    for (name, old), new in zip(model.state_dict().items(), rounded.state_dict().values(), strict=True):
        if old.dim() != 2:
            assert torch.equal(old, new), name
            continue
        for before, after in zip(old[:20], new[:20], strict=True):
            step = float(before.abs().max()) / (2 ** (bits - 1) - 1)
            expected = [round(float(weight) / step) * step for weight in before.double()]
            torch.testing.assert_close(after, torch.tensor(expected), rtol=1e-4, atol=step * 1e-3)
            assert len(set((after / step).round().tolist())) <= 2**bits - 1


def test_the_rows_of_gpt2s_transposed_matrices_are_its_outputs() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=30, n_embd=8, n_layer=1, n_head=2, n_positions=16))
    weight = anatomy.matrix(anatomy.mlp_out(anatomy.layer(model, 1))).detach()  # (out, in)
    weight[0] *= 100
    after = anatomy.matrix(anatomy.mlp_out(anatomy.layer(attacks.quantize(model, 4), 1))).detach()
    for row in range(8):
        assert len(set(after[row].tolist())) <= 15
        assert after[row].abs().max() == pytest.approx(float(weight[row].abs().max()), rel=1e-5)


def test_relearning_brings_back_what_a_wrapping_hides_and_changes_no_weight(task: Task, model: TinyTransformer) -> None:
    few = task.encoded("forget").rows(torch.arange(0, 192, 12))
    for _ in range(60):  # a model that knows a few answers by heart
        loss = mean_nll(logits_of(model, few), few.labels)
        model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for weight in model.parameters():
                assert weight.grad is not None
                weight.sub_(0.5 * weight.grad / weight.grad.norm().clamp(min=1e-6))
    before = copy.deepcopy(model.state_dict())
    meter = Meter(task)
    hidden = attacks.relearn(Silent(model), meter, meter.forget, seed=0)
    open_ = attacks.relearn(model, meter, meter.forget, seed=0)
    assert hidden == open_, "the attack has the weights"
    assert meter.forgotten(Silent(model)) == 0.0
    assert [step for step, _ in hidden["curve"]] == list(attacks.RELEARN_STEPS)
    reached = [step for step, share in hidden["curve"] if share >= attacks.RELEARNT]
    assert hidden["steps"] == (reached[0] if reached else None)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name])


def test_the_logit_lens_reads_states_through_the_head(task: Task, model: TinyTransformer) -> None:
    batch = task.encoded("forget").rows(torch.arange(20))
    state = model(batch.input_ids, batch.attention_mask, output_hidden_states=True).hidden_states
    assert state is not None
    right = count = 0
    logits = model.norm(state[1]) @ model.embedding.weight.T
    for row in range(20):
        for t in range(1, batch.labels.shape[1]):
            if int(batch.labels[row, t]) != IGNORE:
                right += int(logits[row, t - 1].argmax()) == int(batch.labels[row, t])
                count += 1
    assert attacks.logit_lens(model, batch) == pytest.approx(right / count)
    assert attacks.logit_lens(Silent(model), batch) == attacks.logit_lens(model, batch)


def test_a_model_of_unknown_shape_is_attacked_by_what_needs_no_shape(task: Task, model: TinyTransformer) -> None:
    class Ensemble(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = copy.deepcopy(model)

        def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> object:
            return self.inside(input_ids, attention_mask)

    found = attacks.attack(Ensemble(), Meter(task), seed=0)
    assert set(found) == {"relearning", "quantization"}
    assert set(found["quantization"]) == {"8", "4", "3"}


def test_passes_are_counted_in_whole_models(task: Task, model: TinyTransformer) -> None:
    batch = task.encoded("forget").rows(torch.arange(10))
    cost = compute.Cost()
    cost.watch(model)
    logits_of(model, batch)
    assert cost.forward == 0, "not while it is not running"
    with cost.running():
        loss = mean_nll(logits_of(model, batch), batch.labels)
        assert (cost.forward, cost.backward) == (10, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        assert cost.backward == 10
        with torch.no_grad():
            logits_of(copy.deepcopy(model), batch)
        assert cost.forward == 20, "copies count"
        anatomy.state_at(model, batch, 1)
        assert cost.forward == 25, "half of the layers is half a pass"
        with cost.paused():
            logits_of(model, batch)
        assert cost.forward == 25
    assert cost.seconds > 0


def test_frozen_layers_below_take_no_backward_pass(task: Task, model: TinyTransformer) -> None:
    batch = task.encoded("forget").rows(torch.arange(8))
    cost = compute.Cost()
    cost.watch(model).requires_grad_(False)
    anatomy.mlp_out(anatomy.layer(model, 2)).weight.requires_grad_(True)
    with cost.running():
        mean_nll(logits_of(model, batch), batch.labels).backward()  # type: ignore[no-untyped-call]
    assert (cost.forward, cost.backward) == (8, 4)
