"""Models from a folder, as Hugging Face writes them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from unlearning_atlas.lab import hugging_face, tasks
from unlearning_atlas.lab.batches import IGNORE
from unlearning_atlas.lab.runner import run

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


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_run_on_a_model_from_a_folder(kind: str, root: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / kind, kind, 600)
    result = run("npo", root=root, model=str(folder), hyperparameters={"steps": "2"})
    assert result.model == str(folder)
    assert [row.model for row in result.rows] == ["before", "npo", "retrained", "retrained again"]
    assert result.cost.forward == 192 + 2 * 64
    assert 0 <= result.rows[1].attacks["logit-lens"] <= 1


def test_a_tokenizer_beside_the_model_is_used(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    task = tasks.make("authors", 0)
    words = [task.tokenizer.decode([number]) for number in range(2, len(task.tokenizer))]
    vocabulary = {"[UNK]": 0, "[END]": 1, **{word: number for number, word in enumerate(words, 2)}}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder = saved(tmp_path / "model", "gpt2", 700)
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=plain, eos_token="[END]", unk_token="[UNK]").save_pretrained(folder)
    start, own = hugging_face.start(str(folder), task)
    assert own.tokenizer is not task.tokenizer
    assert own.tokenizer.end == 1
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
