"""MemFlex: gradient difference where gradients say that the knowledge lies.

Paper: Tian et al. 2024, "To Forget or Not? Towards Practical Knowledge Unlearning for Large Language Models": train
only the matrices whose gradients on the forget set are large and point elsewhere than those on the retain set,

    R = { W : cos( g_f^W, g_r^W ) < mu  and  mean |g_f^W| > sigma },
    L(theta_R) = - L(D_f; theta) + lambda L(D_r; theta),      L: mean negative log-likelihood   (minimised)

Which variant this is, and how it differs:

1. g are gradients of the likelihood of wrong answers, as in the authors' code, which averages them over three copies of
   the data with random labels; here the answers of a batch are handed on by one row, and all batches are averaged.
2. sigma is a quantile over the model's matrices of mean |g_f|, so that it means the same for models of any size; the
   authors give a number for their adapters' gradients.
3. Candidates are the matrices of the layers, as a whole; the authors look at the matrices of low-rank adapters.
4. The authors weigh both terms, by 0.4 and 2.0, which is lambda of 5 at another learning rate.
5. AdamW at a constant rate without weight decay.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import layers
from unlearning_atlas.lab.batches import IGNORE, Batch, join, mean_nll, shuffled
from unlearning_atlas.lab.decoding import prompts
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"mu": 0.92, "sigma": 6e-4, "factors": (-0.4, 2.0), "lr": 3e-4, "epochs": 2}
SPACE = {"quantile": (0.0, 0.5), "learning_rate": (1e-4, 3e-4), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    mu: float = 0.92
    quantile: float = 0.5
    retain_weight: float = 5.0
    learning_rate: float = 3e-4
    steps: int = 100
    batch_size: int = 32

    def __post_init__(self) -> None:
        if not 0 <= self.quantile < 1:
            raise ValueError(
                f"quantile must lie from 0 to below 1 (got {self.quantile}); it is a share of the matrices"
            )


def localised(of_forget: list[Tensor], of_retain: list[Tensor], mu: float, quantile: float) -> list[bool]:
    """Return which matrices are trained, from their gradients on both sets: lists of tensors -> list of bool."""
    sizes = torch.stack([gradient.abs().mean() for gradient in of_forget])
    sigma = sizes.quantile(quantile)
    cosines = [
        torch.dot(one.flatten(), two.flatten()) / (one.norm() * two.norm()).clamp(min=1e-30)
        for one, two in zip(of_forget, of_retain, strict=True)
    ]
    return [bool(cosine < mu) and bool(size >= sigma) for cosine, size in zip(cosines, sizes, strict=True)]


def mismatched(batch: Batch, pad: int) -> Batch:
    """Return a batch in which every prompt is followed by the next row's answer."""
    answers = [row[row != IGNORE].tolist() for row in batch.labels]
    return join(prompts(batch), [*answers[1:], answers[0]], pad)


def mean_gradients(
    model: nn.Module, weights: list[nn.Parameter], sequences: Batch, size: int, pad: int
) -> list[Tensor]:
    """Return the gradients of the likelihood of wrong answers, averaged over batches."""
    total = [torch.zeros_like(weight) for weight in weights]
    batches = list(sequences.split(size))
    for batch in batches:
        wrong = mismatched(batch, pad)
        gradients = torch.autograd.grad(mean_nll(logits_of(model, wrong), wrong.labels), weights)
        for sum_, gradient in zip(total, gradients, strict=True):
            sum_ += gradient / len(batches)
    return total


def grad_diff_loss(forget_nll: Tensor, retain_nll: Tensor, retain_weight: float) -> Tensor:
    """Return the difference of the two likelihoods: scalars -> scalar."""
    return -forget_nll + retain_weight * retain_nll


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Find where the knowledge lies and forget there; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    weights = [weight for part in layers(model) for weight in part.parameters() if weight.dim() == 2]
    of_forget, of_retain = (
        mean_gradients(model, weights, part, hp.batch_size, data.tokenizer.pad) for part in (data.forget, data.retain)
    )
    model.requires_grad_(False)
    for weight, chosen in zip(weights, localised(of_forget, of_retain, hp.mu, hp.quantile), strict=True):
        weight.requires_grad_(chosen)
    if not any(weight.requires_grad for weight in weights):
        model.requires_grad_(True)
        raise ValueError(f"no matrix has gradients that differ: raise mu (now {hp.mu:g}) or lower quantile")
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        forget_nll = mean_nll(logits_of(model, lost), lost.labels)
        return grad_diff_loss(forget_nll, mean_nll(logits_of(model, kept), kept.labels), hp.retain_weight)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model.requires_grad_(True)
