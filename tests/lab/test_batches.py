"""How pairs become batches, how batches are drawn, and what a model writes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, Batch, Words, encode, join, mean_nll, shuffled, token_log_probs
from unlearning_atlas.lab.decoding import continuations, prompts
from unlearning_atlas.lab.model import Config, Output, TinyTransformer
from unlearning_atlas.lab.task import Task
from unlearning_atlas.lab.tasks import authors


@pytest.fixture(scope="module")
def task() -> Task:
    return authors.make(7)


def test_encoding_scores_the_answer_and_its_end_only(task: Task) -> None:
    pairs = task.retain[:40]
    batch = encode(pairs, task.tokenizer)
    for row, (question, answer) in enumerate(pairs):
        ids = batch.input_ids[row][batch.attention_mask[row]].tolist()
        scored = batch.labels[row][batch.labels[row] != IGNORE].tolist()
        assert task.tokenizer.decode(ids) == f"{question} {answer}"
        assert ids[-1] == scored[-1] == task.tokenizer.end
        assert task.tokenizer.decode(scored) == answer
    assert prompts(batch) == [task.tokenizer.encode(question) for question, _ in pairs]


def test_one_pass_takes_every_row_once_and_knows_its_number(task: Task) -> None:
    batch = task.encoded("forget")
    drawn = shuffled(batch, 50, seed=1)
    seen = []
    for _ in range(4):
        part = next(drawn)
        for number, ids, mask in zip(part.index.tolist(), part.input_ids, part.attention_mask, strict=True):
            whole = batch.input_ids[number][batch.attention_mask[number]]
            assert torch.equal(ids[mask], whole)
            seen.append(number)
    assert sorted(seen) == list(range(len(batch)))


def test_greedy_continuations_are_those_of_one_step_at_a_time(task: Task) -> None:
    model = TinyTransformer(Config(len(task.tokenizer)), seed=1).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3.0)
    starts = [[5, 6, 7], [8, 9], [10, 11, 12], [13]]
    found = continuations(model, starts, task.tokenizer, length=5)
    for start, labels in zip(starts, found.labels, strict=True):
        ids = list(start)
        while len(ids) < len(start) + 5 and (len(ids) == len(start) or ids[-1] != task.tokenizer.end):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert labels[labels != IGNORE].tolist() == ids[len(start) :]
    one, two, other = (
        continuations(model, starts, task.tokenizer, length=5, temperature=2.0, seed=seed).labels for seed in (1, 1, 2)
    )
    assert torch.equal(one, two)
    assert one.shape != other.shape or not torch.equal(one, other)


def test_words_are_told_from_ends_and_padding() -> None:
    words = Words(["b", "a", "b"])
    assert len(words) == 4
    assert words.decode([words.pad, *words.encode("b a b"), words.end, words.pad]) == "b a b"
    assert not {words.pad, words.end} & set(words.encode("a b"))
    with pytest.raises(KeyError, match="c"):
        words.encode("a c")


def test_rows_keep_their_numbers_and_lose_padding_only() -> None:
    batch = join([[5], [5, 6], [5, 6, 7], [5]], [[8], [8, 9, 2], [8], [8, 9]], pad=0)
    assert batch.input_ids.shape == (4, 5)
    some = batch.rows(torch.tensor([3, 0]))
    assert some.index.tolist() == [3, 0]
    assert some.input_ids.tolist() == [[5, 8, 9], [5, 8, 0]]
    assert some.labels.tolist() == [[IGNORE, 8, 9], [IGNORE, 8, IGNORE]]
    assert some.attention_mask.tolist() == [[True] * 3, [True, True, False]]
    of_some = some.rows(torch.tensor([1]))
    assert of_some.index.tolist() == [0], "the number is that in the whole set"
    assert of_some.input_ids.tolist() == [[5, 8]]
    assert [part.index.tolist() for part in batch.split(3)] == [[0, 1, 2], [3]]
    left = Batch(
        torch.tensor([[0, 0, 5, 8], [0, 5, 6, 8]]),
        torch.tensor([[IGNORE, IGNORE, IGNORE, 8], [IGNORE, IGNORE, 6, 8]]),
        torch.tensor([[False, False, True, True], [False, True, True, True]]),
        torch.tensor([4, 9]),
    )
    assert torch.equal(left.rows(torch.tensor([0])).input_ids, left.input_ids[:1]), "padding on the left stays"
    assert prompts(left) == [[5], [5]]


def test_the_order_is_new_in_every_pass_and_the_seed_decides_it() -> None:
    batch = join([[5]] * 20, [[8]] * 20, pad=0)

    def passes(seed: int) -> list[list[int]]:
        drawn = shuffled(batch, 8, seed)
        return [[number for _ in range(3) for number in next(drawn).index.tolist()] for _ in range(2)]

    first, second = passes(1)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert passes(1) == [first, second]
    assert passes(2) != [first, second]


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_that_is_no_size_is_refused(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = iter([torch.arange(4)] * 3)

    def order(*_: object, **__: object) -> Tensor:
        found = next(orders, None)
        assert found is not None, "it draws orders without end and yields no batch"
        return found

    batch = join([[5]] * 4, [[8]] * 4, pad=0)
    monkeypatch.setattr(torch, "randperm", order)
    with pytest.raises(ValueError):  # noqa: PT011  the words are free
        next(shuffled(batch, size, 0))


def test_likelihood_of_targets_token_by_token() -> None:
    logits = torch.randn(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[IGNORE, IGNORE, 3, 1], [2, 4, IGNORE, IGNORE]])
    log_p, scored = token_log_probs(logits, labels)
    assert scored.tolist() == [[False, True, True], [True, False, False]]
    logs = []
    for row, t in ((0, 2), (0, 3), (1, 1)):  # nothing predicts the first position
        scores = [math.exp(value) for value in logits[row, t - 1].tolist()]
        logs.append(math.log(scores[int(labels[row, t])] / sum(scores)))
        assert log_p[row, t - 1].item() == pytest.approx(logs[-1], rel=1e-12)
    assert (log_p[~scored] == 0).all()
    assert mean_nll(logits, labels).item() == pytest.approx(-sum(logs) / 3, rel=1e-12)


class Loaded(nn.Module):
    """Gives id 2 three times the mass of id 3, and nothing to others."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:
        row = torch.tensor([-50.0, -50.0, math.log(3.0), 0.0])
        return Output(row.expand(*input_ids.shape, 4))


