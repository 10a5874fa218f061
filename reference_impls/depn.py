"""DEPN (detecting and editing privacy neurons).

Paper: Wu et al. 2023, "DEPN: Detecting and Editing Privacy Neurons in Pretrained Language Models": find the
feed-forward neurons through which a model comes to a private string, by integrated gradients, and silence those that
many strings share,

    Att(n) = sum_t b_n,t / m  sum_{j=1..m} dP(y_t | X, w_n = j/m b_n,t) / dw_n

where b_n,t is what the neuron is in the unchanged model at the position of y_t. Every string votes for its neurons, and
the z neurons with the most votes are set to 0.

Which variant this is, and how it differs:

1. For a model that predicts the next token; the authors' is masked, and a private token's position is that of its mask.
2. One token at a time, and the attributions of a string's tokens are summed, as in the authors' code. The token that
   ends an answer is not private and is left out.
3. As in their code, the points run from 0 to (m - 1) / m, all neurons of a layer are scaled together, and a string
   votes for the neurons with at least r times its largest attribution.
4. Neurons with equal counts are ordered by the sum of their attributions; in their code by which was met first.
5. All of the forget set is used, where the authors sample 20 to 200 strings. z grows from step to step, so that a curve
   can be drawn; neurons are ranked once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import input_changed, layer, layers, matrix, mlp_out, neurons
from unlearning_atlas.lab.batches import IGNORE, Batch
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import CHUNK, OnStep, logits_of

PAPER: dict[str, object] = {"erase_kn_num": 20, "batch_size": 20, "num_batch": 1, "threshold_ratio": 0.1}
SPACE = {"threshold": (0.05, 0.1, 0.3, 0.5), "fraction": (0.0005, 0.003)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values. ``fraction`` is the share of all feed-forward neurons that one step silences."""

    threshold: float = 0.1
    points: int = 10
    fraction: float = 0.0005
    steps: int = 60

    def __post_init__(self) -> None:
        """Refuse a threshold that no neuron or every neuron passes, no points, and a share that is none."""
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold must lie above 0 and at most at 1 (got {self.threshold:g})")
        if self.points < 1:
            raise ValueError(f"points must be 1 or more (got {self.points})")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must lie above 0 and at most at 1 (got {self.fraction:g})")


def attribution(model: nn.Module, batch: Batch, places: Tensor, number: int, points: int) -> Tensor:
    """Return what each neuron of a layer adds to the probability of one token per row: (B, H).

    ``places`` (B,) is the position of that token, at least 1; its neurons are those one position before.
    """
    rows = torch.arange(len(batch))
    tokens = batch.input_ids[rows, places]
    found = neurons(model, batch, number)[rows, places - 1]  # (B, H)
    total = torch.zeros_like(found)
    for point in range(points):
        scaled = (point / points * found).requires_grad_()

        def put(x: Tensor, scaled: Tensor = scaled) -> Tensor:
            return x.index_put((rows, places - 1), scaled)

        with input_changed(mlp_out(layer(model, number)), put):
            probabilities = logits_of(model, batch)[rows, places - 1].softmax(dim=-1)[rows, tokens]
        total += torch.autograd.grad(probabilities.sum(), scaled)[0]
    return found * total / points


def ranked(attributions: Tensor, threshold: float) -> Tensor:
    """Return neurons in the order in which they are silenced: (strings, H over all layers) -> (H over all layers,)."""
    count = (attributions >= threshold * attributions.amax(dim=1, keepdim=True)).sum(dim=0)
    by_sum = attributions.sum(dim=0).argsort(descending=True)
    return by_sum[count[by_sum].argsort(descending=True, stable=True)]


def all_attributions(model: nn.Module, sequences: Batch, end: int, points: int) -> Tensor:
    """Return the attributions of each string, summed over its tokens: (strings, H over all layers)."""
    private = (sequences.labels != IGNORE) & (sequences.labels != end)
    private[:, 0] = False  # nothing predicts the first token
    strings, places = private.nonzero(as_tuple=True)  # one entry per private token
    parts = []
    for start in range(0, len(strings), CHUNK):
        chosen = strings[start : start + CHUNK]
        here = sequences.rows(chosen), places[start : start + CHUNK]
        each = [attribution(model, *here, number, points) for number in range(1, len(layers(model)) + 1)]
        parts.append(torch.cat(each, dim=1))
    tokens = torch.cat(parts)
    return tokens.new_zeros(len(sequences), tokens.shape[1]).index_add(0, strings, tokens)


@torch.no_grad()
def silence(model: nn.Module, removed: Tensor) -> None:
    """Set what some neurons write to zero: their numbers, counted through all layers."""
    start = 0
    for each in layers(model):
        writes = matrix(mlp_out(each))  # (D, H)
        here = removed[(removed >= start) & (removed < start + writes.shape[1])] - start
        writes[:, here] = 0.0
        start += writes.shape[1]


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Rank the neurons and silence the first; the model is changed in place and returned. ``seed`` changes nothing."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    model.eval().requires_grad_(False)
    order = ranked(all_attributions(model, data.forget, data.tokenizer.end, hp.points), hp.threshold)
    for step in range(hp.steps):
        silence(model, order[: round((step + 1) * hp.fraction * len(order))])
        if on_step is not None:
            on_step(step + 1, model)
    return model.requires_grad_(True)
