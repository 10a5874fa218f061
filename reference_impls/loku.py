"""Low-rank knowledge unlearning (LoKU): an inverted hinge on low-rank adapters that start where it matters.

Paper: Cha et al. 2024, "Towards Robust and Parameter-Efficient Knowledge Unlearning for LLMs": lower the right token
until another one is likelier, and no further, in directions that matter to the forget set more than to the retain set,

    L = E_{D_f} mean_t [ 1 + p_theta(y_t | x, y_<t) - max_{v != y_t} p_theta(v | x, y_<t) ] + lambda L(D_r; theta)
    W = W_0 + B A, only B and A trained; at the start B A is the matrix of rank r nearest to W with row i weighted by
    w_i = sqrt( sum_j F_f(i, j) / F_r(i, j) ), and W_0 = W - B A                              (minimised)
    F: mean squared gradients of the negative log-likelihood,   L(D_r): mean negative log-likelihood

Which variant this is, and how it differs:

1. The hinge is on probabilities and averaged over the answer's tokens. It cannot fall below 0, since no probability
   exceeds 1, so the clamp at 0 in the authors' code never acts and is left out.
2. Every linear map of every layer has an adapter, as in the authors' runs; maps that a model merges, such as queries,
   keys and values, have one together. Adapters are merged into the weights in the end.
3. F is taken batch by batch, weighted by the number of scored tokens, as in the authors' code, over both sets once;
   their one pass shows as much of the retain set as there is to forget.
4. What guards divisions is far below the authors' 1e-5, which would outweigh the squared gradients of a small model.
5. The singular value decomposition is exact; the authors take a randomised one. Their factor of 2 on B A is left out:
   with Adam it amounts to another learning rate.
6. lambda is a hyper-parameter here; in the authors' code it is 1.
7. AdamW at a constant rate without weight decay; the authors warm up and decay by 0.01.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import layers, matrix
from unlearning_atlas.lab.batches import IGNORE, Batch, mean_nll, shuffled
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"r": 32, "alpha": 64, "dropout": 0, "lr": 1e-4, "num_epochs": 5, "weight_decay": 0.01}
SPACE = {"rank": (8, 32), "learning_rate": (3e-4, 1e-3), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    rank: int = 8
    retain_weight: float = 5.0
    learning_rate: float = 3e-4
    steps: int = 200
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1 (got {self.rank})")


def inverted_hinge(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the hinge, averaged over scored tokens: (B, T, V), (B, T) -> scalar, from 0 (forgotten) to 2."""
    targets = labels[:, 1:].unsqueeze(-1)  # (B, T - 1, 1)
    p = logits[:, :-1].softmax(dim=-1)  # (B, T - 1, V)
    right = p.gather(-1, targets.clamp(min=0))
    other = p.scatter(-1, targets.clamp(min=0), -1.0).amax(dim=-1, keepdim=True)
    return (1 + right - other)[targets != IGNORE].mean()


def importance(forget: Tensor, retain: Tensor) -> Tensor:
    """Return each row's weight from mean squared gradients: (out, in), (out, in) -> (out,)."""
    return (forget / retain.clamp(min=1e-20)).sum(dim=1).sqrt().clamp(min=1e-6)


def weighted_low_rank(weight: Tensor, rows: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the factors B and A of the matrix of a rank nearest to a weight when row i counts ``rows[i]``.

    (out, in), (out,) -> (out, r), (r, in).
    """
    left, sizes, right = torch.linalg.svd(rows[:, None] * weight, full_matrices=False)
    root = sizes[:rank].sqrt()
    return left[:, :rank] * root / rows[:, None], root[:, None] * right[:rank]


def is_linear(part: nn.Module) -> bool:
    """Tell whether a module is a linear map: its weight, of its own, is a matrix."""
    weight = part._parameters.get("weight")
    return weight is not None and weight.dim() == 2


def squared_gradients(model: nn.Module, weights: list[Tensor], sequences: Batch, size: int) -> list[Tensor]:
    """Return F of each weight, in the weight's shape, with every batch counted by its scored tokens."""
    found, tokens = [torch.zeros_like(weight) for weight in weights], 0
    for batch in sequences.split(size):
        scored = int((batch.labels != IGNORE).sum())
        gradients = torch.autograd.grad(mean_nll(logits_of(model, batch), batch.labels), weights)
        for total, gradient in zip(found, gradients, strict=True):
            total += scored * gradient.square()
        tokens += scored
    return [total / tokens for total in found]


class Adapter(nn.Module):
    """The factors B, (out, r), and A, (r, in), of what is added to a linear map."""

    def __init__(self, up: Tensor, down: Tensor) -> None:
        super().__init__()
        self.up, self.down = nn.Parameter(up), nn.Parameter(down)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        return x @ self.down.T @ self.up.T


def adapted(linear: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """Return a linear map's output with its adapter's: a forward hook."""
    return output + cast("Tensor", cast("nn.Module", linear.adapter)(inputs[0]))


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Lower the forget tokens through adapters, which are merged; the model is changed in place and returned."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    linears = [part for layer in layers(model) for part in layer.modules() if is_linear(part)]
    weights = [cast("Tensor", linear.weight) for linear in linears]
    of_forget, of_retain = (squared_gradients(model, weights, one, hp.batch_size) for one in (data.forget, data.retain))
    model.requires_grad_(False)
    hooks = []
    for linear, lost, kept in zip(linears, of_forget, of_retain, strict=True):
        weight = matrix(linear)
        rows = importance(lost, kept) if weight is linear.weight else importance(lost.T, kept.T)
        adapter = Adapter(*weighted_low_rank(weight, rows, hp.rank))
        weight -= adapter.up.detach() @ adapter.down.detach()
        linear.adapter = adapter
        hooks.append(linear.register_forward_hook(adapted))
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        lost, kept = next(forget), next(retain)
        retain_nll = mean_nll(logits_of(model, kept), kept.labels)
        return inverted_hinge(logits_of(model, lost), lost.labels) + hp.retain_weight * retain_nll

    descend(model, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    for linear, hook in zip(linears, hooks, strict=True):
        adapter = cast("Adapter", linear.adapter)
        weight = matrix(linear)
        weight += adapter.up.detach() @ adapter.down.detach()
        del linear.adapter
        hook.remove()
    return model.requires_grad_(True)
