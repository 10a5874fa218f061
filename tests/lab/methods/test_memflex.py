from __future__ import annotations

import torch
from by_hand import Changed, module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_memflex(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, retain_logits = batch
    logits.requires_grad_()
    ours = module("memflex")
    loss = ours.grad_diff_loss(ours.mean_nll(logits, wanted), ours.mean_nll(retain_logits, wanted), 5.0)
    same(loss, -paper_mean_nll(logits, wanted) + 5.0 * paper_mean_nll(retain_logits, wanted), logits)


def test_memflex_takes_matrices_with_large_gradients_of_their_own() -> None:
    generator = torch.Generator().manual_seed(0)
    forget = [torch.randn(3, 4, generator=generator, dtype=torch.float64) * size for size in (5.0, 5.0, 0.1, 2.0)]
    retain = [forget[0] * 3, -forget[1], -forget[2], torch.randn(3, 4, generator=generator, dtype=torch.float64)]
    sizes = [sum(abs(float(x)) for x in g.flatten()) / 12 for g in forget]
    cosines = []
    for one, two in zip(forget, retain, strict=True):
        a, b = one.flatten().tolist(), two.flatten().tolist()
        product = sum(x * y for x, y in zip(a, b, strict=True))
        cosines.append(product / (sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5))
    assert cosines[0] > 0.999
    limit = (sorted(sizes)[1] + sorted(sizes)[2]) / 2
    expected = [c < 0.92 and s > limit for c, s in zip(cosines, sizes, strict=True)]
    assert module("memflex").localised(forget, retain, 0.92, 0.5) == expected
    assert expected[1]
    assert not expected[0]
    assert not expected[2]


def test_memflex_trains_those_matrices_alone(model: TinyTransformer, data: Data, changed: Changed) -> None:
    names = changed(module("memflex").unlearn(model, data, steps=2, quantile=0.75, mu=2.0))
    assert len(names) == 2, "a quarter of eight matrices"
    assert all(name.startswith("blocks.") for name in names)
