"""REVS (rank editing in the vocabulary space).

Paper: Ashuach et al. 2024, "REVS: Unlearning Sensitive Information in Language Models via Rank Editing in the
Vocabulary Space": read the neurons that promote a token of a secret as logits over the vocabulary, lower that token's
logit until its rank is poor, and write them back through the pseudo-inverse of the unembedding,

    z(v) = U norm(v),      v' = norm^-1(U^+ (z(v) + delta e_t)) = v + delta (s(v) / gamma) U^+ e_t
    delta: -10, times 1.3 while rank_t(z(v')) < r_neuron, times 0.8 while rank_t(z(v')) > r_neuron,top

for the value vectors v of the k most responsible neurons of a layer, k being the least for which rank_t of what the
feed-forward part writes and of the residual stream after it are both r or more. s(v) is the norm's denominator, gamma
its weight; rank 0 is the likeliest token.

Which variant this is, and how it differs:

1. Responsible are, as in the authors' code, those of the most active neurons at the position that predicts t whose
   value vectors rank t highest. A layer is edited where t ranks better than r in both places, as in the scripts that
   give the feed-forward part one margin; layers follow each other from the first to the last, texts one after the
   other, each reading the model as edited so far.
2. k is found by trying all counts; the authors' search starts at 5 and adds or takes off neurons until the ranks lie
   below upper margins as well.
3. Ranks are shares of the vocabulary, so that they mean the same for any size.
4. Edited is the token of each answer that occurs least often in all answers that a method sees, its end left out; the
   authors take the rarest tokens of a secret.
5. norm^-1 has no mean to add for a root-mean-square norm; the authors' code for Llama adds one, so its neurons change
   even where delta is 0.
6. A step edits a batch of texts, and passes over the set are repeated, since later edits may undo earlier ones.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import (
    final_norm,
    layer,
    layers,
    matrix,
    mlp_out,
    neurons,
    output_changed,
    state_at,
    unembedding,
)
from unlearning_atlas.lab.batches import IGNORE, Batch, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep

PAPER: dict[str, object] = {
    "residual_bottom_rank_margin": 10_000,
    "mlp_bottom_rank_margin": 10_000,
    "neuron_bottom_rank_margin": 90_000,
    "neuron_top_rank_margin": 100_000,
    "max_iter_neuron_rank": 100,
    "act_filter": "top_100",
    "n_neurons": 30,
    "max_tokens": 2,
}
SPACE = {"rank": (0.05, 0.2), "neuron_rank": (0.4, 0.7), "neurons": (10, 40)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values. Ranks are shares of the vocabulary; ``band`` is how far a neuron's may lie above its own."""

    rank: float = 0.05
    neuron_rank: float = 0.7
    band: float = 0.08
    active: int = 60
    neurons: int = 40
    rounds: int = 100
    steps: int = 40
    batch_size: int = 8

    def __post_init__(self) -> None:
        """Refuse ranks outside the vocabulary, no rounds, and a choice of more neurons than pass the filter."""
        if not 0 < self.rank < 1 or not 0 < self.neuron_rank < 1:
            raise ValueError(f"rank and neuron_rank are shares in (0, 1) (got {self.rank:g}, {self.neuron_rank:g})")
        if self.band < 0:
            raise ValueError(f"band must not be negative (got {self.band:g})")
        if self.rounds < 1:
            raise ValueError(f"rounds must be 1 or more (got {self.rounds})")
        if not 1 <= self.neurons <= self.active:
            raise ValueError(f"neurons must lie between 1 and active, {self.active} (got {self.neurons})")


def rank(logits: Tensor, token: int) -> Tensor:
    """Return how many words have a higher logit than a token: (..., V) -> (...)."""
    return (logits > logits[..., token : token + 1]).sum(dim=-1)


