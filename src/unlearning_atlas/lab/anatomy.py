"""Where the parts of a model are: the built-in one and the common kinds of Hugging Face.

Layers are counted from 1; layer n is what turns hidden state n - 1 into hidden state n, and state 0 is the embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from unlearning_atlas.lab.batches import Batch

# Built-in; Llama, Mistral, Qwen, Gemma, Phi-3; GPT-2; GPT-NeoX and Pythia.
_LAYERS = ("blocks", "model.layers", "transformer.h", "gpt_neox.layers")
_ATTENTION_OUT = ("attention.out", "self_attn.o_proj", "attn.c_proj", "attention.dense")
_MLP_OUT = ("down", "mlp.down_proj", "mlp.c_proj", "mlp.dense_4h_to_h")
_NORM = ("norm", "model.norm", "transformer.ln_f", "gpt_neox.final_layer_norm")


class UnknownModelError(ValueError):
    """The model has no part of the kind that a method needs, or it is not where known models have it."""


def _part(owner: nn.Module, paths: tuple[str, ...], what: str) -> nn.Module:
    for path in paths:
        found: object = owner
        for name in path.split("."):
            found = getattr(found, name, None)
        if isinstance(found, nn.Module):
            return found
    raise UnknownModelError(
        f"{type(owner).__name__} has no {what} where it was looked for ({', '.join(paths)}); this method needs it, so "
        "take another model or add its place to lab/anatomy.py"
    )


def layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers, the first one at index 0. Raises UnknownModelError."""
    return list(cast("nn.ModuleList", _part(model, _LAYERS, "list of layers")))


def layer(model: nn.Module, number: int) -> nn.Module:
    """Return a layer by its number, from 1. Raises UnknownModelError, and ValueError for a number it does not have."""
    found = layers(model)
    if not 1 <= number <= len(found):
        raise ValueError(f"layer must lie between 1 and {len(found)} for this model (got {number})")
    return found[number - 1]


def attention_out(layer: nn.Module) -> nn.Module:
    """Return the linear map by which a layer's attention writes to the residual stream."""
    return _part(layer, _ATTENTION_OUT, "output of attention")


def mlp_out(layer: nn.Module) -> nn.Module:
    """Return the linear map by which a layer's feed-forward part writes to the residual stream; it reads neurons."""
    return _part(layer, _MLP_OUT, "output of the feed-forward part")


def final_norm(model: nn.Module) -> nn.Module:
    """Return the normalisation between the last layer and the output head."""
    return _part(model, _NORM, "normalisation before the head")


def matrix(linear: nn.Module) -> Tensor:
    """Return the weight of a linear map as (out, in), a view that can be written to; GPT-2 keeps it transposed."""
    weight = cast("Tensor", linear.weight)
    return weight.T if type(linear).__name__ == "Conv1D" else weight


def unembedding(model: nn.Module) -> Tensor:
    """Return the matrix that turns the normalised last hidden state into logits: (V, D)."""
    head = cast("Callable[[], nn.Module]", getattr(model, "get_output_embeddings", lambda: None))()
    if head is None:
        raise UnknownModelError(f"{type(model).__name__} has no get_output_embeddings(); this method needs the head")
    return cast("Tensor", head.weight)


def embedding(model: nn.Module) -> nn.Embedding:
    """Return the module that turns ids into vectors: (B, T) -> (B, T, D)."""
    found = cast("Callable[[], nn.Embedding]", getattr(model, "get_input_embeddings", lambda: None))()
    if found is None:
        raise UnknownModelError(f"{type(model).__name__} has no get_input_embeddings(); this method needs it")
    return found


class _Reached(Exception):  # noqa: N818  a way out of a forward pass, not an error
    """The layer that was asked for has been computed."""


def state_at(model: nn.Module, batch: Batch, number: int) -> Tensor:
    """Return the output of a layer, counted from 1, without computing anything above it: (B, T, D).

    Gradients flow into the layers below. Raises UnknownModelError for a model whose layers are not known.
    """
    found: list[Tensor] = []

    def stop(_: nn.Module, __: object, output: object) -> None:
        found.append(cast("Tensor", output[0] if isinstance(output, tuple) else output))
        raise _Reached

    handle = layer(model, number).register_forward_hook(stop)
    try:
        model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
    except _Reached:
        pass
    finally:
        handle.remove()
    return found[0]


@contextmanager
def output_changed(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside, every output of a module goes through ``change``; of a tuple, its first item does."""

    def hook(_: nn.Module, __: object, output: object) -> object:
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        return change(cast("Tensor", output))

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def input_changed(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Inside, the first input of a module goes through ``change`` on its way in."""

    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (change(inputs[0]), *inputs[1:])

    handle = module.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def neurons(model: nn.Module, batch: Batch, number: int) -> Tensor:
    """Return what the feed-forward part of a layer feeds to its output map: (B, T, H), without gradients."""
    found: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        found.append(x)
        return x

    with input_changed(mlp_out(layer(model, number)), note):
        state_at(model, batch, number)
    return found[0]
