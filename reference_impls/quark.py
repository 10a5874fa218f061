"""Quark: quantised reward konditioning.

Paper: Lu et al. 2022, "Quark: Controllable Text Generation with Reinforced Unlearning": let the model write, sort
what it wrote into quantiles by a reward, and train it to write each quantile's texts behind that quantile's token; then
ask it behind the best one,

    L(theta) = E_{(x, y, r_k)} mean_t [ - log p_theta(y_t | r_k, x, y_<t)
               + beta KL( p_theta(. | r_k, x, y_<t) || p_ref(. | x, y_<t) )
               - eta H( p_theta(. | r_k, x, y_<t) ) ]                                            (minimised)

Which variant this is, and how it differs:

1. The reward of an answer to a forget question is one minus the share of its words that stand in the answer to be
   forgotten, of one to a retain question the share that stand in the right answer; the authors take a classifier of
   toxicity, sentiment or repetition.
2. The reward tokens are learnt vectors before the text, in the places of padding tokens whose logits are dropped, so
   that the vocabulary stays as it is.
3. Texts are drawn anew, behind the best token, every so many steps and added to the pool; quantiles are of equal size
   over the whole pool, ties broken at random. The first texts come from the model as it was, without a token.
4. A temperature lets the model write anything but what it has learnt by heart; the authors draw at 1.
5. Means run over the tokens of a batch's answers. AdamW at a constant rate without weight decay.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning_atlas.lab.anatomy import embedding, output_changed
from unlearning_atlas.lab.batches import IGNORE, Batch, join, mean_nll
from unlearning_atlas.lab.decoding import continuations, prompts
from unlearning_atlas.lab.model import Output
from unlearning_atlas.lab.registry import Data
from unlearning_atlas.lab.training import OnStep, descend, logits_of

PAPER: dict[str, object] = {"quantiles": 5, "kl_coef": 0.05, "entropy_coef": 0.06, "lr": 1e-5, "batch_size": 128}
SPACE = {"learning_rate": (1e-4, 3e-4, 1e-3, 3e-3), "temperature": (1.0, 3.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """The lab's values."""

    quantiles: int = 5
    beta: float = 0.05
    eta: float = 0.06
    temperature: float = 3.0
    sample_every: int = 50
    learning_rate: float = 3e-4
    steps: int = 200
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.quantiles < 2:
            raise ValueError(f"quantiles must be at least 2 (got {self.quantiles})")


def overlap(written: list[int], answer: list[int]) -> float:
    """Return the share of an answer's tokens, its end left out, that stand in what was written."""
    wanted = set(answer[:-1])
    return len(wanted & set(written)) / max(len(wanted), 1)


def quantiles(rewards: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return each text's quantile, 0 for the lowest rewards: (N,) -> (N,) int64, all of the same size but for one."""
    shuffle = torch.randperm(len(rewards), generator=generator)
    order = shuffle[rewards[shuffle].argsort(stable=True)]
    found = torch.empty(len(rewards), dtype=torch.long)
    found[order] = torch.arange(len(rewards)) * count // len(rewards)
    return found


def quark_loss(logits: Tensor, reference: Tensor, labels: Tensor, beta: float, eta: float) -> Tensor:
    """Return all three terms, averaged over scored tokens: (B, T, V), (B, T, V), (B, T) -> scalar."""
    scored = labels[:, 1:] != IGNORE
    log_p, log_q = logits[:, :-1].log_softmax(dim=-1)[scored], reference[:, :-1].log_softmax(dim=-1)[scored]
    p = log_p.exp()  # (tokens, V)
    divergence, entropy = (p * (log_p - log_q)).sum(dim=-1), -(p * log_p).sum(dim=-1)
    return mean_nll(logits, labels) + beta * divergence.mean() - eta * entropy.mean()


class Conditioned(nn.Module):
    """A model behind a reward token; called as the model is, it answers behind the best one."""

    def __init__(self, model: nn.Module, count: int, pad: int, seed: int) -> None:
        super().__init__()
        self.model, self.pad = model, pad
        vectors = embedding(model).weight
        rows = torch.randint(len(vectors), (count,), generator=torch.Generator().manual_seed(seed))
        self.rewards = nn.Parameter(vectors[rows].detach().clone())

    def behind(self, quantile: Tensor, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the logits of texts, each behind its quantile's token: (B,), (B, T), (B, T) -> (B, T, V)."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        before = input_ids.new_full((len(input_ids), 1), self.pad)

        def conditioned(vectors: Tensor) -> Tensor:
            return torch.cat((self.rewards[quantile][:, None], vectors[:, 1:]), dim=1)

        with output_changed(embedding(self.model), conditioned):
            logits: Tensor = self.model(
                input_ids=torch.cat((before, input_ids), dim=1),
                attention_mask=torch.cat((torch.ones_like(before, dtype=mask.dtype), mask), dim=1),
            ).logits
        return logits[:, 1:]

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Output:
        """Predict the next token at every position, behind the best reward token."""
        best = torch.full((len(input_ids),), len(self.rewards) - 1)
        return Output(self.behind(best, input_ids, attention_mask))


def unlearn(
    model: nn.Module, data: Data, *, seed: int = 0, on_step: OnStep | None = None, **hyperparameters: float
) -> nn.Module:
    """Explore, sort and learn; returns the model, changed, behind the best reward token."""
    hp = Hyperparameters(**hyperparameters)  # type: ignore[arg-type]
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    policy = Conditioned(model, hp.quantiles, data.tokenizer.pad, seed)
    generator = torch.Generator().manual_seed(seed)
    starts, answers, lost = [], [], []
    for part in (data.forget, data.retain):
        starts += prompts(part)
        answers += [row[row != IGNORE].tolist() for row in part.labels]
        lost += [part is data.forget] * len(part)
    pool: list[tuple[int, list[int], float]] = []  # question, what was written, reward
    batch_pool: Batch
    sorted_into: Tensor
    done = 0

    def explore(writer: nn.Module) -> None:
        nonlocal batch_pool, sorted_into
        half = len(data.forget)
        asked = [*range(half), *(half + torch.randperm(len(data.retain), generator=generator)[:half]).tolist()]
        written = continuations(
            writer.eval(),
            [starts[number] for number in asked],
            data.tokenizer,
            length=max(len(answers[number]) for number in asked),
            temperature=hp.temperature,
            seed=seed + done,
        )
        for number, labels in zip(asked, written.labels, strict=True):
            text = labels[labels != IGNORE].tolist()
            share = overlap(text, answers[number])
            pool.append((number, text, 1 - share if lost[number] else share))
        batch_pool = join([starts[number] for number, _, _ in pool], [text for _, text, _ in pool], data.tokenizer.pad)
        sorted_into = quantiles(torch.tensor([reward for _, _, reward in pool]), hp.quantiles, generator)

    def loss() -> Tensor:
        nonlocal done
        if done % hp.sample_every == 0:
            explore(policy if done else reference)
            policy.train()
        done += 1
        rows = torch.randint(len(pool), (hp.batch_size,), generator=generator)
        batch = batch_pool.rows(rows)
        with torch.no_grad():
            then = logits_of(reference, batch)
        now = policy.behind(sorted_into[rows], batch.input_ids, batch.attention_mask)
        return quark_loss(now, then, batch.labels, hp.beta, hp.eta)

    def watch(step: int, _: nn.Module) -> None:
        if on_step is not None:
            on_step(step, policy)

    descend(policy, loss, steps=hp.steps, learning_rate=hp.learning_rate, on_step=watch)
    return policy
