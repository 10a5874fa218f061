from __future__ import annotations

import torch
from by_hand import Changed, V, log_p, module, paper_mean_nll, same
from torch import Tensor

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_spul(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, reference = batch
    logits.requires_grad_()
    kl, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if int(wanted[row, t]) != -100:
                for word in range(V):
                    q = log_p(reference, row, t, word)
                    kl = kl + torch.exp(q) * (q - log_p(logits, row, t, word))
                count += 1
    ours = module("spul")
    nll = ours.mean_nll(logits, wanted)
    loss = ours.spul_loss(nll, nll * 2, ours.answer_kl(reference, logits, wanted), 0.5, 0.7)
    same(loss, 2 * paper_mean_nll(logits, wanted) + 0.7 * kl / count, logits)


def test_spul_puts_its_vectors_before_the_text(model: TinyTransformer) -> None:
    """Vectors that are those of words are the same as the words."""
    wrapped = module("spul").Prompted(model, 3, pad=0, seed=1)
    words = torch.tensor([7, 11, 13])
    wrapped.prompt.data.copy_(model.embedding.weight[words])
    ids = torch.tensor([[20, 21, 22, 23], [30, 31, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    expected = model(
        torch.cat((words.expand(2, 3), ids), dim=1), torch.cat((torch.ones(2, 3, dtype=torch.long), mask), dim=1)
    ).logits[:, 3:]
    torch.testing.assert_close(wrapped(input_ids=ids, attention_mask=mask).logits, expected)
    torch.testing.assert_close(wrapped(input_ids=ids[:1]).logits, expected[:1], rtol=1e-4, atol=1e-5)


def test_spul_trains_the_prompt_alone(model: TinyTransformer, data: Data, changed: Changed) -> None:
    wrapped = module("spul").unlearn(model, data, steps=2)
    assert changed(wrapped) == set()
    start = module("spul").Prompted(model, 8, data.tokenizer.pad, 0)
    assert not torch.equal(wrapped.prompt, start.prompt)
    assert all(weight.requires_grad for weight in model.parameters())
