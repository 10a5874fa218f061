"""Soft prompting for unlearning (SPUL).

Paper: Bhaila et al. 2024, "Soft Prompting for Unlearning in Large Language Models": learn vectors that stand before
every prompt and make the frozen model forget,

    L(phi) = E_{D_f} [ - log p(y_neutral | phi, x) ] + alpha L(D_r; phi)
             + beta E_{D_r} mean_t KL( p_theta(. | x_<t) || p_theta(. | phi, x_<t) )              (minimised)
    L: mean negative log-likelihood

Which variant this is, and how it differs:

1. The neutral target is a refusal; the authors' code, which classifies text, draws the label "neutral" or "unknown".
2. Means run over the scored tokens, those of the divergence too; the authors sum over an answer's and divide by texts.
3. The vectors start as those of random tokens and are trained as they are; the authors produce them with a small
   network.
4. In the model's input the vectors take the places of padding tokens put before the text, whose logits are dropped.
5. AdamW at a constant rate without weight decay; the authors warm up, decay the rate along a cosine and the weights by
   0.001, and clip gradients.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import embedding, output_changed
from unlearning_atlas.lab.batches import IGNORE, mean_nll, shuffled
from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"virtual_tokens": 30, "alpha": 0.5, "beta": 0.5, "lr": 1e-4, "epochs": 10, "batch_size": 32}
SPACE = {"learning_rate": (1e-3, 3e-3, 1e-2, 3e-2), "alpha": (0.5, 2.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    tokens: int = 8
    alpha: float = 2.0
    beta: float = 0.5
    learning_rate: float = 1e-2
    steps: int = 200
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"tokens must be at least 1 (got {self.tokens})")


def answer_kl(reference: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return KL(reference || model), averaged over scored tokens: (B, T, V), (B, T, V), (B, T) -> scalar."""
    log_q, log_p = reference[:, :-1].log_softmax(dim=-1), logits[:, :-1].log_softmax(dim=-1)
    divergence = (log_q.exp() * (log_q - log_p)).sum(dim=-1)  # (B, T - 1)
    return divergence[labels[:, 1:] != IGNORE].mean()


def spul_loss(refusal_nll: Tensor, retain_nll: Tensor, retain_kl: Tensor, alpha: float, beta: float) -> Tensor:
    """Return all three terms: scalars -> scalar."""
    return refusal_nll + alpha * retain_nll + beta * retain_kl


class Prompted(Wrapped):
    """The model with learnt vectors before every text."""

    def __init__(self, model: nn.Module, tokens: int, pad: int, seed: int) -> None:
        super().__init__(model)
        self.pad = pad
        vectors = embedding(model).weight
        rows = torch.randint(len(vectors), (tokens,), generator=torch.Generator().manual_seed(seed))
        self.prompt = nn.Parameter(vectors[rows].detach().clone())

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the logits of the text behind the prompt."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        before = input_ids.new_full((len(input_ids), len(self.prompt)), self.pad)

        def prompted(vectors: Tensor) -> Tensor:
            return torch.cat((self.prompt.expand(len(vectors), -1, -1), vectors[:, len(self.prompt) :]), dim=1)

        with output_changed(embedding(self.model), prompted):
            logits: Tensor = self.model(
                input_ids=torch.cat((before, input_ids), dim=1),
                attention_mask=torch.cat((torch.ones_like(before, dtype=mask.dtype), mask), dim=1),
            ).logits
        return logits[:, len(self.prompt) :]


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Learn a prompt and return the model behind it; the model's weights stay as they are."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    wrapped = Prompted(model, hp.tokens, data.tokenizer.pad, seed)
    model.requires_grad_(False)
    refusals = shuffled(data.refusals, hp.batch_size, seed)
    retain = shuffled(data.retain, hp.batch_size, seed)

    def loss() -> Tensor:
        refused, kept = next(refusals), next(retain)
        with torch.no_grad():
            then = logits_of(model, kept)
        now = logits_of(wrapped, kept)
        refusal_nll = mean_nll(logits_of(wrapped, refused), refused.labels)
        return spul_loss(refusal_nll, mean_nll(now, kept.labels), answer_kl(then, now, kept.labels), hp.alpha, hp.beta)

    descend(wrapped, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=on_step)
    model.requires_grad_(True)
    return wrapped
