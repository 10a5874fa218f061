"""Needle: noise on a concept's vector.

Paper: Hong et al. 2024, "Intrinsic Evaluation of Unlearning Using Parametric Knowledge Traces": a column of a
feed-forward output matrix that promotes a concept's tokens is the concept's vector; noise on it takes the concept away,

    s(l, j) = sum over the concept's tokens v of ( U W_l[:, j] )_v,      (l*, j*) = argmax s
    W_l*[:, j*] += sigma ||W_l*[:, j*]|| eps / sqrt(d),     eps standard normal in d dimensions

Which variant this is, and how it differs:

1. The paper's vectors were found by hand and with the help of a language model, for concepts known as a whole. Here a
   concept is a text of the forget set, its tokens are the answer's, and the column is the one that promotes them most,
   as the unembedding matrix U reads it.
2. The noise is scaled by the column's length, so that sigma means the same for every column; the paper adds noise of
   one size.
3. Each column counts once, however many texts choose it; ``columns`` are taken per text.
4. Nothing is trained.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import layers, matrix, mlp_out, unembedding
from unlearning_atlas.lab.batches import IGNORE
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep

PAPER: dict[str, object] = {"sigma": 0.1}
SPACE: dict[str, tuple[float, ...]] = {"sigma": (1.0, 3.0), "columns": (1, 2, 4, 8)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    sigma: float = 3.0
    columns: int = 2

    def __post_init__(self) -> None:
        if self.columns < 1:
            raise ValueError(f"columns must be at least 1 (got {self.columns})")


def promotes(heads: Tensor, weight: Tensor, concepts: list[list[int]]) -> Tensor:
    """Return how much every column promotes every concept's tokens: (V, D), (D, H), C lists -> (C, H)."""
    logits = heads @ weight  # (V, H)
    return torch.stack([logits[tokens].sum(dim=0) for tokens in concepts])


def disturb(weight: Tensor, columns: list[int], sigma: float, generator: torch.Generator) -> None:
    """Add noise to some columns of a matrix, in place: (D, H)."""
    for column in columns:
        noise = torch.randn(len(weight), generator=generator, dtype=weight.dtype)
        vector = weight[:, column].clone()
        weight[:, column] = vector + sigma * vector.norm() * noise / len(weight) ** 0.5


@torch.no_grad()
def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Find each text's vectors and add noise to them; the model is changed in place, no ``on_step``."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    concepts = [sorted(set(row[row != IGNORE].tolist()) - {data.tokenizer.end}) for row in data.forget.labels]
    weights = [matrix(mlp_out(part)) for part in layers(model)]
    heads = unembedding(model)
    scores = torch.cat([promotes(heads, weight, concepts) for weight in weights], dim=1)  # (C, layers x H)
    found = sorted(set(scores.topk(hp.columns, dim=1).indices.flatten().tolist()))
    generator = torch.Generator().manual_seed(seed)
    width = weights[0].shape[1]
    for number, weight in enumerate(weights):
        own = [column - number * width for column in found if column // width == number]
        disturb(weight, own, hp.sigma, generator)
    return model