def test_what_is_drawn_follows_the_temperature() -> None:
    words = Words(["a", "b"])

    def share(temperature: float) -> float:
        written = continuations(Loaded(), [[2]] * 2000, words, length=1, temperature=temperature).labels[:, 1:]
        return float((written == 2).double().mean())

    assert share(0.0) == 1.0
    assert share(1.0) == pytest.approx(0.75, abs=0.04)
    assert share(0.5) == pytest.approx(0.9, abs=0.03)


def test_a_draw_leaves_torchs_own_chance_alone() -> None:
    before = torch.get_rng_state()
    continuations(Loaded(), [[2]], Words(["a", "b"]), length=3, temperature=1.0, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_written_after_the_end() -> None:
    class Ends(nn.Module):
        """Writes id 2 until the text has four ids, then the end."""

        def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:
            logits = torch.zeros(*input_ids.shape, 4)
            logits[:, :, 2 if input_ids.shape[1] < 4 else 1] = 1.0
            return Output(logits)

    found = continuations(Ends(), [[3], [3, 3, 3], [3, 3, 3, 3]], Words(["a", "b"]), length=3)
    written = [row[row != IGNORE].tolist() for row in found.labels]
    assert written == [[2, 2, 2], [2, 1], [1]]
    assert found.attention_mask.sum(dim=1).tolist() == [4, 5, 5]


def test_a_row_that_has_ended_waits_for_the_others_and_writes_nothing() -> None:
    class Counts(nn.Module):
        """Writes id 2 after id 2, and the end after id 3."""

        def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:
            logits = torch.zeros(*input_ids.shape, 4)
            logits.scatter_(-1, torch.where(input_ids == 3, 1, 2)[..., None], 1.0)
            return Output(logits)

    found = continuations(Counts(), [[3, 2], [2, 3]], Words(["a", "b"]), length=3)
    assert [row[row != IGNORE].tolist() for row in found.labels] == [[2, 2, 2], [1]]
    assert found.attention_mask.sum(dim=1).tolist() == [5, 3]
