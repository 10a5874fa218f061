"""What is measured on a model, by the field's definitions; each name is that of an entry in ``catalog/metrics``.

Where a definition leaves room, or answers of one to three words ask for it, this is what is done:

* the probability of an answer is P(a|q)^(1/|a|) with its end counted in |a|, and is not normalised over choices on any
  set, unlike TOFU's on world facts;
* the truth ratio is the arithmetic mean over wrong answers of their normalised probabilities, as in TOFU's equation,
  over that of the right answer, which is not paraphrased, being a name, a number or a title; TOFU's public code
  averages log-probabilities over the wrong answers, which is the geometric mean;
* utility has accuracy in place of ROUGE-L recall;
* ROUGE-L compares what greedy decoding writes with the target, without stemming;
* min-k takes the 20 % least likely tokens, at least one; PrivLeak takes 40 %, as MUSE does;
* the area under the curve of a membership attack is the chance that a forgotten sequence looks more like training data
  than a held-out one does, ties counted half: 1 gives the forget set away as learnt, 0 as scrubbed.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import harmonic_mean
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, Batch, Tokenizer, encode, mean_nll, token_log_probs
from unlearning_atlas.lab.decoding import continuations, prompts
from unlearning_atlas.lab.task import questions
from unlearning_atlas.lab.training import CHUNK, logits_of

if TYPE_CHECKING:
    from unlearning_atlas.lab.task import Fact, Task

UTILITY_SETS = ("retain", "neighbour", "world")
QUICK = 128
"""Sequences per set that a curve is measured on, evenly spread."""
CHOICES = 4
"""Answers to choose from: the right one and the first wrong ones."""
MIN_K, PRIVLEAK_K = 0.2, 0.4


@torch.no_grad()
def _chunks(model: nn.Module, sequences: Batch) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (logits, labels) over a set."""
    for batch in sequences.split(CHUNK):
        yield logits_of(model, batch), batch.labels


def token_matches(model: nn.Module, sequences: Batch) -> list[Tensor]:
    """Return, for each of N sequences, which scored tokens are the likeliest after those before them: (n,) bool."""
    found = []
    for logits, labels in _chunks(model, sequences):
        right = logits[:, :-1].argmax(dim=-1) == labels[:, 1:]
        found += [row[scored] for row, scored in zip(right, labels[:, 1:] != IGNORE, strict=True)]
    return found


def exact_matches(model: nn.Module, sequences: Batch) -> Tensor:
    """Return, for each of N sequences, whether greedy decoding gives the whole target and its end: (N,) bool.

    Greedy decoding follows the target exactly when each of its tokens is the most likely one after those before it,
    which one forward pass over the whole sequence shows.
    """
    return torch.stack([row.all() for row in token_matches(model, sequences)])


def exact_memorization(model: nn.Module, sequences: Batch) -> Tensor:
    """Return the share of each target's tokens that are the likeliest after the true ones before them: (N,)."""
    return torch.stack([row.double().mean() for row in token_matches(model, sequences)])


def extraction_strength(model: nn.Module, sequences: Batch) -> Tensor:
    """Return 1 - k/|y|, k being the shortest prefix of a target after which all the rest is greedily right: (N,)."""
    found = []
    for row in token_matches(model, sequences):
        wrong = (~row).nonzero()
        prefix = int(wrong[-1]) + 1 if len(wrong) else 0
        found.append(1 - prefix / len(row))
    return torch.tensor(found, dtype=torch.float64)


def probabilities(model: nn.Module, sequences: Batch) -> Tensor:
    """Return each target's length-normalised probability P(y|x)^(1/|y|), its end counted in |y|: (N,)."""
    found = []
    for logits, labels in _chunks(model, sequences):
        log_p, scored = token_log_probs(logits, labels)
        found.append((log_p.sum(dim=1) / scored.sum(dim=1)).exp())
    return torch.cat(found)


def perplexity(model: nn.Module, sequences: Batch) -> float:
    """Return exp of the mean negative log-likelihood of the scored tokens."""
    total, count = 0.0, 0
    for logits, labels in _chunks(model, sequences):
        scored = int((labels[:, 1:] != IGNORE).sum())
        total += mean_nll(logits, labels).item() * scored
        count += scored
    return math.exp(min(total / count, 700.0))  # beyond the largest float a wreck is a wreck


def answer_probabilities(
    model: nn.Module, facts: tuple[Fact, ...], wordings: tuple[str, ...], tokenizer: Tokenizer
) -> Tensor:
    """Return the probabilities of each fact's right answer and of its wrong ones, asked in a wording: (N, 1 + W)."""
    pairs = [
        (question, answer)
        for fact, question in zip(facts, wordings, strict=True)
        for answer in (fact.answer, *fact.wrong)
    ]
    return probabilities(model, encode(pairs, tokenizer)).view(len(facts), -1)


