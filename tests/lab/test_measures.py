"""Every metric against its definition, written out in plain Python on small hand-made logits or on greedy text."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer
from torch import Tensor, nn

from unlearning_atlas.lab import measures
from unlearning_atlas.lab.batches import IGNORE, Batch, encode
from unlearning_atlas.lab.measures import Meter
from unlearning_atlas.lab.model import Config, Output, TinyTransformer
from unlearning_atlas.lab.task import Task
from unlearning_atlas.lab.tasks import authors, hazard, passages

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def task() -> Task:
    return authors.make(7)


@pytest.fixture(scope="module")
def model(task: Task) -> TinyTransformer:
    """Return an untrained model with weights large enough for lively logits, in float64."""
    return lively(task)


def lively(task: Task) -> TinyTransformer:
    net = TinyTransformer(Config(len(task.tokenizer)), seed=3)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(3.0)
    return net.double().eval()


@pytest.fixture(scope="module")
def some(task: Task, model: TinyTransformer) -> Batch:
    """Return thirty sequences, every other one of which the model itself has written, so that it gets them right."""
    batch = task.encoded("forget").rows(torch.arange(30))
    ids, labels = batch.input_ids.clone(), batch.labels.clone()
    for row in range(0, 30, 2):
        answer = (labels[row] != IGNORE).nonzero().squeeze(1)
        start = int(answer[0])
        text = ids[row, :start].tolist()
        for _ in answer:
            text.append(int(model(torch.tensor([text])).logits[0, -1].argmax()))
        ids[row, start : start + len(answer)] = labels[row, start : start + len(answer)] = torch.tensor(text[start:])
    return Batch(ids, labels, batch.attention_mask, batch.index)


def rows_of(model: nn.Module, batch: Batch) -> list[list[tuple[Tensor, int]]]:
    """Return, for every sequence, its scored tokens, each with the distribution that predicts it."""
    found = []
    for ids, labels, mask in zip(batch.input_ids, batch.labels, batch.attention_mask, strict=True):
        with torch.no_grad():
            p = model(input_ids=ids[mask][None]).logits[0].softmax(dim=-1)
        found.append([(p[t - 1], int(labels[t])) for t in range(1, int(mask.sum())) if int(labels[t]) != IGNORE])
    return found


def test_memorisation(model: TinyTransformer, some: Batch) -> None:
    exact, share, strength = [], [], []
    for row in rows_of(model, some):
        right = [int(p.argmax()) == token for p, token in row]
        exact.append(all(right))
        share.append(sum(right) / len(right))
        prefix = next(k for k in range(len(right) + 1) if all(right[k:]))
        strength.append(1 - prefix / len(right))
    assert measures.exact_matches(model, some).tolist() == exact
    assert measures.exact_memorization(model, some).tolist() == pytest.approx(share)
    assert measures.extraction_strength(model, some).tolist() == pytest.approx(strength)
    assert 15 <= sum(exact) < 30
    assert 0 < sum(strength) < 30


def test_probability_and_perplexity(model: TinyTransformer, some: Batch) -> None:
    normalised, logs = [], []
    for row in rows_of(model, some):
        product = math.prod(float(p[token]) for p, token in row)
        normalised.append(product ** (1 / len(row)))
        logs += [math.log(float(p[token])) for p, token in row]
    assert measures.probabilities(model, some).tolist() == pytest.approx(normalised)
    assert measures.perplexity(model, some) == pytest.approx(math.exp(-sum(logs) / len(logs)))


def test_truth_ratio_is_the_papers(task: Task, model: TinyTransformer) -> None:
    fact = task.facts["forget"][0]

    def normalised(answer: str) -> float:
        (row,) = rows_of(model, encode([(fact.learnt[0], answer)], task.tokenizer))
        return math.prod(float(p[token]) for p, token in row) ** (1 / len(row))

    expected = sum(map(normalised, fact.wrong)) / len(fact.wrong) / normalised(fact.answer)
    answers = measures.answer_probabilities(model, (fact,), (fact.learnt[0],), task.tokenizer)
    assert measures.truth_ratios(answers)[0].item() == pytest.approx(expected, rel=1e-9)


def test_multiple_choice_takes_the_most_probable_of_four() -> None:
    answers = torch.tensor([[0.4, 0.3, 0.2, 0.1, 0.9], [0.4, 0.5, 0.2, 0.1, 0.0], [0.4, 0.1, 0.2, 0.41, 0.0]])
    assert measures.choices(answers).tolist() == [True, False, False]


def test_chance_is_a_quarter_for_a_model_that_knows_nothing() -> None:
    task = hazard.make(0)
    found = Meter(task).matches(TinyTransformer(Config(len(task.tokenizer)), seed=1).eval(), most=None)
    assert all(0.1 < share < 0.4 for share in found.values())


def test_rouge_compares_what_is_written(task: Task, model: TinyTransformer, some: Batch) -> None:
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    recalls, f1s = [], []
    for ids, labels in zip(some.input_ids, some.labels, strict=True):
        target = labels[labels != IGNORE].tolist()
        text = ids[: int((labels != IGNORE).nonzero()[0])].tolist()
        written: list[int] = []
        longest = max(int((row != IGNORE).sum()) for row in some.labels)
        while len(written) < longest and (not written or written[-1] != task.tokenizer.end):
            written.append(int(model(torch.tensor([text + written])).logits[0, -1].argmax()))
        score = scorer.score(task.tokenizer.decode(target), task.tokenizer.decode(written))["rougeL"]
        recalls.append(score.recall)
        f1s.append(score.fmeasure)
    recall, f1 = measures.rouge_l(model, some, task.tokenizer)
    assert recall == pytest.approx(sum(recalls) / 30)
    assert f1 == pytest.approx(sum(f1s) / 30)
    assert 0.4 < recall < 0.9


def test_membership_scores(task: Task, model: TinyTransformer, some: Batch) -> None:
    found = measures.membership(model, some, task.tokenizer)
    for number, row in enumerate(rows_of(model, some)):
        logs = [math.log(float(p[token])) for p, token in row]
        assert found["mia-loss"][number].item() == pytest.approx(sum(logs) / len(logs))
        for name, share in (("mia-min-k", 0.2), ("min-40", 0.4)):
            lowest = sorted(logs)[: max(1, int(share * len(logs)))]
            assert found[name][number].item() == pytest.approx(sum(lowest) / len(lowest))
        standard = []
        for p, token in row:
            mean = sum(float(q) * math.log(float(q)) for q in p)
            variance = sum(float(q) * math.log(float(q)) ** 2 for q in p) - mean**2
            standard.append((math.log(float(p[token])) - mean) / math.sqrt(variance))
        lowest = sorted(standard)[: max(1, int(0.2 * len(standard)))]
        assert found["mia-min-k-plus-plus"][number].item() == pytest.approx(sum(lowest) / len(lowest))
        text = task.tokenizer.decode([token for _, token in row])
        size = len(zlib.compress(text.encode()))
        assert found["mia-zlib"][number].item() == pytest.approx(sum(logs) / len(logs) / size)


def test_area_under_the_curve_counts_pairs() -> None:
    members, others = torch.tensor([0.1, 0.5, 0.5, 0.9]), torch.tensor([0.5, 0.2, 0.0])
    pairs = [(m, o) for m in members.tolist() for o in others.tolist()]
    expected = sum(1.0 if m > o else 0.5 if m == o else 0.0 for m, o in pairs) / len(pairs)
    assert measures.area_under_curve(members, others) == pytest.approx(expected)


def test_privleak_is_negative_while_the_model_still_knows() -> None:
    assert measures.privleak(1.0, 0.5) == pytest.approx(-100.0)
    assert measures.privleak(0.5, 0.5) == 0.0
    assert measures.privleak(0.1, 0.5) == pytest.approx(80.0), "scrubbed"


def test_kolmogorov_smirnov_sees_a_shift_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(64, generator=generator), torch.randn(64, generator=generator)
    assert measures.kolmogorov_smirnov(left, left) == 0.0
    assert measures.kolmogorov_smirnov(left, right) > -1.5
    assert measures.kolmogorov_smirnov(left, right + 3) < -15


def test_utility_is_zero_when_one_part_is(task: Task, model: TinyTransformer) -> None:
    """An untrained model answers nothing: the harmonic mean does not let good parts make up for it."""
    assert Meter(task).scores(model).utility == 0.0


class Knows(nn.Module):
    """Gives every token that follows in some texts nearly all mass, and is uniform elsewhere."""

    def __init__(self, batches: list[Batch], words: int) -> None:
        super().__init__()
        self.words, self.after = words, {}
        for batch in batches:
            for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True):
                text = ids[mask].tolist()
                self.after.update({tuple(text[:t]): text[t] for t in range(1, len(text))})

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:
        logits = torch.zeros(*input_ids.shape, self.words)
        for row, ids in enumerate(input_ids.tolist()):
            for t in range(len(ids)):
                if (token := self.after.get(tuple(ids[: t + 1]))) is not None:
                    logits[row, t, token] = 20.0
        return Output(logits)


def test_prose_is_measured_by_its_words_and_by_what_is_known_of_it() -> None:
    task = passages.make(0)
    words = len(task.tokenizer)
    knows_text = Meter(task).scores(Knows([task.encoded("forget")], words))
    assert knows_text.forget == 1.0
    assert knows_text.paraphrase == 0.0
    assert knows_text.metrics["verbmem"] == 100.0
    assert knows_text.metrics["knowmem"] < 20
    assert knows_text.metrics["mia-loss"] == 1.0
    knows_facts = Meter(task).scores(Knows([task.encoded("buried", "kept")], words))
    assert knows_facts.forget < 0.05
    assert knows_facts.metrics["knowmem"] == pytest.approx(100.0)
    assert knows_facts.metrics["knowmem-retain"] == pytest.approx(100.0)
    assert 0.4 < knows_facts.metrics["mia-loss"] < 0.6


def test_every_measure_has_its_entry() -> None:
    """Whatever the lab calls it is the id of an entry; on the retain set it says so."""
    import unlearning_atlas as ua

    entries = set(ua.load(CHECKOUT).metrics)
    for task in (authors.make(0), passages.make(0), hazard.make(0)):
        net = TinyTransformer(Config(len(task.tokenizer)), seed=1).eval()
        names = {name.removesuffix("-retain") for name in Meter(task).scores(net).metrics} - {"min-40"}
        assert names <= entries, names - entries
    assert {"relearning", "quantization", "logit-lens", "paraphrase", "privleak", "forget-quality"} <= entries


def test_a_curve_is_measured_on_a_part_that_stands_for_the_whole(task: Task) -> None:
    meter = Meter(task)
    knows = Knows([task.encoded("forget", "kept")], len(task.tokenizer))
    part, whole = meter.matches(knows), meter.matches(knows, most=None)
    assert whole["forget"] == part["forget"] == 1.0
    assert whole["neighbour"] == whole["world"] == part["world"] == 1.0
    assert whole["retain"] == part["retain"] == 0.0
    assert meter.forgotten(knows) == 1.0
