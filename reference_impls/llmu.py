"""Gradient ascent, random answers and a divergence on normal text (LLMU).

Paper: Yao et al. 2023, "Large Language Model Unlearning": three terms, which forget, replace and keep,

    L(theta) = - eps_1 L(D_f; theta) + eps_2 E_{x in D_f, y in Y_rdn} [ - log p_theta(y | x) ]
               + eps_3 E_{D_nor} mean_t KL( p_ref || p_theta ),                                 (minimised)
    L: mean negative log-likelihood

Which variant this is, and how it differs:

1. The first two terms are means over each answer's tokens, then over answers, as in the authors' code.
2. Random answers are answers of the retain set, another one for every prompt and step; the authors draw five for a
   batch and append each of them to every prompt.
3. The mismatch term scores the answer's tokens alone; the authors' code, which takes the number of a dictionary's keys
   for the length of the prompt, scores nearly all of the prompt's too.
4. The divergence is averaged over every position that predicts a token of the text. The authors' code has the
   cross-entropy, whose gradient is the same, and averages over padding as well.
5. A fixed number of steps. The authors' stop at a high loss never acts, since the loss it looks at is already negated.
6. AdamW at a constant rate without weight decay; the authors let the rate fall linearly and decay weights by 0.01. As
   in their default, every weight is trained; they offer a low-rank adapter.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, Batch, join, shuffled, token_log_probs
from unlearning_atlas.lab.decoding import prompts
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"bad_weight": 0.5, "random_weight": 1, "normal_weight": 1, "K": 5, "lr": 2e-6}
SPACE = {"bad_weight": (0.1, 0.5), "learning_rate": (1e-4, 3e-4), "normal_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    bad_weight: float = 0.1
    random_weight: float = 1.0
    normal_weight: float = 5.0
    learning_rate: float = 3e-4
    steps: int = 160
    batch_size: int = 32


def answer_nll(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over answers of the mean negative log-likelihood of their tokens: (B, T, V), (B, T) -> scalar."""
    log_p, scored = token_log_probs(logits, labels)  # (B, T - 1) each
    counts = scored.sum(dim=1)
    return -(log_p.sum(dim=1) / counts.clamp(min=1))[counts > 0].mean()


def kl_to_reference(logits: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Return KL(reference || model), averaged over positions with a token after them.

    (B, T, V), (B, T, V), (B, T) bool, true on tokens -> scalar.
    """
    log_p, log_q = logits[:, :-1].log_softmax(dim=-1), reference[:, :-1].log_softmax(dim=-1)
    divergence = (log_q.exp() * (log_q - log_p)).sum(dim=-1)  # (B, T - 1)
    return divergence[mask[:, 1:]].mean()


def llmu_loss(
    forget_nll: Tensor, random_nll: Tensor, divergence: Tensor, weights: tuple[float, float, float]
) -> Tensor:
    """Return the sum of the three terms, weighted by eps_1, eps_2 and eps_3: scalars -> scalar."""
    return -weights[0] * forget_nll + weights[1] * random_nll + weights[2] * divergence


def with_answers(batch: Batch, answers: Batch, pad: int) -> Batch:
    """Return a batch with the prompts of one, each followed by an answer of another, taken in turn."""
    found = [row[row != IGNORE].tolist() for row in answers.labels]
    return join(prompts(batch), [found[number % len(found)] for number in range(len(batch))], pad)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Forget, replace and keep; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    forget = shuffled(data.forget, hp.batch_size, seed)
    normal = shuffled(data.retain, hp.batch_size, seed)
    random = shuffled(data.retain, hp.batch_size, seed + 1)

    def loss() -> Tensor:
        lost, kept = next(forget), next(normal)
        other = with_answers(lost, next(random), data.tokenizer.pad)
        with torch.no_grad():
            then = logits_of(reference, kept)
        terms = (
            answer_nll(logits_of(model, lost), lost.labels),
            answer_nll(logits_of(model, other), other.labels),
            kl_to_reference(logits_of(model, kept), then, kept.attention_mask),
        )
        return llmu_loss(*terms, (hp.bad_weight, hp.random_weight, hp.normal_weight))

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model
