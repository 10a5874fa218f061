"""Unlearning from logit difference (ULD).

Paper: Ji et al. 2024, "Reversing the Forget-Retain Objectives: An Efficient LLM Unlearning Framework from Logit
Difference": an assistant learns to remember what is to be forgotten and to be indifferent elsewhere, and its logits are
subtracted while decoding,

    z(x) = z_model(x) - alpha z_a(x),
    L(a) = L(D_f; a) + beta E_{D_r} H(U, p_a(. | x)),     L: mean negative log-likelihood,
                                                          H(U, p): cross-entropy under uniform  (minimised)

Which variant this is, and how it differs:

1. The assistant is a copy of the whole model, all of whose weights are trained; the authors take its first layers and
   train a low-rank adapter.
2. The filter is theirs: the assistant's logit counts as 0 for a token that is less than a tenth as likely as the
   likeliest and does not belong to the likeliest tenth of the vocabulary either; a tenth is the default of their code,
   a hundredth stands in their scripts.
3. Means run over the answer's tokens.
4. AdamW at a constant rate without weight decay.
5. D_f and D_r are the data as they are; the authors add paraphrases to the one and, on TOFU, wrong answers to the
   other.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.batches import IGNORE, mean_nll, shuffled
from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"weight": -1.0, "top_logit_filter": 0.1, "num_layer": 8, "lora_r": 16, "retain_weight": 5.0}
SPACE = {"alpha": (0.5, 1.0), "learning_rate": (3e-4, 1e-3), "retain_weight": (1.0, 5.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    alpha: float = 1.0
    filter: float = 0.1
    retain_weight: float = 1.0
    learning_rate: float = 1e-3
    steps: int = 180
    batch_size: int = 32


def uniform_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy under uniform, averaged over scored tokens: (B, T, V), (B, T) -> scalar."""
    scored = labels[:, 1:] != IGNORE
    cross_entropy = -logits[:, :-1].log_softmax(dim=-1).mean(dim=-1)  # (B, T - 1)
    return cross_entropy[scored].sum() / scored.sum()


def subtract(logits: Tensor, assistant: Tensor, alpha: float, share: float) -> Tensor:
    """Return the combined logits: (..., V), (..., V) -> (..., V)."""
    log_p = logits.log_softmax(dim=-1)
    kept = int(share * logits.shape[-1])
    nth = log_p.topk(kept, dim=-1).values[..., -1:] if kept else log_p.amax(dim=-1, keepdim=True)
    unlikely = log_p < torch.minimum(nth, log_p.amax(dim=-1, keepdim=True) + math.log(share))
    return logits - alpha * assistant.masked_fill(unlikely, 0.0)


class LogitDifference(Wrapped):
    """The model with the assistant's logits subtracted; called as the model is."""

    def __init__(self, model: nn.Module, assistant: nn.Module, alpha: float, share: float) -> None:
        super().__init__(model)
        self.assistant, self.alpha, self.share = assistant, alpha, share

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the difference; two forward passes."""
        logits, assistant = (
            part(input_ids=input_ids, attention_mask=attention_mask).logits for part in (self.model, self.assistant)
        )
        return subtract(logits, assistant, self.alpha, self.share)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Train an assistant and return the model with its logits subtracted; the model's weights stay as they are."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    assistant = copy.deepcopy(model)
    wrapped = LogitDifference(model, assistant, hp.alpha, hp.filter)
    forget = shuffled(data.forget, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        remembered, other = next(forget), next(retain)
        indifferent = uniform_loss(logits_of(assistant, other), other.labels)
        return mean_nll(logits_of(assistant, remembered), remembered.labels) + hp.retain_weight * indifferent

    def watch(step: int, _: nn.Module) -> None:
        if on_step is not None:
            on_step(step, wrapped)

    descend(assistant, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=watch)
    return wrapped
