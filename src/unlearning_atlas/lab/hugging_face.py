"""Hugging Face causal language models from a local folder, in place of the built-in model."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearning_atlas.lab.models import Start

if TYPE_CHECKING:
    from torch import nn

    from unlearning_atlas.lab.batches import Tokenizer
    from unlearning_atlas.lab.task import Task

LEARNING_RATE, STEPS, BATCH_SIZE = 2e-4, 900, 16
"""How a model learns a task: slower than the built-in one, as larger models ask for."""


class Subwords:
    """A Hugging Face tokenizer in the lab's form; every piece of text begins with a space, so that pieces join."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.end = int(tokenizer.eos_token_id)
        self.pad = self.end if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)

    def __len__(self) -> int:
        return len(self._tokenizer)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""
        found: list[int] = self._tokenizer.encode(f" {text}", add_special_tokens=False)
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, without special tokens."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text.strip()


class Fewer:
    """The task's words for a model that has more ids than there are words: what it writes beyond them is left out."""

    def __init__(self, words: Tokenizer) -> None:
        self._words = words
        self.end, self.pad = words.end, words.pad

    def __len__(self) -> int:
        return len(self._words)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return self._words.encode(text)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of those ids that are words."""
        return self._words.decode(number for number in ids if number < len(self._words))


def start(path: str, task: Task) -> tuple[Start, Task]:
    """Return how to make the model in a folder, and the task in that model's tokens.

    A folder without a tokenizer takes the task's own words, if the model's vocabulary is large enough. Raises
    ValueError, with what to do, for a folder that cannot be read as a causal language model; ModuleNotFoundError when
    transformers is not installed.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"--model must be a folder with config.json and weights, as save_pretrained writes them (got {path!r})"
        )

    def fresh(_: int) -> nn.Module:
        model: nn.Module = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        return model.float().eval()

    try:
        model: Any = fresh(0)
    except Exception as error:  # what goes wrong in there has no common type
        raise ValueError(f"{path}: transformers cannot read it as a causal language model: {error}") from None
    if any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")):
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise ValueError(f"{path}: transformers cannot read its tokenizer: {error}") from None
        if tokenizer.eos_token_id is None:
            raise ValueError(f"{path}: its tokenizer has no eos_token, by which an answer ends; set one and save it")
        words = Subwords(tokenizer)
        task = dataclasses.replace(task, tokenizer=words)
    else:
        task = dataclasses.replace(task, tokenizer=Fewer(task.tokenizer))
    size = model.get_input_embeddings().weight.shape[0]
    if size < len(task.tokenizer):
        raise ValueError(
            f"{path}: its vocabulary of {size} is too small for the task's {len(task.tokenizer)} words; take a larger "
            "model, or one with a tokenizer that fits it"
        )
    return Start(str(folder), _content(folder), fresh, LEARNING_RATE, STEPS, BATCH_SIZE), task


def _content(folder: Path) -> str:
    """Return a digest of a folder's files."""
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        digest.update(file.name.encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
