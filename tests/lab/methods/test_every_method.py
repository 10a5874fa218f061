"""What every reference implementation promises."""

from __future__ import annotations

import copy
import dataclasses
import re
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from by_hand import IMPLEMENTATIONS
from torch import nn

from unlearning_atlas.lab.model import TinyTransformer, Wrapped
from unlearning_atlas.lab.models import Start
from unlearning_atlas.lab.registry import Data, Implementation, available, implementation
from unlearning_atlas.lab.task import Task
from unlearning_atlas.lab.training import logits_of

every_method = pytest.mark.parametrize("id_", available(IMPLEMENTATIONS))


def few_steps(chosen: Implementation) -> dict[str, Any]:
    return {"steps": 2} if "steps" in chosen.defaults() else {}


def quick(data: Data) -> Data:
    """Return the same data with a start that learns in a handful of steps."""
    return dataclasses.replace(data, start=dataclasses.replace(data.start, steps=8))


@every_method
def test_it_has_a_test_of_equality(id_: str) -> None:
    name = f"test_{id_.replace('-', '_')}"
    file = Path(__file__).parent / f"{name}.py"
    assert file.exists(), f"{id_} has no test of equality"
    assert f"def {name}(" in file.read_text(encoding="utf-8"), f"{file.name} has no {name}"


@every_method
def test_its_file_says_what_it_is(id_: str) -> None:
    chosen = implementation(IMPLEMENTATIONS, id_)
    header = chosen.file.read_text(encoding="utf-8").split('"""')[1]
    for part in ("Paper:", "Which variant this is, and how it differs:", "\n1. "):
        assert part in header, part
    assert dataclasses.is_dataclass(chosen.hyperparameters)
    assert set(chosen.space) <= set(chosen.defaults())


@every_method
def test_its_entry_says_the_same_as_its_file(id_: str, checkout: Path) -> None:
    """The numbered differences of the header are those of the entry, word by word, and the equation is there."""
    import unlearning_atlas as ua

    method = ua.load(checkout).methods[id_]
    assert method.equation is not None, "the file's equation stands in the entry"
    assert method.implementation is not None
    header = implementation(IMPLEMENTATIONS, id_).file.read_text(encoding="utf-8").split('"""')[1]
    listed = re.split(r"\n\d+\. ", header.split("how it differs:")[1])[1:]
    assert list(method.implementation.differences) == [" ".join(text.split()) for text in listed]


@every_method
def test_the_same_seed_gives_the_same_model(id_: str, model: TinyTransformer, data: Data) -> None:
    chosen = implementation(IMPLEMENTATIONS, id_)
    results, steps = [], []
    for _ in range(2):
        start = copy.deepcopy(model)
        after = chosen.unlearn(
            start, quick(data), seed=1, on_step=lambda step, _: steps.append(step), **few_steps(chosen)
        )
        if isinstance(after, Wrapped):
            same_weights(after.model, model)
        results.append(after)
    assert steps == steps[: len(steps) // 2] * 2
    same_weights(*results)
    batch = data.forget.rows(torch.arange(4))
    with torch.no_grad():
        one, two = (logits_of(result, batch) for result in results)
    assert torch.equal(one, two)
    assert torch.isfinite(one).all()
    assert one.shape == (*batch.input_ids.shape, len(data.tokenizer))


def same_weights(one: nn.Module, two: nn.Module) -> None:
    pairs = zip(one.named_parameters(), two.parameters(), strict=True)
    for (name, a), b in pairs:
        assert torch.isfinite(a).all()
        assert torch.equal(a, b), name


@every_method
def test_an_unknown_hyperparameter_is_refused(id_: str, model: TinyTransformer, data: Data) -> None:
    with pytest.raises(TypeError):
        implementation(IMPLEMENTATIONS, id_).unlearn(model, data, no_such_value=1)


@pytest.fixture(params=["llama", "gpt2"])
def hugging_face(request: pytest.FixtureRequest, task: Task) -> Start:
    """Return a start with a small random model of a kind that many real ones are of."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    words = len(task.tokenizer)

    def fresh(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        if request.param == "llama":
            config = LlamaConfig(
                vocab_size=words, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
            )
            return cast("nn.Module", LlamaForCausalLM(config))
        return cast(
            "nn.Module", GPT2LMHeadModel(GPT2Config(vocab_size=words, n_embd=16, n_layer=2, n_head=2, n_positions=64))
        )

    return Start(request.param, request.param, fresh, learning_rate=1e-3, steps=4)


@every_method
def test_it_runs_on_hugging_face_models(id_: str, hugging_face: Start, task: Task) -> None:
    chosen = implementation(IMPLEMENTATIONS, id_)
    model = hugging_face.fresh(0).train(mode=False)
    data = Data.of(task, hugging_face)
    before = logits_of(model, data.forget).detach()
    after = chosen.unlearn(copy.deepcopy(model), data, seed=1, **few_steps(chosen))
    with torch.no_grad():
        found = logits_of(after, data.forget)
    assert torch.isfinite(found).all()
    assert found.shape == before.shape


def test_every_leaf_of_the_tree_can_be_run(checkout: Path) -> None:
    """Whole branches may not be missing; what a small transformer cannot show is listed, with why."""
    import yaml

    import unlearning_atlas as ua

    atlas = ua.load(checkout)
    ids = available(IMPLEMENTATIONS)
    leaves = {method.family for method in atlas.methods.values()}
    assert len(ids) >= 36
    assert leaves == {atlas.methods[id_].family for id_ in ids}
    gaps = yaml.safe_load((IMPLEMENTATIONS / "gaps.yaml").read_text(encoding="utf-8"))
    assert all(len(why.split()) > 10 for why in gaps.values())
    assert not set(gaps) & set(ids), "these are no gaps any more: take them off the list"
    assert set(gaps) <= set(atlas.methods)
