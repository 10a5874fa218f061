"""Knowledge gap alignment (KGA).

Paper: Wang et al. 2023, "KGA: A General Machine Unlearning Framework Based on Knowledge Gap Alignment": the unlearned
model should differ from one trained on the forget set as much as the original differs from one trained on new data,

    L(theta) = | E_{D_f} KL( p_{A_f} || p_theta ) - g |
               + alpha E_{D_r} KL( p_ref || p_theta ),      g = E_{D_n} KL( p_{A_n} || p_ref )     (minimised)
    A_f, A_n: models trained on the forget set and on new data alone

Which variant this is, and how it differs:

1. Divergences are averaged over the tokens of the answer. The authors' code for generation sums over positions, padding
   too, and divides by the batch; their code for classification averages over every entry.
2. g compares the model of the new data with the original one, in the direction of the code for generation.
3. g is taken over all new data once, since neither model changes; the gap on the forget set over a batch.
4. A_f and A_n learn a share of the steps that the original took. AdamW at a constant rate without weight decay.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, Batch, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"retain_loss_ratio": 0.1, "lr": 2e-5, "batch_size": 32, "sample_ratio": 0.3}
SPACE = {"learning_rate": (3e-5, 1e-4, 3e-4, 1e-3), "retain_weight": (0.1, 1.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    retain_weight: float = 1.0
    share: float = 0.2
    learning_rate: float = 3e-4
    steps: int = 100
    batch_size: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie above 0 and up to 1 (got {self.share})")


def answer_kl(teacher: Tensor, student: Tensor, labels: Tensor) -> Tensor:
    """Return KL(teacher || student), averaged over scored tokens: (B, T, V), (B, T, V), (B, T) -> scalar."""
    log_q, log_p = teacher[:, :-1].log_softmax(dim=-1), student[:, :-1].log_softmax(dim=-1)
    divergence = (log_q.exp() * (log_q - log_p)).sum(dim=-1)  # (B, T - 1)
    return divergence[labels[:, 1:] != IGNORE].mean()


def kga_loss(forget_gap: Tensor, new_gap: Tensor, retain_gap: Tensor, retain_weight: float) -> Tensor:
    """Return the difference of the gaps with what keeps the rest: scalars -> scalar."""
    return (forget_gap - new_gap).abs() + retain_weight * retain_gap


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Align both gaps; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    of_forget = data.start.train(data.forget, seed, share=hp.share).requires_grad_(False)
    of_new = data.start.train(data.new, seed, share=hp.share).requires_grad_(False)
    with torch.no_grad():
        parts = list(data.new.split(hp.batch_size))
        counts = torch.tensor([float((part.labels[:, 1:] != IGNORE).sum()) for part in parts])
        gaps = torch.stack([gap(of_new, reference, part) for part in parts])
        new_gap = (gaps * counts).sum() / counts.sum()
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        return kga_loss(gap(of_forget, model, lost), new_gap, gap(reference, model, kept), hp.retain_weight)

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    return model


def gap(teacher: nn.Module, student: nn.Module, batch: Batch) -> Tensor:
    """Return how far a student's answers are from a frozen teacher's, as :func:`answer_kl` has it."""
    with torch.no_grad():
        theirs = logits_of(teacher, batch)
    return answer_kl(theirs, logits_of(student, batch), batch.labels)