def truth_ratios(answers: Tensor) -> Tensor:
    """Return each fact's truth ratio, from 0 (knows) upwards, from :func:`answer_probabilities`: (N, 1 + W) -> (N,).

    The mean normalised probability of the wrong answers over that of the right one (TOFU).
    """
    return answers[:, 1:].mean(dim=1) / answers[:, 0].clamp(min=torch.finfo(answers.dtype).tiny)


def choices(answers: Tensor) -> Tensor:
    """Return whether the right one of four answers is the most probable: (N, 1 + W) -> (N,) bool."""
    return answers[:, 0] > answers[:, 1:CHOICES].amax(dim=1)


def rouge_l(model: nn.Module, sequences: Batch, tokenizer: Tokenizer, given: float = 0.0) -> tuple[float, float]:
    """Return mean ROUGE-L recall and F1 of greedy continuations against targets.

    ``given`` is the share of each target that is handed to the model with the prompt; the rest is compared.
    """
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    starts, rests = [], []
    for prompt, labels in zip(prompts(sequences), sequences.labels, strict=True):
        target = labels[labels != IGNORE].tolist()
        cut = int(given * len(target))
        starts.append(prompt + target[:cut])
        rests.append(target[cut:])
    longest = max(len(rest) for rest in rests)
    written = continuations(model, starts, tokenizer, length=longest)
    scores = [
        scorer.score(tokenizer.decode(rest), tokenizer.decode(labels[labels != IGNORE].tolist()))["rougeL"]
        for rest, labels in zip(rests, written.labels, strict=True)
    ]
    return sum(score.recall for score in scores) / len(scores), sum(score.fmeasure for score in scores) / len(scores)


def _lowest(values: Tensor, share: float) -> Tensor:
    return values.sort().values[: max(1, int(share * len(values)))].mean()


def membership(model: nn.Module, sequences: Batch, tokenizer: Tokenizer) -> dict[str, Tensor]:
    """Return membership scores of each sequence, higher for what looks like training data: name -> (N,)."""
    found: dict[str, list[Tensor]] = {"mia-loss": [], "mia-min-k": [], "mia-min-k-plus-plus": [], "mia-zlib": []}
    found["min-40"] = []
    for logits, labels in _chunks(model, sequences):
        log_p, scored = token_log_probs(logits, labels)
        every = logits[:, :-1].log_softmax(dim=-1)
        p = every.exp()
        mean = (p * every).sum(dim=-1)
        deviation = ((p * every.square()).sum(dim=-1) - mean.square()).clamp(min=1e-12).sqrt()
        for row, of_row, m, d, ids in zip(log_p, scored, mean, deviation, labels[:, 1:], strict=True):
            tokens = row[of_row]
            text = tokenizer.decode(ids[of_row].tolist())
            found["mia-loss"].append(tokens.mean())
            found["mia-min-k"].append(_lowest(tokens, MIN_K))
            found["min-40"].append(_lowest(tokens, PRIVLEAK_K))
            found["mia-min-k-plus-plus"].append(_lowest((tokens - m[of_row]) / d[of_row], MIN_K))
            found["mia-zlib"].append(tokens.mean() / len(zlib.compress(text.encode())))
    return {name: torch.stack(values) for name, values in found.items()}


def area_under_curve(members: Tensor, others: Tensor) -> float:
    """Return the chance that a member's score lies above another's, ties counted half."""
    from scipy.stats import mannwhitneyu

    u = mannwhitneyu(members.double().numpy(), others.double().numpy()).statistic
    return float(u) / (len(members) * len(others))


def privleak(members_min_40: float, gold: float) -> float:
    """Return PrivLeak in per cent from the areas under the curve of a model and of the retrained one (MUSE).

    MUSE ranks by loss, so its area is one minus ours: below 0 the forget set still looks learnt, above 0 scrubbed.
    """
    return 100 * ((1 - members_min_40) - (1 - gold)) / max(1 - gold, 1e-9)


def kolmogorov_smirnov(left: Tensor, right: Tensor) -> float:
    """Return the log10 of the p-value of a two-sample Kolmogorov-Smirnov test; 0 means no difference was found."""
    from scipy.stats import ks_2samp

    p = float(ks_2samp(left.numpy(), right.numpy()).pvalue)
    return math.log10(max(p, 1e-300))


@dataclass(frozen=True)
class Scores:
    """A model's scores, from 0 to 1. What they are depends on the task.

    Accuracy is exact match or multiple choice. ``forget`` is accuracy in learnt wordings, or, where the forget set is
    text, exact memorisation of it; ``paraphrase`` is accuracy on the forgotten facts in wordings never learnt;
    ``retain``, ``neighbour`` and ``world`` are accuracy on what is to be kept.
    """

    forget: float
    paraphrase: float
    retain: float
    neighbour: float
    world: float
    utility: float
    truth_ratios: Tensor
    """(N,): one per forgotten fact, for forget quality."""
    metrics: dict[str, float]
    """Everything else that is measured, by its entry in the catalog, of the forget set where a set is not named."""


