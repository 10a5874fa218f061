from __future__ import annotations

import torch
from by_hand import V, log_p, module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer


def test_quark(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, reference = batch
    logits.requires_grad_()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if int(wanted[row, t]) != -100:
                for word in range(V):
                    p, q = log_p(logits, row, t, word), log_p(reference, row, t, word)
                    kl, entropy = torch.exp(p) * (p - q), -torch.exp(p) * p
                    total = total + 0.3 * kl - 0.2 * entropy
                count += 1
    loss = module("quark").quark_loss(logits, reference, wanted, 0.3, 0.2)
    same(loss, paper_mean_nll(logits, wanted) + total / count, logits)


def test_quark_sorts_into_quantiles_of_one_size() -> None:
    rewards = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.5, 0.0, 1.0, 0.7])
    found = module("quark").quantiles(rewards, 4, torch.Generator().manual_seed(0)).tolist()
    assert sorted(found) == [0, 0, 1, 1, 2, 2, 3, 3]
    for one in range(8):
        for two in range(8):
            if rewards[one] < rewards[two]:
                assert found[one] <= found[two]


def test_quark_rewards_what_an_answer_has_in_common() -> None:
    overlap = module("quark").overlap
    assert overlap([5, 6, 1], [5, 6, 1]) == 1.0
    assert overlap([5, 9, 1], [5, 6, 1]) == 0.5
    assert overlap([1], [5, 6, 1]) == 0.0, "the end alone does not count"


def test_quark_puts_the_reward_before_the_text(model: TinyTransformer) -> None:
    policy = module("quark").Conditioned(model, 2, pad=0, seed=0)
    policy.rewards.data.copy_(model.embedding.weight[torch.tensor([7, 11])])
    ids = torch.tensor([[20, 21, 22], [30, 31, 32]])
    found = policy.behind(torch.tensor([1, 0]), ids, None)
    for row, word in enumerate((11, 7)):
        expected = model(torch.cat((torch.tensor([word]), ids[row]))[None]).logits[:, 1:]
        torch.testing.assert_close(found[row : row + 1], expected)
    best = model(torch.cat((torch.tensor([11]), ids[0]))[None]).logits[:, 1:]
    torch.testing.assert_close(policy(input_ids=ids[:1]).logits, best)