class Vocabulary:
    """A model's way from its residual stream to logits, and back."""

    def __init__(self, model: nn.Module) -> None:
        self.norm = final_norm(model)
        self.gamma = cast("Tensor", self.norm.weight).detach()  # (D,)
        self.head = unembedding(model).detach()  # (V, D)
        self.inverse = torch.linalg.pinv(self.head)  # (D, V)

    def logits(self, vectors: Tensor) -> Tensor:
        """Return what vectors say as hidden states would: (..., D) -> (..., V)."""
        found: Tensor = self.norm(vectors) @ self.head.T
        return found

    def moved(self, vectors: Tensor, token: int, delta: Tensor) -> Tensor:
        """Return vectors that would have a token's logit moved by delta, as nearly as D numbers can: (K, D), (K,)."""
        centred = vectors - vectors.mean(dim=-1, keepdim=True) if isinstance(self.norm, nn.LayerNorm) else vectors
        scale = centred.square().mean(dim=-1, keepdim=True).sqrt()  # (K, 1)
        found: Tensor = vectors + delta[:, None] * scale / self.gamma * self.inverse[:, token]
        return found


def demoted(vectors: Tensor, vocabulary: Vocabulary, token: int, bottom: float, top: float, rounds: int) -> Tensor:
    """Return vectors with a token's rank brought between two bounds, those above the lower one as they are: (K, D)."""
    low = rank(vocabulary.logits(vectors), token) < bottom
    delta = torch.where(low, -10.0, 0.0).to(vectors)
    for _ in range(rounds):
        found = vocabulary.moved(vectors, token, delta)
        now = rank(vocabulary.logits(found), token)
        better, worse = now < bottom, (now > top) & low
        if not (better | worse).any():
            break
        delta = torch.where(better, 1.3 * delta, torch.where(worse, 0.8 * delta, delta))
    return found


@torch.no_grad()
def edit(model: nn.Module, row: Batch, place: int, number: int, vocabulary: Vocabulary, hp: Hyperparameters) -> None:
    """Demote the token at a place of one text in one layer, unless it ranks poorly there already."""
    token, words = int(row.input_ids[0, place]), vocabulary.head.shape[0]
    writer = mlp_out(layer(model, number))
    values = matrix(writer)  # (D, H)
    written: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        written.append(x)
        return x

    activity = neurons(model, row, number)[0, place - 1]  # (H,)
    with output_changed(writer, note):
        residual = state_at(model, row, number)[0, place - 1]  # (D,)
    output = written[0][0, place - 1]  # (D,)

    def poor(change: Tensor) -> Tensor:
        ranks = (rank(vocabulary.logits(state + change), token) for state in (output, residual))
        return torch.stack([found >= hp.rank * words for found in ranks])  # (2, ...)

    if poor(torch.zeros_like(output)).any():
        return
    active = activity.topk(min(hp.active, len(activity))).indices
    promoting = rank(vocabulary.logits(values[:, active].T), token)
    chosen = active[promoting.topk(min(hp.neurons, len(active)), largest=False).indices]
    before = values[:, chosen].T
    bounds = hp.neuron_rank * words, min(1.0, hp.neuron_rank + hp.band) * words
    change = demoted(before, vocabulary, token, *bounds, hp.rounds) - before  # (K, D)
    enough = poor((activity[chosen, None] * change).cumsum(dim=0)).all(dim=0)  # (K,): the first k + 1 neurons
    count = int(enough.nonzero()[0]) + 1 if enough.any() else len(chosen)
    values[:, chosen[:count]] += change[:count].T


def rarest(sequences: Batch, counts: Tensor, end: int) -> list[int]:
    """Return each row's place of the answer's least frequent token, the end left out; 0 where there is none."""
    scored = (sequences.labels != IGNORE) & (sequences.labels != end)
    scored[:, 0] = False  # nothing predicts the first token
    frequency = counts[sequences.input_ids].masked_fill(~scored, int(counts.max()) + 1)
    return [int(row.argmin()) if bool(any_) else 0 for row, any_ in zip(frequency, scored.any(dim=1), strict=True)]


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Demote one token of every forget answer; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    model.eval()
    vocabulary = Vocabulary(model)
    seen = torch.cat([part.labels[part.labels != IGNORE] for part in (data.forget, data.retain)])
    counts = seen.bincount(minlength=len(vocabulary.head))
    batches = shuffled(data.forget, hp.batch_size, seed)
    for step in range(hp.steps):
        batch = next(batches)
        for number, place in enumerate(rarest(batch, counts, data.tokenizer.end)):
            for depth in range(1, len(layers(model)) + 1) if place else ():
                edit(model, batch.rows(torch.tensor([number])), place, depth, vocabulary, hp)
        if on_step is not None:
            on_step(step + 1, model)
    return model
