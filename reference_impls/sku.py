"""Selective knowledge negation unlearning (SKU).

Paper: Liu et al. 2024, "Towards Safer Large Language Models through Machine Unlearning": learn the harmful knowledge,
directly, from wrong pairings, and by leaving the normal predictions, then go as far the other way,

    L(theta) = eps_1 L(D_f; theta) + eps_2 E_{x in D_f, y from other prompts} [ - log p_theta(y | x) ]
               - eps_3 E_{D_r} mean_t KL( p_ref || p_theta ),        theta_bad = argmin L        (minimised)
    theta = theta_0 - lambda ( theta_bad - theta_0 ),         L: mean negative log-likelihood

Which variant this is, and how it differs:

1. The likelihoods are means over each answer's tokens, then over answers, as in the authors' code.
2. One answer of another prompt is paired with each prompt, shifted within the batch; the authors draw five.
3. The divergence has a minus sign, as in the authors' code, whose function calls itself a reverse KL divergence.
4. It is unbounded, so it counts up to one nat a token here and gives no gradient beyond; the authors' script ends after
   a number of steps.
5. Every weight is trained and negated, as the authors do with OPT; for Llama-2 they use low-rank adapters. AdamW at a
   constant rate, no weight decay.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, Batch, join, shuffled, token_log_probs
from unlearning_atlas.lab.decoding import prompts
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"bad_weight": 2.5, "random_weight": 2.5, "normal_weight": 1, "lr": 2e-4, "steps": 1000}
SPACE = {"scale": (0.5, 1.0, 2.0, 4.0), "learning_rate": (1e-4, 3e-4)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    scale: float = 1.0
    bad_weight: float = 2.5
    random_weight: float = 2.5
    normal_weight: float = 1.0
    learning_rate: float = 1e-4
    steps: int = 100
    batch_size: int = 32


def answer_nll(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over answers of the mean negative log-likelihood of their tokens: (B, T, V), (B, T) -> scalar."""
    log_p, scored = token_log_probs(logits, labels)  # (B, T - 1) each
    counts = scored.sum(dim=1)
    return -(log_p.sum(dim=1) / counts.clamp(min=1))[counts > 0].mean()


def kl_to_reference(logits: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Return KL(reference || model), averaged over positions with a token after them, each counted up to 1.

    (B, T, V), (B, T, V), (B, T) bool, true on tokens -> scalar.
    """
    log_p, log_q = logits[:, :-1].log_softmax(dim=-1), reference[:, :-1].log_softmax(dim=-1)
    divergence = (log_q.exp() * (log_q - log_p)).sum(dim=-1)  # (B, T - 1)
    return divergence[mask[:, 1:]].clamp(max=1.0).mean()


def mismatched(batch: Batch, pad: int) -> Batch:
    """Return a batch in which every prompt is followed by the next row's answer."""
    answers = [row[row != IGNORE].tolist() for row in batch.labels]
    return join(prompts(batch), [*answers[1:], answers[0]], pad)


@torch.no_grad()
def negate(model: nn.Module, bad: nn.Module, start: nn.Module, scale: float) -> None:
    """Set every weight of ``model`` to start - scale * (bad - start)."""
    for weight, before, after in zip(model.parameters(), start.parameters(), bad.parameters(), strict=True):
        weight.copy_(before - scale * (after - before))


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Learn what is harmful in a copy and negate it; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    start, bad = copy.deepcopy(model).eval().requires_grad_(False), copy.deepcopy(model)
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        other = mismatched(lost, data.tokenizer.pad)
        with torch.no_grad():
            then = logits_of(start, kept)
        return (
            hp.bad_weight * answer_nll(logits_of(bad, lost), lost.labels)
            + hp.random_weight * answer_nll(logits_of(bad, other), other.labels)
            - hp.normal_weight * kl_to_reference(logits_of(bad, kept), then, kept.attention_mask)
        )

    def watch(step: int, bad: nn.Module) -> None:
        if on_step is not None:
            negate(model, bad, start, hp.scale)
            on_step(step, model)

    descend(bad, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=watch)
    negate(model, bad, start, hp.scale)
    return model
