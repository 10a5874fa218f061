"""Models from a folder, as Hugging Face writes them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from unlearning_atlas.lab import hugging_face, tasks
from unlearning_atlas.lab.batches import IGNORE, Words
from unlearning_atlas.lab.runner import run
from unlearning_atlas.lab.task import Task

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face, "STEPS", 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "reference_impls").mkdir()
    shutil.copy(CHECKOUT / "reference_impls/npo.py", tmp_path / "reference_impls")
    (tmp_path / "catalog").mkdir()
    return tmp_path


def saved(folder: Path, kind: str, words: int) -> Path:
    """Save a small random model of a kind."""
    import transformers as hf

    torch.manual_seed(0)
    model: Any
    if kind == "llama":
        config = hf.LlamaConfig(
            vocab_size=words, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
        )
        model = hf.LlamaForCausalLM(config)
    else:
        small = hf.GPT2Config(
            vocab_size=words, n_embd=16, n_layer=2, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=1
        )
        model = hf.GPT2LMHeadModel(small)
    model.save_pretrained(folder)
    return folder


@pytest.mark.usefixtures("few_authors")
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_run_on_a_model_from_a_folder(kind: str, root: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / kind, kind, 600)
    result = run("npo", root=root, model=str(folder), hyperparameters={"steps": "2"})
    assert result.model == str(folder)
    assert [row.model for row in result.rows] == ["before", "npo", "retrained", "retrained again"]
    assert result.cost.forward == 96 + 2 * 64
    assert 0 <= result.rows[1].attacks["logit-lens"] <= 1


def with_tokenizer(folder: Path, task: Task, **special: str) -> Path:
    """Save a tokenizer of a task's words beside a model; its ids are not the task's own."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [task.tokenizer.decode([number]) for number in range(2, len(task.tokenizer))]
    vocabulary = {"[UNK]": 0, "[END]": 1, **{word: number for number, word in enumerate(reversed(words), 2)}}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=plain, unk_token="[UNK]", **special).save_pretrained(folder)
    return folder


def test_a_tokenizer_beside_the_model_is_used(tmp_path: Path) -> None:
    task = tasks.make("authors", 0)
    folder = with_tokenizer(saved(tmp_path / "model", "gpt2", 700), task, eos_token="[END]")
    start, own = hugging_face.start(str(folder), task)
    assert own.tokenizer is not task.tokenizer
    assert own.tokenizer.end == own.tokenizer.pad == 1, "without padding of its own, the end pads"
    assert own.tokenizer.encode(task.forget[0][0]) != task.tokenizer.encode(task.forget[0][0])
    batch = own.encoded("forget")
    question, answer = own.forget[0]
    assert own.tokenizer.decode(batch.labels[0][batch.labels[0] != IGNORE].tolist()) == answer
    assert own.tokenizer.decode(batch.input_ids[0][batch.attention_mask[0]].tolist()) == f"{question} {answer}"
    assert start.fresh(0)(input_ids=batch.input_ids[:2]).logits.shape[-1] == 700


def test_another_content_of_the_folder_is_another_start(tmp_path: Path) -> None:
    task = tasks.make("authors", 0)
    folder = saved(tmp_path / "model", "llama", 600)
    first = hugging_face.start(str(folder), task)[0].digest()
    assert hugging_face.start(str(folder), task)[0].digest() == first
    (folder / "generation_config.json").write_text("{}")
    assert hugging_face.start(str(folder), task)[0].digest() != first


def test_what_cannot_be_taken_is_said(root: Path, tmp_path: Path) -> None:
    small = saved(tmp_path / "small", "llama", 100)
    with pytest.raises(ValueError, match=r"its vocabulary of 100 is too small for the task's \d+ words"):
        run("npo", root=root, model=str(small))
    with pytest.raises(ValueError, match=r"--model must be a folder with config\.json and weights"):
        run("npo", root=root, model=str(tmp_path / "nothing"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(ValueError, match="transformers cannot read it as a causal language model"):
        run("npo", root=root, model=str(tmp_path / "other"))


@pytest.mark.usefixtures("few_authors")
def test_a_run_reads_and_writes_in_the_models_own_tokens(root: Path, tmp_path: Path) -> None:
    task = tasks.make("authors", 0)
    folder = with_tokenizer(saved(tmp_path / "model", "gpt2", 700), task, eos_token="[END]")
    (root / "reference_impls" / "looks.py").write_text(LOOKS)
    result = run("looks", root=root, model=str(folder))
    assert result.hyperparameters == {"learning_rate": 0.0, "steps": 1}
    assert (root / "reference_impls" / "looks.txt").read_text() == task.forget[0][0]


LOOKS = """
from dataclasses import dataclass
from pathlib import Path

PAPER = {}
SPACE = {"learning_rate": (0.0,)}


@dataclass(frozen=True)
class Hyperparameters:
    learning_rate: float = 0.0
    steps: int = 1


def unlearn(model, data, *, seed=0, on_step=None, **hyperparameters):
    asked = data.forget.input_ids[0][data.forget.labels[0] == -100]
    mask = data.forget.attention_mask[0][data.forget.labels[0] == -100]
    text = data.tokenizer.decode(asked[mask].tolist())
    Path(__file__).with_suffix(".txt").write_text(text)
    return model
"""


def test_what_a_model_writes_beyond_the_words_is_left_out() -> None:
    words = Words(["a", "b"])
    fewer = hugging_face.Fewer(words)
    assert len(fewer) == 4
    assert fewer.decode([2, 599, 3, words.end, words.pad]) == "a b"
    assert fewer.encode("b a") == words.encode("b a")


@pytest.mark.parametrize("wrong", ["no end", "damaged"])
def test_a_tokenizer_that_cannot_be_taken_is_said(tmp_path: Path, wrong: str) -> None:
    task = tasks.make("authors", 0)
    special = {} if wrong == "no end" else {"eos_token": "[END]"}
    folder = with_tokenizer(saved(tmp_path / "model", "gpt2", 700), task, **special)
    if wrong == "damaged":
        (folder / "tokenizer.json").write_text("{")
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one is what is asked
        hugging_face.start(str(folder), task)
    said = str(caught.value)
    kind = type(caught.value).__name__
    assert (kind, str(folder) in said, "tokenizer" in said) == ("ValueError", True, True), f"{kind}: {said}"


def test_a_tokenizer_larger_than_the_models_vocabulary_is_not_called_missing(tmp_path: Path) -> None:
    task = tasks.make("authors", 0)
    folder = with_tokenizer(saved(tmp_path / "model", "gpt2", 100), task, eos_token="[END]")
    with pytest.raises(ValueError, match="its vocabulary of 100 is too small") as caught:
        hugging_face.start(str(folder), task)
    assert "it has no tokenizer of its own" not in str(caught.value), "it has one: the message says what is not so"
