"""Sharded training (SISA: sharded, isolated, sliced, aggregated).

Paper: Bourtoule et al. 2019, "Machine Unlearning": train one model per shard of the data, so that forgetting means to
train anew only those whose shard held what is forgotten,

    D = D_1 + ... + D_K,   theta_k = Train(D_k without D_f),   p(y | x) = 1/K sum_k p_{theta_k}(y | x)

Which variant this is, and how it differs:

1. There are no slices: an affected shard is trained from the start, not from the checkpoint before the first affected
   slice.
2. Sequences are dealt to shards at random, forgotten ones too, so every shard is affected and all are trained anew.
   What a run costs is the most that SISA ever costs, as much as retraining; with few deletions it costs 1/K of it.
3. The model that is handed in was trained on everything at once; a real deployment trains in shards from the beginning.
   It is dropped, and what comes back is the ensemble.
4. Probabilities are averaged, and their logarithms are the ensemble's logits; by default every shard of the authors'
   code has one vote.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.model import Output
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep

PAPER: dict[str, object] = {"shards": "1 to 50", "slices": "1 to 50"}
SPACE: dict[str, tuple[float, ...]] = {"shards": (2, 4)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    shards: int = 4

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise ValueError(f"shards must be at least 1 (got {self.shards})")


def mean_probability(logits: Tensor) -> Tensor:
    """Return the logarithm of the mean of the models' probabilities: (K, ..., V) -> (..., V)."""
    return logits.log_softmax(dim=-1).logsumexp(dim=0) - torch.tensor(float(len(logits))).log()


def dealt(count: int, shards: int, seed: int) -> list[Tensor]:
    """Return which rows each shard holds: every row in one shard, sizes differing by one at most."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return [order[number::shards].sort().values for number in range(shards)]


class Ensemble(nn.Module):
    """Models that answer together; called as one is."""

    def __init__(self, models: list[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:
        """Predict the next token at every position; one forward pass per shard."""
        found = [model(input_ids=input_ids, attention_mask=attention_mask).logits for model in self.models]
        return Output(mean_probability(torch.stack(found)))


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: int
) -> nn.Module:
    """Train every shard anew without the forget set; returns the ensemble, and ``on_step`` is not called."""
    hp = Hyperparameters(**hyperparameters)
    rows = dealt(len(data.remaining), hp.shards, seed)
    return Ensemble(
        [
            data.start.train(data.remaining.rows(shard), seed + number, share=1 / hp.shards)
            for number, shard in enumerate(rows)
        ]
    ).eval()