class Meter:
    """Measures models on one task; sequences are encoded once."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.forget, self.holdout = task.encoded("forget"), task.encoded("holdout")
        self._asked = {name: (facts, False) for name, facts in task.facts.items()}
        self._asked["paraphrase"] = (task.facts["forget"], True)
        self._sequences = {
            name: encode(questions(facts, held_out=held_out), task.tokenizer)
            for name, (facts, held_out) in self._asked.items()
        }

    def _accuracy(self, model: nn.Module, name: str, most: int | None) -> float:
        sequences = self._sequences[name]
        if self.task.accuracy == "exact match":
            return exact_matches(model, _spread(sequences, most)).double().mean().item()
        facts, held_out = self._asked[name]
        asked = [(fact, question) for fact in facts for question in (fact.held_out if held_out else fact.learnt)]
        if most is not None:
            asked = asked[:: max(1, -(-len(asked) // (most // 2)))]
        right = choices(
            answer_probabilities(
                model, tuple(fact for fact, _ in asked), tuple(question for _, question in asked), self.task.tokenizer
            )
        )
        return right.double().mean().item()

    def forgotten(self, model: nn.Module) -> float:
        """Return the score ``forget`` alone, as :meth:`matches` does."""
        if self.task.verbatim:
            return exact_memorization(model, _spread(self.forget, QUICK)).mean().item()
        return self._accuracy(model, "forget", QUICK)

    def matches(self, model: nn.Module, most: int | None = QUICK) -> dict[str, float]:
        """Return the five accuracies of :class:`Scores`, on at most ``most`` sequences of each set."""
        found = {name: self._accuracy(model, name, most) for name in self._asked}
        if self.task.verbatim:
            found["forget"] = exact_memorization(model, _spread(self.forget, most)).mean().item()
        return found

    def scores(self, model: nn.Module) -> Scores:
        """Measure everything.

        Utility is the harmonic mean of nine numbers, as TOFU's: accuracy, probability and max(0, 1 - truth ratio) on
        each of the retained, neighbouring and general-knowledge sets. It is zero when any of them is.
        """
        matches = self.matches(model, most=None)
        parts = []
        for name in UTILITY_SETS:
            parts += [
                matches[name],
                probabilities(model, self._sequences[name]).double().mean().item(),
                (1 - self._ratios(model, name)).clamp(min=0).double().mean().item(),
            ]
        ratios = self._ratios(model, "forget")
        return Scores(
            utility=harmonic_mean(parts),
            truth_ratios=ratios,
            metrics=self._metrics(model, ratios),
            **matches,
        )

    def _ratios(self, model: nn.Module, name: str) -> Tensor:
        facts = self.task.facts[name]
        asked = tuple(fact.learnt[0] for fact in facts)
        return truth_ratios(answer_probabilities(model, facts, asked, self.task.tokenizer))

    def _metrics(self, model: nn.Module, ratios: Tensor) -> dict[str, float]:
        words = self.task.tokenizer
        recall, f1 = rouge_l(model, self.forget, words)
        found = {
            "probability": probabilities(model, self.forget).double().mean().item(),
            "rouge-l-recall": recall,
            "rouge-l-f1": f1,
            "truth-ratio": torch.minimum(ratios, 1 / ratios.clamp(min=1e-30)).double().mean().item(),
            "extraction-strength": extraction_strength(model, self.forget).mean().item(),
            "exact-memorization": exact_memorization(model, self.forget).mean().item(),
            "perplexity": perplexity(model, self._sequences["retain"]),
        }
        if self.task.verbatim:
            found["verbmem"] = 100 * rouge_l(model, self.forget, words, given=0.5)[1]
            found["knowmem"] = 100 * rouge_l(model, self._sequences["forget"], words)[1]
            found["knowmem-retain"] = 100 * rouge_l(model, self._sequences["retain"], words)[1]
        if self.task.accuracy == "multiple choice":
            found["multiple-choice-accuracy"] = self._accuracy(model, "forget", None)
        members, others = (membership(model, batch, words) for batch in (self.forget, self.holdout))
        return found | {name: area_under_curve(members[name], others[name]) for name in members}


def _spread(sequences: Batch, most: int | None) -> Batch:
    """Return at most ``most`` rows, evenly spread over a set."""
    if most is None or len(sequences) <= most:
        return sequences
    return sequences.rows(torch.linspace(0, len(sequences) - 1, most).round().long())
