from __future__ import annotations

import copy

import pytest
import torch
from by_hand import Changed, labels, module
from torch import Tensor, nn

from unlearning_atlas.lab.batches import Batch
from unlearning_atlas.lab.model import Block, TinyTransformer
from unlearning_atlas.lab.registry import Data

V, D = 30, 6


class Head(nn.Module):
    """A final norm and an unembedding where the lab looks for them, with weights that are neither 1 nor 0."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.norm: nn.LayerNorm | nn.RMSNorm = nn.LayerNorm(D, eps=0.0) if kind == "layer" else nn.RMSNorm(D, eps=0.0)
        self.head = nn.Linear(D, V, bias=False)
        self.double()
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) + 0.3)

    def get_output_embeddings(self) -> nn.Module:
        return self.head


def through(norm: nn.LayerNorm | nn.RMSNorm, vector: Tensor) -> Tensor:
    """Normalise by the definition."""
    mean = vector.sum() / D if isinstance(norm, nn.LayerNorm) else torch.zeros(())
    size = torch.sqrt(((vector - mean) ** 2).sum() / D)
    beta = norm.bias if isinstance(norm, nn.LayerNorm) else 0.0
    found: Tensor = (vector - mean) / size * norm.weight + beta
    return found


def back(norm: nn.LayerNorm | nn.RMSNorm, normed: Tensor, like: Tensor) -> Tensor:
    """Undo the normalisation with the mean and the size of another vector."""
    mean = like.sum() / D if isinstance(norm, nn.LayerNorm) else torch.zeros(())
    size = torch.sqrt(((like - mean) ** 2).sum() / D)
    beta = norm.bias if isinstance(norm, nn.LayerNorm) else 0.0
    found: Tensor = (normed - beta) / norm.weight * size + mean
    return found


def place_of(logits: Tensor, token: int) -> int:
    return sorted(range(len(logits)), key=lambda word: -float(logits[word])).index(token)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["layer", "root mean square"])
def test_revs(kind: str) -> None:
    """A neuron read as logits, one logit lowered until its rank is within bounds, and all logits read back."""
    model, module_ = Head(kind), module("revs")
    vectors = torch.randn(12, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    token, bottom, top = 4, 12, 18
    u = model.head.weight
    inverse = torch.linalg.solve(u.T @ u, u.T)  # the pseudo-inverse of a matrix of full column rank
    expected, kept = [], 0
    for vector in vectors:
        logits = u @ through(model.norm, vector)
        delta = -10.0 if place_of(logits, token) < bottom else 0.0
        kept += delta == 0.0
        for _ in range(100):
            lowered = logits.clone()
            lowered[token] += delta
            found = back(model.norm, inverse @ lowered, vector)
            place = place_of(u @ through(model.norm, found), token)
            if place >= bottom and (place <= top or delta == 0.0):
                break
            delta *= 1.3 if place < bottom else 0.8
        expected.append(found)
    assert 0 < kept < len(vectors)
    vocabulary = module_.Vocabulary(model)
    found = module_.demoted(vectors, vocabulary, token, bottom, top, 100)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-9)
    ranks = module_.rank(vocabulary.logits(found), token).tolist()
    assert ranks == [place_of(u @ through(model.norm, vector), token) for vector in found]
    assert min(ranks) >= bottom


def neurons_and_states(model: TinyTransformer, ids: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Compute a layer's neurons at the last position, what they write, and the residual stream after it."""
    x = model.embedding(ids[None])
    turn = model._angles(len(ids), x)
    blocks = [part for part in model.modules() if isinstance(part, Block)][:layer]
    for block in blocks:
        x = x + block.attention(block.attention_norm(x), turn, None)
        gate, up = block.gate_up(block.mlp_norm(x)).chunk(2, dim=-1)
        hidden = gate * torch.sigmoid(gate) * up
        written = hidden @ block.down.weight.T
        x = x + written
    return hidden[0, -1], written[0, -1], x[0, -1]


