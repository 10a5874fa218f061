"""MemFree decoding: a filter that forbids n-grams of what is to be forgotten.

Paper: Ippolito et al. 2022, "Preventing Verbatim Memorization in Language Models Gives a False Sense of Privacy": while
decoding, rule out every token that would complete an n-gram of the forgotten text,

    p(w | x) proportional to p_theta(w | x) 1[ (x_{-n+1}, ..., x_{-1}, w) not in B ],   B: the n-grams of D_f

Which variant this is, and how it differs:

1. B is an exact set; the authors use a Bloom filter, which also forbids a few n-grams that are not in it.
2. n-grams run over question and answer, but only tokens of answers are ruled out: a question is the user's text.
3. Ruled out means a logit of -10,000, which leaves probabilities of 0 and finite figures.
4. n is searched, from 2 to 9; the authors take 10 on long text, and CoTaEval's example 6. An answer is short here, so
   most of an n-gram is the question's wording.
"""

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, Batch
from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep

PAPER: dict[str, object] = {"n": 10}
SPACE: dict[str, tuple[float, ...]] = {"n": (2, 3, 4, 5, 6, 7, 8, 9)}

FORBIDDEN = -1e4


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    n: int = 4

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"n must be at least 2 (got {self.n}): a single word can not be forbidden everywhere")


def n_grams(sequences: Batch, n: int) -> dict[tuple[int, ...], set[int]]:
    """Return, for every n - 1 tokens that stand before a scored token, which tokens follow them."""
    found: dict[tuple[int, ...], set[int]] = defaultdict(set)
    for row, labels, mask in zip(sequences.input_ids, sequences.labels, sequences.attention_mask, strict=True):
        ids, scored = row[mask].tolist(), (labels[mask] != IGNORE).tolist()
        for t in range(n - 1, len(ids)):
            if scored[t]:
                found[tuple(ids[t - n + 1 : t])].add(ids[t])
    return dict(found)


def forbid(logits: Tensor, ids: Tensor, mask: Tensor, grams: dict[tuple[int, ...], set[int]], n: int) -> Tensor:
    """Return logits without the tokens that would complete an n-gram: (B, T, V), (B, T), (B, T) bool -> (B, T, V)."""
    logits = logits.clone()
    for row in range(len(ids)):
        places = mask[row].nonzero().squeeze(1).tolist()
        tokens = ids[row, mask[row]].tolist()
        for t in range(n - 2, len(tokens)):
            if after := grams.get(tuple(tokens[t - n + 2 : t + 1])):
                logits[row, places[t], list(after)] = FORBIDDEN
    return logits


class Filtered(Wrapped):
    """The model with a filter behind it."""

    def __init__(self, model: nn.Module, grams: dict[tuple[int, ...], set[int]], n: int) -> None:
        super().__init__(model)
        self.grams, self.n = grams, n

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the filtered logits."""
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return forbid(logits, input_ids, mask.bool(), self.grams, self.n)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: int
) -> nn.Module:
    """Return the model behind a filter made from the forget set; nothing is trained, ``on_step`` is not called."""
    hp = Hyperparameters(**hyperparameters)
    return Filtered(model, n_grams(data.forget, hp.n), hp.n)
