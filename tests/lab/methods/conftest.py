"""What tests of single methods share."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from by_hand import BATCHES, V
from torch import Tensor, nn

from unlearning_atlas.lab.model import Config, TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.task import Task
from unlearning_atlas.lab.tasks import authors


@pytest.fixture(params=BATCHES)
def batch(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor, Tensor]:
    """Return labels (B, T) and the logits (B, T, V) of two models, in float64."""
    wanted = BATCHES[request.param]
    generator = torch.Generator().manual_seed(sum(map(ord, request.param)))
    ours, reference = (torch.randn(*wanted.shape, V, generator=generator, dtype=torch.float64) * 3 for _ in range(2))
    return wanted, ours, reference


@pytest.fixture(scope="session")
def task() -> Task:
    return authors.make(3)


@pytest.fixture(scope="session")
def data(task: Task) -> Data:
    """Return what methods may see of a small task."""
    return Data.of(task)


@pytest.fixture
def model(task: Task) -> TinyTransformer:
    """Return an untrained model whose weights are large enough for lively logits."""
    net = TinyTransformer(Config(len(task.tokenizer)), seed=1)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(2.0)
    return net.eval()


@pytest.fixture
def changed(model: TinyTransformer) -> Callable[[nn.Module], set[str]]:
    """Return a function that names the weights of a model, or of the one inside it, that ``model`` had not."""
    before = copy.deepcopy(model)

    def names(after: nn.Module) -> set[str]:
        inside = getattr(after, "model", after)
        pairs = zip(before.named_parameters(), inside.parameters(), strict=True)
        return {name for (name, one), two in pairs if not torch.equal(one, two)}

    return names
