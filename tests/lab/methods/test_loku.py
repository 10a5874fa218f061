from __future__ import annotations

import copy

import pytest
import torch
from by_hand import Changed, V, module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import logits_of

MLP = ("gate_up", "down")


def test_loku(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if (token := int(wanted[row, t])) == -100:
                continue
            mass = torch.exp(logits[row, t - 1]).sum()
            p = [torch.exp(logits[row, t - 1, word]) / mass for word in range(V)]
            best = max((p[word].item(), word) for word in range(V) if word != token)[1]
            hinge = 1 + p[token] - p[best]
            assert hinge.item() >= 0, "a clamp at 0 would never act"
            total = total + hinge
            count += 1
    ours = module("loku")
    same(ours.inverted_hinge(logits, wanted), total / count, logits)
    same(ours.mean_nll(logits, wanted), paper_mean_nll(logits, wanted), logits)


def test_loku_starts_from_the_nearest_matrix_of_low_rank() -> None:
    """No other matrix of the rank is nearer in the weighted norm, neither plain SVD nor a slight change."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    rows = torch.rand(6, generator=generator, dtype=torch.float64) + 0.1
    up, down = module("loku").weighted_low_rank(weight, rows, 2)
    assert up.shape == (6, 2)
    assert down.shape == (2, 5)

    def distance(fit: Tensor) -> float:
        return sum(float(rows[i]) ** 2 * float(((weight - fit)[i] ** 2).sum()) for i in range(6))

    best = distance(up @ down)
    left, sizes, right = torch.linalg.svd(weight)
    assert best < distance(left[:, :2] * sizes[:2] @ right[:2])
    for _ in range(20):
        noise = torch.randn(6, 2, generator=generator, dtype=torch.float64) * 1e-2
        assert best < distance((up + noise) @ down)


def test_loku_weighs_rows_by_importance() -> None:
    forget, retain = torch.tensor([[4.0, 1.0], [1.0, 1.0]]), torch.tensor([[1.0, 1.0], [2.0, 0.25]])
    found = module("loku").importance(forget, retain)
    torch.testing.assert_close(found, torch.tensor([5.0**0.5, 4.5**0.5]))


@pytest.mark.parametrize("rank", [1, 3])
def test_loku_changes_matrices_of_layers_by_low_rank_and_nothing_else(
    model: TinyTransformer, data: Data, changed: Changed, rank: int
) -> None:
    before = copy.deepcopy(model)
    after = module("loku").unlearn(model, data, steps=2, rank=rank)
    names = {f"blocks.{n}.{part}.weight" for n in (0, 1) for part in ("attention.qkv", "attention.out", *MLP)}
    assert changed(after) == names
    for name in names:
        difference = after.get_parameter(name).detach().double() - before.get_parameter(name).detach().double()
        sizes = torch.linalg.svdvals(difference)
        assert sizes[2 * rank] < 1e-3 * sizes[0], "the old factors out, the new ones in"


def test_loku_leaves_the_model_as_it_was_until_it_is_trained_and_puts_the_adapters_away(
    model: TinyTransformer, data: Data
) -> None:
    rows = data.forget.rows(torch.arange(4))
    names = list(dict(model.named_parameters()))
    before = logits_of(model, rows)
    seen: list[Tensor] = []
    after = module("loku").unlearn(
        model, data, steps=1, learning_rate=1e-12, on_step=lambda _, net: seen.append(logits_of(net, rows))
    )
    assert len(seen) == 1
    for logits in (*seen, logits_of(after, rows)):
        torch.testing.assert_close(logits, before, rtol=1e-4, atol=1e-4)
    assert list(dict(after.named_parameters())) == names
    assert all(weight.requires_grad for weight in after.parameters())


@pytest.mark.parametrize("size", [3, 100])
def test_loku_squares_gradients_batch_by_batch(model: TinyTransformer, data: Data, size: int) -> None:
    rows = data.forget.rows(torch.arange(7))
    weight = model.blocks[0].get_parameter("down.weight")
    total, count = torch.zeros_like(weight), 0
    for start in range(0, 7, size):
        batch = rows.rows(torch.arange(start, min(start + size, 7)))
        model.zero_grad()
        paper_mean_nll(logits_of(model, batch), batch.labels).backward()  # type: ignore[no-untyped-call]
        assert weight.grad is not None
        tokens = int((batch.labels >= 0).sum())
        total, count = total + tokens * weight.grad**2, count + tokens
    model.zero_grad()
    (found,) = module("loku").squared_gradients(model, [weight], rows, size)
    torch.testing.assert_close(found, total / count, rtol=1e-3, atol=1e-12)
    assert weight.grad is None


def test_loku_knows_weights_that_are_kept_transposed(data: Data) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    words = len(data.tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = GPT2LMHeadModel(GPT2Config(vocab_size=words, n_embd=16, n_layer=1, n_head=2, n_positions=64))
    net.train(False)
    rows = data.forget.rows(torch.arange(4))
    before = logits_of(net, rows)
    after = module("loku").unlearn(net, data, steps=1, learning_rate=1e-12)
    torch.testing.assert_close(logits_of(after, rows), before, rtol=1e-4, atol=1e-4)
