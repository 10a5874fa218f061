"""Clamping features of a sparse autoencoder (SAE clamping).

Paper: Farrell et al. 2024, "Applying sparse autoencoders to unlearn knowledge in language models": find features of a
layer's state that fire on what is to be forgotten and hardly elsewhere, and clamp them to a negative value there,

    f = ReLU( W_e (h - b_d) + b_e ),   h^ = W_d f + b_d,
    L(W, b) = E mean_t || h_t - h^_t ||^2 + lambda || f_t ||_1                                 (minimised)
    h' = W_d f' + b_d + (h - h^),      f'_i = -c  if  i in F and f_i > 0,  else  f_i

Which variant this is, and how it differs:

1. The autoencoder is trained here, on the states of the forget and the retain set, with the L1 penalty; the authors
   take published ones, trained on general text. The columns of W_d have length 1.
2. F holds the features that fire most often on the forget set among those that fire on at most a share of the retain
   set's tokens, as in the re-implementation of SAEBench.
3. c is a multiple of the mean norm of the states, so that it means the same for models of any width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import layer, output_changed, state_at
from unlearning_atlas.lab.batches import Batch
from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep

PAPER: dict[str, object] = {"features": (10, 20), "retain_threshold": (0.001, 0.01), "clamp": (25, 50, 100, 200)}
SPACE = {"layer": (1, 2), "features": (10, 40), "clamp": (0.5, 2.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    layer: int = 1
    features: int = 40
    clamp: float = 1.0
    retain_threshold: float = 0.01
    dictionary: int = 1024
    sparsity: float = 0.1
    autoencoder_steps: int = 400

    def __post_init__(self) -> None:
        if not 0 < self.features <= self.dictionary:
            raise ValueError(f"features must lie between 1 and dictionary, {self.dictionary} (got {self.features})")


class Autoencoder(nn.Module):
    """A dictionary of features of a state of D numbers."""

    def __init__(self, width: int, size: int, seed: int) -> None:
        super().__init__()
        directions = torch.randn(width, size, generator=torch.Generator().manual_seed(seed))
        self.decoder = nn.Parameter(directions / directions.norm(dim=0))  # (D, F)
        self.encoder = nn.Parameter(self.decoder.detach().T.clone())  # (F, D)
        self.encoder_bias = nn.Parameter(torch.zeros(size))
        self.decoder_bias = nn.Parameter(torch.zeros(width))

    def encode(self, states: Tensor) -> Tensor:
        """Return how strongly every feature fires: (..., D) -> (..., F), at least 0."""
        return ((states - self.decoder_bias) @ self.encoder.T + self.encoder_bias).relu()

    def decode(self, features: Tensor) -> Tensor:
        """Return the states that features stand for: (..., F) -> (..., D)."""
        return features @ self.decoder.T + self.decoder_bias


def autoencoder_loss(states: Tensor, rebuilt: Tensor, features: Tensor, sparsity: float) -> Tensor:
    """Return the squared distance with the penalty, averaged over tokens: (N, D), (N, D), (N, F) -> scalar."""
    return (states - rebuilt).square().sum(dim=-1).mean() + sparsity * features.abs().sum(dim=-1).mean()


def clamped(autoencoder: Autoencoder, states: Tensor, chosen: Tensor, value: float) -> Tensor:
    """Return states with chosen features set to ``-value`` where they fire: (..., D), (K,) -> (..., D)."""
    features = autoencoder.encode(states)
    error = states - autoencoder.decode(features)
    changed = features.clone()
    changed[..., chosen] = torch.where(features[..., chosen] > 0, -value, features[..., chosen])
    return autoencoder.decode(changed) + error


def choose(of_forget: Tensor, of_retain: Tensor, threshold: float, count: int) -> Tensor:
    """Return the features that fire most on the forget set and rarely on the retain set: (N, F), (M, F) -> (K,)."""
    often, elsewhere = (of_forget > 0).double().mean(dim=0), (of_retain > 0).double().mean(dim=0)
    order = often.masked_fill(elsewhere > threshold, -1.0).argsort(descending=True, stable=True)[:count]
    return order[(often[order] > 0) & (elsewhere[order] <= threshold)]


class Clamped(Wrapped):
    """The model with features of one layer clamped."""

    def __init__(self, model: nn.Module, autoencoder: Autoencoder, number: int, chosen: Tensor, value: float) -> None:
        super().__init__(model)
        self.autoencoder, self.number, self.chosen, self.value = autoencoder, number, chosen, value

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the logits with the features clamped."""

        def change(states: Tensor) -> Tensor:
            return clamped(self.autoencoder, states, self.chosen, self.value)

        with output_changed(layer(self.model, self.number), change):
            logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


@torch.no_grad()
def token_states(model: nn.Module, sequences: Batch, number: int) -> Tensor:
    """Return a layer's states at every token that is not padding: (N, D)."""
    return torch.cat([state_at(model, batch, number)[batch.attention_mask] for batch in sequences.split(256)])


def trained_autoencoder(states: Tensor, hp: Hyperparameters, seed: int) -> Autoencoder:
    """Return an autoencoder trained on states, with AdamW at 1e-3 on batches of 1024: (N, D)."""
    autoencoder = Autoencoder(states.shape[-1], hp.dictionary, seed)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(autoencoder.parameters(), lr=1e-3, weight_decay=0.0)
    for _ in range(hp.autoencoder_steps):
        batch = states[torch.randint(len(states), (1024,), generator=generator)]
        features = autoencoder.encode(batch)
        optimizer.zero_grad()
        autoencoder_loss(batch, autoencoder.decode(features), features, hp.sparsity).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            autoencoder.decoder.div_(autoencoder.decoder.norm(dim=0))
    return autoencoder.requires_grad_(False)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Train the autoencoder and return the model with features clamped; its weights stay, no ``on_step``."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    lost, kept = (token_states(model, part, hp.layer) for part in (data.forget, data.retain))
    scale = torch.cat((lost, kept)).norm(dim=-1).mean().item()
    autoencoder = trained_autoencoder(torch.cat((lost, kept)) / scale, hp, seed)
    with torch.no_grad():  # from here on it takes states as they come
        autoencoder.decoder_bias.mul_(scale)
        autoencoder.encoder_bias.mul_(scale)
    chosen = choose(autoencoder.encode(lost), autoencoder.encode(kept), hp.retain_threshold, hp.features)
    return Clamped(model, autoencoder, hp.layer, chosen, hp.clamp * scale)
