"""Embedding-corrupted prompts (ECO).

Paper: Liu et al. 2024, "Large Language Model Unlearning via Embedding-Corrupted Prompts": a classifier finds prompts
about what is to be forgotten, and their embeddings are corrupted before the model sees them,

    e~ = e(x) + sigma eps  if  C(x) > tau,  else  e(x),       eps standard normal

Which variant this is, and how it differs:

1. The classifier is logistic regression on the words of the text, trained on the forget and the retain set; the authors
   fine-tune RoBERTa.
2. It reads the whole text that is handed to the model, question and what of the answer stands there, since a call does
   not say where a prompt ends.
3. sigma is searched like any other value; the authors optimise it by zeroth-order steps towards how far a retrained
   model's answers are taken to be.
4. Every token is corrupted, in every dimension; the authors' code takes the tokens that a second classifier picks, or
   without one all but the last, of the prompt alone while generating, and one dimension or all of them.
5. The noise is drawn once for each position, so that the same prompt always gives the same answer; the authors' code
   draws it anew for every call.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_atlas.lab.anatomy import embedding, output_changed
from unlearning_atlas.lab.batches import Batch
from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep

PAPER: dict[str, object] = {"threshold": 0.99, "strength": "5, 50 or the width", "zeroth_order_lr": 100}
SPACE: dict[str, tuple[float, ...]] = {"sigma": (0.5, 1.0, 2.0, 4.0), "threshold": (0.5, 0.9)}

LONGEST = 4096
"""Positions that noise is drawn for; beyond them it starts over."""


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    sigma: float = 2.0
    threshold: float = 0.5
    classifier_steps: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must lie between 0 and 1 (got {self.threshold}); it is a probability")


def words_in(ids: Tensor, mask: Tensor, vocabulary: int) -> Tensor:
    """Return which words each text holds: (B, T), (B, T) bool -> (B, V) of 0 and 1."""
    held = torch.zeros(len(ids), vocabulary + 1)
    held.scatter_(1, ids.where(mask, torch.full_like(ids, vocabulary)), 1.0)  # padding goes into the column to be cut
    return held[:, :vocabulary]


def corrupt(vectors: Tensor, noise: Tensor, found: Tensor, sigma: float) -> Tensor:
    """Return embeddings, corrupted in the rows that were found: (B, T, D), (T, D), (B,) bool -> (B, T, D)."""
    return vectors + sigma * noise * found[:, None, None]


def trained_classifier(forget: Batch, retain: Batch, vocabulary: int, steps: int) -> nn.Linear:
    """Return logistic regression that tells the forget set's words from the retain set's, both weighing the same."""
    classifier = nn.Linear(vocabulary, 1)
    nn.init.zeros_(classifier.weight)
    nn.init.zeros_(classifier.bias)
    held = torch.cat([words_in(part.input_ids, part.attention_mask, vocabulary) for part in (forget, retain)])
    wanted = torch.cat((torch.ones(len(forget)), torch.zeros(len(retain))))
    weight = torch.where(wanted > 0, 1 / len(forget), 1 / len(retain))
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=0.1, weight_decay=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(classifier(held)[:, 0], wanted, weight=weight, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return classifier


class Corrupted(Wrapped):
    """The model behind a classifier that corrupts what it finds."""

    def __init__(self, model: nn.Module, classifier: nn.Linear, hp: Hyperparameters, seed: int) -> None:
        super().__init__(model)
        self.classifier, self.hp = classifier, hp
        width = embedding(model).weight.shape[1]
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("noise", torch.randn(LONGEST, width, generator=generator))

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the logits after corruption."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        held = words_in(input_ids, mask.bool(), self.classifier.in_features)
        with torch.no_grad():
            found = self.classifier(held)[:, 0].sigmoid() > self.hp.threshold
        at = torch.arange(input_ids.shape[1]) % LONGEST
        noise: Tensor = self.noise[at]  # type: ignore[index]
        with output_changed(embedding(self.model), lambda vectors: corrupt(vectors, noise, found, self.hp.sigma)):
            logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Train the classifier and return the model behind it; its weights stay, and ``on_step`` is not called."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    vocabulary = len(embedding(model).weight)
    return Corrupted(model, trained_classifier(data.forget, data.retain, vocabulary, hp.classifier_steps), hp, seed)
