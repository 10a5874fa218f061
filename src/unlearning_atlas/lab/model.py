"""The built-in model: a decoder-only transformer of the Llama kind, small enough to train on one core.

Root-mean-square normalisation, rotary positions, gated feed-forward layers, and an output head tied to the embedding.
With two layers of width 64 and a vocabulary of 500 words it has about 127,000 parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Output(NamedTuple):
    """What a call returns, in the names Hugging Face uses."""

    logits: Tensor
    """(B, T, V) float."""
    hidden_states: tuple[Tensor, ...] | None = None
    """The embedding and the output of every layer, each (B, T, D); only on request."""


@dataclass(frozen=True)
class Config:
    """Sizes of a model."""

    vocabulary: int
    width: int = 64
    layers: int = 2
    heads: int = 4

    @property
    def hidden(self) -> int:
        """Width of the feed-forward layer: 8/3 of the model's, rounded up to a multiple of 8."""
        return -(-self.width * 8 // 3 // 8) * 8


class Attention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Map (B, T, D) to (B, T, D); ``mask`` is (B, 1, T, T), true where a query may look, or None for causal."""
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        q, k = _rotate(q, *turn), _rotate(k, *turn)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        merged: Tensor = self.out(y.transpose(1, 2).reshape(B, T, D))
        return merged


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the two halves of each head's vector by the position's angles: (B, H, T, D/H)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Block(nn.Module):
    """Attention and a gated feed-forward layer, each behind a normalisation and beside a residual path."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width)
        self.attention = Attention(config)
        self.mlp_norm = nn.RMSNorm(config.width)
        self.gate_up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        x = x + self.attention(self.attention_norm(x), turn, mask)
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        fed: Tensor = x + self.down(F.silu(gate) * up)
        return fed


class TinyTransformer(nn.Module):
    """The model. ``seed`` decides its first weights."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(config.vocabulary, config.width)
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
            self.norm = nn.RMSNorm(config.width)
            for weight in self.parameters():
                if weight.dim() == 2:
                    nn.init.normal_(weight, std=0.02)
            for name, weight in self.named_parameters():
                if name.endswith((".out.weight", ".down.weight")):  # what each layer adds starts smaller in deep models
                    nn.init.normal_(weight, std=0.02 / (2 * config.layers) ** 0.5)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool = False
    ) -> Output:
        """Predict the next token at every position.

        Args:
            input_ids: (B, T) token ids.
            attention_mask: (B, T), 0 where a position is padding, on either side; None when nothing is.
            output_hidden_states: also return the embedding and every layer's output.
        """
        T = input_ids.shape[1]
        mask = None
        if attention_mask is not None and not bool(attention_mask.all()):
            causal = torch.ones(T, T, dtype=torch.bool, device=input_ids.device).tril()
            # Every position may look at itself, padding too: a row without any key would turn into NaN.
            itself = torch.eye(T, dtype=torch.bool, device=input_ids.device)
            mask = (causal & attention_mask.bool()[:, None, :] | itself)[:, None]
        x = self.embedding(input_ids)
        turn = self._angles(T, x)
        states = [x]
        for block in self.blocks:
            x = block(x, turn, mask)
            states.append(x)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return Output(logits, tuple(states) if output_hidden_states else None)

    def _angles(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        half = self.config.width // self.config.heads // 2
        frequency = 10_000.0 ** -(torch.arange(half, device=like.device, dtype=torch.float64) / half)
        angle = torch.outer(torch.arange(length, device=like.device, dtype=torch.float64), frequency)
        return angle.cos().to(like.dtype), angle.sin().to(like.dtype)

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the layer that turns ids into vectors, under the name Hugging Face gives it."""
        return self.embedding

    def get_output_embeddings(self) -> nn.Embedding:
        """Return what turns the last hidden state into logits: the same matrix, (V, D)."""
        return self.embedding


class Wrapped(nn.Module):
    """A model behind something that acts while it answers: what a method that leaves the weights alone returns.

    ``model`` stays as it was. Whoever holds the weights can take the wrapping off, and the attacks on weights do so.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the changed logits: (B, T), (B, T) -> (B, T, V). Every subclass defines this."""
        raise NotImplementedError

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:
        """Predict the next token at every position, as the model inside does."""
        return Output(self.logits(input_ids, attention_mask))