@torch.no_grad()
@pytest.mark.parametrize("layer", [1, 2])
def test_revs_edits_the_least_number_of_the_neurons_that_promote_the_token(
    model: TinyTransformer, data: Data, changed: Changed, layer: int
) -> None:
    module_ = module("revs")
    hp = module_.Hyperparameters(rank=0.3, neuron_rank=0.6, active=30, neurons=20)
    vocabulary = module_.Vocabulary(model)
    words = len(data.tokenizer)
    row = data.forget.rows(torch.tensor([0]))
    place = 6
    hidden, written, state = neurons_and_states(model, row.input_ids[0, :place], layer)
    # the token that both places rank first on average, so that there is something to edit
    token = int((vocabulary.logits(written) + vocabulary.logits(state)).argmax())
    ids = row.input_ids.clone()
    ids[0, place] = token
    row = Batch(ids, row.labels, row.attention_mask, row.index)
    values = model.get_parameter(f"blocks.{layer - 1}.down.weight").clone()

    def place_in(vector: Tensor) -> int:
        return place_of(vocabulary.logits(vector), token)

    assert place_in(written) < 0.3 * words
    assert place_in(state) < 0.3 * words
    active = sorted(range(len(hidden)), key=lambda n: -float(hidden[n]))[:30]
    chosen = sorted(active, key=lambda n: place_in(values[:, n]))[:20]
    new = module_.demoted(values[:, chosen].T, vocabulary, token, 0.6 * words, 0.68 * words, 100)
    counts = []
    for count in range(1, 21):
        change = sum(float(hidden[chosen[i]]) * (new[i] - values[:, chosen[i]]) for i in range(count))
        counts.append(place_in(written + change) >= 0.3 * words and place_in(state + change) >= 0.3 * words)
    wanted = counts.index(True) + 1 if any(counts) else 20
    after = copy.deepcopy(model)
    module_.edit(after, row, place, layer, module_.Vocabulary(after), hp)
    assert changed(after) == {f"blocks.{layer - 1}.down.weight"}
    edited = after.get_parameter(f"blocks.{layer - 1}.down.weight")
    moved = {n for n in range(values.shape[1]) if not torch.equal(edited[:, n], values[:, n])}
    low = {n for n in chosen[:wanted] if place_in(values[:, n]) < 0.6 * words}
    assert low <= moved <= set(chosen[:wanted])
    for n in moved:
        torch.testing.assert_close(edited[:, n], new[chosen.index(n)], rtol=1e-3, atol=1e-5)


@torch.no_grad()
def test_revs_leaves_a_token_that_ranks_poorly_in_one_of_both_places(model: TinyTransformer, data: Data) -> None:
    module_ = module("revs")
    vocabulary = module_.Vocabulary(model)
    row = data.forget.rows(torch.tensor([0]))
    _, written, state = neurons_and_states(model, row.input_ids[0, :6], 2)
    one, two = vocabulary.logits(written), vocabulary.logits(state)
    apart = max(range(len(data.tokenizer)), key=lambda word: place_of(one, word) - place_of(two, word))
    first, second = place_of(one, apart), place_of(two, apart)
    assert second < first
    row.input_ids[0, 6] = apart
    hp = module_.Hyperparameters(rank=(first + second) / 2 / len(data.tokenizer))
    before = copy.deepcopy(model)
    module_.edit(model, row, 6, 2, vocabulary, hp)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_revs_takes_the_rarest_token_of_an_answer_but_its_end() -> None:
    wanted = labels("..231", ".421.", ".....", "31...", ".1...")
    every = torch.ones_like(wanted, dtype=torch.bool)
    batch = Batch(wanted.clamp(min=0), wanted, every, torch.arange(len(wanted)))
    counts = torch.tensor([9, 1, 5, 3, 7])  # 1 is the end
    assert module("revs").rarest(batch, counts, 1) == [3, 2, 0, 0, 0]


@pytest.mark.parametrize(
    "wrong", [{"rank": 0.0}, {"neuron_rank": 1.0}, {"band": -0.1}, {"rounds": 0}, {"neurons": 100}]
)
def test_revs_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        module("revs").Hyperparameters(**wrong)
