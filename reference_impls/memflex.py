"""MemFlex.

Paper: Tian et al. 2024, "To Forget or Not? Towards Practical Knowledge Unlearning for Large Language Models": compare
the gradients that the forget set and the retain set give each weight matrix, and train only those matrices that the
forget set moves strongly and in a direction of its own,

    R = {W: cos(g_f^W, g_r^W) < mu  and  mean_ij |g_f,ij^W| > sigma},
    g_f, g_r: gradients of the mean negative log-likelihood on D_f, D_r with half of each answer's tokens made random
    L(theta) = - a L(D_f; theta) + b L(D_r; theta),      theta trained in R                   (minimised)

Which variant this is, and how it differs:

1. The weight matrices of the layers themselves are compared and trained; the authors' are those of the low-rank adapter
   through which the model had learnt its data.
2. sigma is a multiple of the mean of |g_f| over all matrices compared, so that it means the same for any model; the
   authors give it in units of the gradient. Where no matrix passes both thresholds, the one with the least cosine does.
3. Each token of an answer but its end is replaced with probability 1/2, where the authors draw half as many positions
   as the answer has tokens, which is none for an answer of one token. As with them, what is replaced is both read and
   to be predicted, and each text counts in three such copies.
4. The mean over the tokens of an answer, then over answers. Each step pairs a batch of the forget set with one of the
   retain set; the authors shuffle both into one stream.
5. AdamW at a constant rate without weight decay; the authors' falls along a cosine.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab.anatomy import layers
from unlearning_atlas.lab.batches import IGNORE, Batch, Tokenizer, shuffled, token_log_probs
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import CHUNK, OnStep, descend, logits_of

PAPER: dict[str, object] = {
    "sim_thresh": 0.92,
    "grad_thresh": 6e-4,
    "num_copies": 3,
    "factors": (-0.4, 2.0),
    "lr": 3e-4,
    "num_train_epochs": 2,
}
SPACE = {"similarity": (0.85, 0.92), "magnitude": (0.5, 1.0), "learning_rate": (3e-4, 1e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values. ``similarity`` is mu, ``magnitude`` sigma."""

    similarity: float = 0.92
    magnitude: float = 1.0
    copies: int = 3
    forget_weight: float = 0.4
    retain_weight: float = 2.0
    learning_rate: float = 3e-4
    steps: int = 140
    batch_size: int = 32

    def __post_init__(self) -> None:
        """Refuse a cosine out of range, a negative size and no copies."""
        if not -1 <= self.similarity <= 1:
            raise ValueError(f"similarity is a cosine and must lie between -1 and 1 (got {self.similarity:g})")
        if self.magnitude < 0:
            raise ValueError(f"magnitude must not be negative (got {self.magnitude:g})")
        if self.copies < 1:
            raise ValueError(f"copies must be 1 or more (got {self.copies})")


def sequence_nll(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the negative log-likelihood per token of each answer, averaged over answers: (B, T, V), (B, T) -> scalar.

    A row without an answer counts as 0.
    """
    log_p, scored = token_log_probs(logits, labels)  # (B, T - 1) each
    return -(log_p.sum(dim=1) / scored.sum(dim=1).clamp(min=1)).mean()


def memflex_loss(forget_nll: Tensor, retain_nll: Tensor, forget_weight: float, retain_weight: float) -> Tensor:
    """Return the weighted difference of the two likelihoods: scalars -> scalar."""
    return -forget_weight * forget_nll + retain_weight * retain_nll


def half_random(sequences: Batch, tokenizer: Tokenizer, generator: torch.Generator) -> Batch:
    """Return the sequences with every token of an answer but its end replaced by any other with probability 1/2."""
    words = torch.tensor([word for word in range(len(tokenizer)) if word not in (tokenizer.pad, tokenizer.end)])
    labels = sequences.labels
    drawn = words[torch.randint(len(words), labels.shape, generator=generator)]
    replaced = (labels != IGNORE) & (labels != tokenizer.end) & (torch.rand(labels.shape, generator=generator) < 0.5)
    ids = drawn.where(replaced, sequences.input_ids)
    return dataclasses.replace(sequences, input_ids=ids, labels=drawn.where(replaced, labels))


def gradient(model: nn.Module, weights: list[Tensor], copies: list[Batch]) -> list[Tensor]:
    """Return the gradient of the mean over all rows of some sets, one tensor per weight."""
    total = [torch.zeros_like(weight) for weight in weights]
    rows = sum(len(copy) for copy in copies)
    for batch in (part for copy in copies for part in copy.split(CHUNK)):
        nll = sequence_nll(logits_of(model, batch), batch.labels) * len(batch) / rows
        for sum_, part in zip(total, torch.autograd.grad(nll, weights), strict=True):
            sum_ += part
    return total


def located(forget: list[Tensor], retain: list[Tensor], similarity: float, magnitude: float) -> Tensor:
    """Return which matrices are trained, from both sets' gradients of each: W and W tensors -> (W,) bool."""
    pairs = zip(forget, retain, strict=True)
    cosine = torch.stack([F.cosine_similarity(one.flatten(), two.flatten(), dim=0) for one, two in pairs])
    size = torch.stack([one.abs().mean() for one in forget])
    region = (cosine < similarity) & (size > magnitude * size.mean())
    return region if region.any() else cosine == cosine.min()


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Find the matrices that count and train those; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    model.eval()
    weights: list[Tensor] = [weight for each in layers(model) for weight in each.parameters() if weight.dim() == 2]
    generator = torch.Generator().manual_seed(seed)
    forget_gradient, retain_gradient = (
        gradient(model, weights, [half_random(sequences, data.tokenizer, generator) for _ in range(hp.copies)])
        for sequences in (data.forget, data.retain)
    )
    region = located(forget_gradient, retain_gradient, hp.similarity, hp.magnitude)
    model.requires_grad_(False)
    for weight, chosen in zip(weights, region.tolist(), strict=True):
        weight.requires_grad_(chosen)
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        forget_nll = sequence_nll(logits_of(model, lost), lost.labels)
        retain_nll = sequence_nll(logits_of(model, kept), kept.labels)
        return memflex_loss(forget_nll, retain_nll, hp.forget_weight, hp.retain_weight)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model.requires_grad_(True)
