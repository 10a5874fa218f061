from __future__ import annotations

import torch
from by_hand import Changed, module, same

from unlearning_atlas.lab.model import TinyTransformer
from unlearning_atlas.lab.registry import Data


def test_sae_clamp() -> None:
    """The clamped state and the autoencoder's loss, number by number."""
    ours = module("sae-clamp")
    generator = torch.Generator().manual_seed(0)
    net = ours.Autoencoder(3, 5, seed=1).double()
    for weight in net.parameters():
        weight.data.add_(0.1 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    states = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    chosen, value = torch.tensor([1, 4]), 2.5
    found = ours.clamped(net, states, chosen, value)
    total = torch.zeros((), dtype=torch.float64)
    fired = 0
    for n in range(4):
        features = []
        for i in range(5):
            inside = sum(net.encoder[i, d] * (states[n, d] - net.decoder_bias[d]) for d in range(3))
            features.append(torch.clamp(inside + net.encoder_bias[i], min=0.0))
        rebuilt = [sum(net.decoder[d, i] * features[i] for i in range(5)) + net.decoder_bias[d] for d in range(3)]
        after = [-value if i in (1, 4) and features[i].item() > 0 else features[i] for i in range(5)]
        fired += sum(features[i].item() > 0 for i in (1, 4))
        for d in range(3):
            decoded = sum(net.decoder[d, i] * after[i] for i in range(5)) + net.decoder_bias[d]
            torch.testing.assert_close(found[n, d], decoded + states[n, d] - rebuilt[d])
            total = total + (states[n, d] - rebuilt[d]) ** 2
        total = total + 0.3 * sum(features, torch.zeros(()))
    assert 0 < fired < 8
    features = net.encode(states)
    same(ours.autoencoder_loss(states, net.decode(features), features, 0.3), total / 4, net.decoder)


def test_sae_clamp_chooses_what_fires_on_the_forget_set_alone() -> None:
    forget = torch.tensor([[1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    retain = torch.tensor([[1.0, 0.0, 0.0, 0.0]] * 10)
    assert module("sae-clamp").choose(forget, retain, 0.01, 3).tolist() == [1, 3]
    assert module("sae-clamp").choose(forget, retain, 0.01, 1).tolist() == [1]


def test_sae_clamp_with_nothing_chosen_changes_nothing(model: TinyTransformer, data: Data, changed: Changed) -> None:
    ours = module("sae-clamp")
    wrapped = ours.unlearn(model, data, autoencoder_steps=2)
    assert changed(wrapped) == set()
    ids = data.forget.input_ids[:3]
    wrapped.chosen = torch.tensor([], dtype=torch.long)
    torch.testing.assert_close(wrapped(input_ids=ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)
