from __future__ import annotations

import pytest
import torch
from by_hand import Changed, V, labels, module

from unlearning_atlas.lab.batches import Batch
from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def texts(*rows: str) -> Batch:
    """Read texts: a digit is a token, one after ``|`` belongs to the answer."""
    ids, wanted = [], []
    width = max(len(row) - 1 for row in rows)
    for row in rows:
        question, answer = row.split("|")
        ids.append([int(c) for c in question + answer] + [0] * (width - len(row) + 1))
        wanted.append([-100] * len(question) + [int(c) for c in answer] + [-100] * (width - len(row) + 1))
    mask = torch.tensor([[True] * (len(row) - 1) + [False] * (width - len(row) + 1) for row in rows])
    return Batch(torch.tensor(ids), torch.tensor(wanted), mask, torch.arange(len(rows)))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_memfree(n: int) -> None:
    """Against all n-grams written out, on texts padded on either side."""
    forgotten = ["123|456", "213|46", "5|6"]
    grams = set()
    for text in forgotten:
        tokens, start = text.replace("|", ""), text.index("|")
        grams |= {tokens[t - n + 1 : t + 1] for t in range(max(start, n - 1), len(tokens))}
    ours = module("memfree")
    found = ours.n_grams(texts(*forgotten), n)
    assert {"".join(map(str, (*before, after))) for before, every in found.items() for after in every} == grams

    ids = labels("12345", "00213", "51300")
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 1, 1, 0, 0]]) > 0
    logits = torch.randn(3, 5, V, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    filtered = ours.forbid(logits, ids, mask, found, n)
    ruled_out = 0
    for row, text in enumerate(("12345", "213", "513")):
        first = int(mask[row].nonzero()[0])
        for t in range(len(text)):
            p = torch.softmax(filtered[row, first + t], dim=-1)
            allowed = [word for word in range(V) if f"{text[: t + 1]}{word}"[-n:] not in grams or t + 2 < n]
            mass = sum(torch.exp(logits[row, first + t, word]) for word in allowed)
            for word in range(V):
                wanted = (
                    torch.exp(logits[row, first + t, word]) / mass if word in allowed else torch.tensor(0.0).double()
                )
                torch.testing.assert_close(p[word], wanted)
            ruled_out += V - len(allowed)
    assert ruled_out, "something is forbidden"


def test_memfree_leaves_the_model_as_it_is(model: TinyTransformer, data: Data, changed: Changed) -> None:
    wrapped = module("memfree").unlearn(model, data, n=3)
    assert changed(wrapped) == set()
    rows = data.retain.rows(torch.arange(8))
    untouched = wrapped(rows.input_ids[:, :2], rows.attention_mask[:, :2]).logits[:, 0]
    assert torch.equal(untouched, model(rows.input_ids[:, :2]).logits[:, 0])
