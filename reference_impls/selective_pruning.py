"""Selective pruning.

Paper: Pochinkov and Schoots 2024, "Dissecting Language Models: Machine Unlearning via Selective Pruning": remove, round
after round, the feed-forward neurons that matter most on what is to be forgotten relative to what is to be kept,

    score(n) = I(D_f, n) / (I(D_r, n) + epsilon),
    I(D, n) over the tokens of D:  abs: mean |a_n|,  freq: share with a_n > 0,  std: standard deviation of a_n,
                                   rms: square root of the mean of a_n^2;          the highest scores are removed

Which variant this is, and how it differs:

1. Feed-forward neurons only, as in most of the authors' runs; their pruning of attention is left out.
2. Neurons of all layers are ranked together, and activations are measured again after each removal, as the authors do.
3. A neuron is removed by setting the weights by which it writes to the residual stream to zero; its incoming weights
   stay. The function is the same.
4. A step removes some tenths of a percent, so that a curve can be drawn; a round of theirs removes 2 %.
5. Activations are those of every token that is not padding, the question's with the answer's.
"""

from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import input_changed, layers, matrix, mlp_out
from unlearning_atlas.lab.batches import Batch
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import CHUNK, OnStep, logits_of

PAPER: dict[str, object] = {"ff_frac": 0.02, "attn_frac": 0.0, "collection_sample_size": 100_000, "eps": 1e-5}
SPACE = {"importance": ("abs", "freq", "std", "rms"), "fraction": (0.0015, 0.005)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values. ``fraction`` is the share of all feed-forward neurons that one step removes."""

    importance: str = "abs"
    fraction: float = 0.003
    epsilon: float = 1e-5
    steps: int = 120

    def __post_init__(self) -> None:
        """Refuse an importance that is not known and a share that is none."""
        if self.importance not in ("abs", "freq", "std", "rms"):
            raise ValueError(f"importance must be abs, freq, std or rms (got {self.importance!r})")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must lie above 0 and at most at 1 (got {self.fraction:g})")


def importance(activations: Tensor, kind: str) -> Tensor:
    """Return how much each neuron does over some tokens: (tokens, H) -> (H,)."""
    if kind == "freq":
        return (activations > 0).to(activations.dtype).mean(dim=0)
    if kind == "std":
        return activations.std(dim=0, correction=0)
    return activations.abs().mean(dim=0) if kind == "abs" else activations.square().mean(dim=0).sqrt()


def scores(forget: Tensor, retain: Tensor, kind: str, epsilon: float) -> Tensor:
    """Return the ratio of importances: (forget tokens, H), (retain tokens, H) -> (H,)."""
    return importance(forget, kind) / (importance(retain, kind) + epsilon)


@torch.no_grad()
def activations(model: nn.Module, sequences: Batch) -> Tensor:
    """Return the feed-forward neurons of all layers side by side, on every token: (tokens, H over all layers)."""
    found: list[list[Tensor]] = []

    def note(x: Tensor) -> Tensor:
        found[-1].append(x)
        return x

    with ExitStack() as stack:
        for each in layers(model):
            stack.enter_context(input_changed(mlp_out(each), note))
        parts = []
        for batch in sequences.split(CHUNK):
            found.append([])
            logits_of(model, batch)
            parts.append(torch.cat([x[batch.attention_mask] for x in found[-1]], dim=-1))
    return torch.cat(parts)


@torch.no_grad()
def prune(model: nn.Module, removed: Tensor) -> None:
    """Set what some neurons write to zero: a mask over the neurons of all layers, (H over all layers,)."""
    start = 0
    for each in layers(model):
        writes = matrix(mlp_out(each))  # (D, H)
        writes[:, removed[start : start + writes.shape[1]]] = 0.0
        start += writes.shape[1]


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Prune step by step; the model is changed in place and returned. Nothing depends on ``seed``."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    model.eval()
    total = sum(matrix(mlp_out(each)).shape[1] for each in layers(model))
    removed = torch.zeros(total, dtype=torch.bool)
    for step in range(hp.steps):
        wanted = min(total, round((step + 1) * hp.fraction * total))
        more = wanted - int(removed.sum())
        if more:  # a step may be less than one neuron
            ratio = scores(activations(model, data.forget), activations(model, data.retain), hp.importance, hp.epsilon)
            removed[ratio.masked_fill(removed, -torch.inf).topk(more).indices] = True
            prune(model, removed)
        if on_step is not None:
            on_step(step + 1, model)
    return model
