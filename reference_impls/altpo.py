"""Alternate preference optimisation (AltPO).

Paper: Mekala et al. 2024, "Alternate Preference Optimization for Unlearning Factual Knowledge in Large Language
Models": prefer other answers that fit the question, written by the model itself, to the one that is to be forgotten,

    L(theta) = - (2 / beta) E[ log sigmoid( beta log( p_theta(y~ | x) / p_ref(y~ | x) )
                                          - beta log( p_theta(y | x) / p_ref(y | x) ) ) ]
               + lambda L(D_r; theta),                L: mean negative log-likelihood   (minimised)

Which variant this is, and how it differs:

1. Log-probabilities are sums over the answer's tokens, its end with them; the factor is 2 / beta, as in the authors'
   code.
2. Alternates are drawn from the model itself, as the authors draw them, but at a higher temperature: this model gives
   next to all mass to the one answer it has learnt, and no prompt asks it for another.
3. An alternate that comes out equal to the answer is drawn again, ten times at most, and then left as it is.
4. AdamW at a constant rate without weight decay; the authors decay by 0.01.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab.batches import IGNORE, Batch, join, mean_nll, shuffled, token_log_probs
from unlearning_atlas.lab.decoding import continuations, prompts
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of, scores_of_rows

PAPER: dict[str, object] = {"beta": 0.1, "retain_wt": 1, "lr": 5e-5, "epochs": 2, "augment_k": 5, "temperature": 1.0}
SPACE = {"temperature": (3.0, 5.0), "learning_rate": (1e-4, 3e-4), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    beta: float = 0.1
    alternates: int = 3
    temperature: float = 3.0
    retain_weight: float = 5.0
    learning_rate: float = 1e-4
    steps: int = 100
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.beta <= 0:
            raise ValueError(f"beta must be above 0 (got {self.beta})")
        if self.alternates < 1:
            raise ValueError(f"alternates must be at least 1 (got {self.alternates})")


def answer_log_prob(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log p(y | x), the sum over the answer's tokens: (B, T, V), (B, T) -> (B,)."""
    log_p, _ = token_log_probs(logits, labels)  # (B, T - 1), zero where not scored
    return log_p.sum(dim=1)


def dpo_loss(win: Tensor, win_ref: Tensor, lose: Tensor, lose_ref: Tensor, beta: float) -> Tensor:
    """Return the preference loss, averaged over pairs: log-probabilities (B,) each -> scalar."""
    return -2 / beta * F.logsigmoid(beta * ((win - win_ref) - (lose - lose_ref))).mean()


def repeated(sequences: Batch, times: int) -> Batch:
    """Return every row ``times`` times, numbered anew."""
    rows = sequences.rows(torch.arange(len(sequences)).repeat_interleave(times))
    return Batch(rows.input_ids, rows.labels, rows.attention_mask, torch.arange(len(rows)))


def alternatives(model: nn.Module, data: Data, lose: Batch, temperature: float, seed: int) -> Batch:
    """Return other answers to the same prompts, in the same order, drawn from the model."""
    starts = prompts(lose)
    answers = [row[row != IGNORE].tolist() for row in lose.labels]
    length = max(len(answer) for answer in answers)
    found: list[list[int]] = [[] for _ in starts]
    left = list(range(len(starts)))
    for attempt in range(10):
        drawn = continuations(
            model,
            [starts[row] for row in left],
            data.tokenizer,
            length=length,
            temperature=temperature,
            seed=seed + attempt,
        )
        for row, labels in zip(left, drawn.labels, strict=True):
            found[row] = labels[labels != IGNORE].tolist()
        left = [row for row in left if found[row] == answers[row]]
        if not left:
            break
    return join(starts, found, data.tokenizer.pad)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Prefer alternates to the forget answers; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    rejected = repeated(data.forget, hp.alternates)
    preferred = alternatives(model, data, rejected, hp.temperature, seed)
    lose_ref = scores_of_rows(model, rejected, answer_log_prob)
    win_ref = scores_of_rows(model, preferred, answer_log_prob)
    # The same seed and as many rows: both draw the same questions.
    losing = shuffled(rejected, hp.batch_size, seed)
    winning = shuffled(preferred, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lose, win = next(losing), next(winning)
        lose_now = answer_log_prob(logits_of(model, lose), lose.labels)
        win_now = answer_log_prob(logits_of(model, win), win.labels)
        total = dpo_loss(win_now, win_ref[win.index], lose_now, lose_ref[lose.index], hp.beta)
        if hp.retain_weight:
            kept = next(retain)
            total = total + hp.retain_weight * mean_nll(logits_of(model, kept), kept.labels)
        return total

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
