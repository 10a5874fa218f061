"""Who's Harry Potter, at the logits (WHP-logit).

Paper: Eldan and Russinovich 2023, "Who's Harry Potter? Approximate Unlearning in LLMs": a copy trained further on what
is to be forgotten shows which tokens that makes likelier; the model's logits are lowered there,

    z(x) = z_b(x) - alpha ReLU( z_r(x) - z_b(x) ),
    r: the model b, trained further on D_f with the mean negative log-likelihood              (minimised)

Which variant this is, and how it differs:

1. The combination acts while decoding, as in MUSE's version. The paper takes its most likely tokens as labels, anchors
   names by a dictionary, and fine-tunes on them.
2. Every weight of the copy is trained, with AdamW at a constant rate without weight decay.
3. A model that answers every forget question rightly already has little left to reinforce: the further training raises
   the right tokens' logits by making them surer still.
"""

import copy
from dataclasses import dataclass

from torch import Tensor, nn

from unlearning_atlas.lab.batches import mean_nll, shuffled
from unlearning_atlas.lab.model import Wrapped
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"alpha": 5, "steps": "about 120"}
SPACE = {"alpha": (3.0, 10.0, 30.0, 100.0), "learning_rate": (3e-4, 1e-3)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    alpha: float = 10.0
    learning_rate: float = 1e-3
    steps: int = 60
    batch_size: int = 32


def combine(base: Tensor, reinforced: Tensor, alpha: float) -> Tensor:
    """Return the lowered logits: (..., V), (..., V) -> (..., V)."""
    return base - alpha * (reinforced - base).relu()


class Lowered(Wrapped):
    """The model, its logits lowered where the reinforced copy's are higher; called as the model is."""

    def __init__(self, model: nn.Module, reinforced: nn.Module, alpha: float) -> None:
        super().__init__(model)
        self.reinforced, self.alpha = reinforced, alpha

    def logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the combined logits; two forward passes."""
        base, reinforced = (
            part(input_ids=input_ids, attention_mask=attention_mask).logits for part in (self.model, self.reinforced)
        )
        return combine(base, reinforced, self.alpha)


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Reinforce a copy and return the model lowered by it; the model's weights stay as they are."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reinforced = copy.deepcopy(model)
    wrapped = Lowered(model, reinforced, hp.alpha)
    forget = shuffled(data.forget, hp.batch_size, seed)

    def loss() -> Tensor:
        batch = next(forget)
        return mean_nll(logits_of(reinforced, batch), batch.labels)

    def watch(step: int, _: nn.Module) -> None:
        if on_step is not None:
            on_step(step, wrapped)

    descend(reinforced, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=watch)
    return wrapped
