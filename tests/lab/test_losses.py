"""Every loss equals, in float64, a formula written from its paper token by token, without the lab's own helpers.

The formulas loop over rows and positions in plain Python, so they share neither code nor shape tricks with what they
check. The batches hold what goes wrong in practice: prompts, padding on either side, ragged rows, a row without an
answer, answers of one token and of the full length, a batch of one.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from unlearning_atlas.lab.registry import available, implementation

IMPLEMENTATIONS = Path(__file__).resolve().parents[2] / "reference_impls"
V = 7


def labels(*rows: str) -> Tensor:
    """Read rows of labels: a digit is a scored token, a dot is a position that is not scored."""
    return torch.tensor([[-100 if mark == "." else int(mark) for mark in row] for row in rows])


BATCHES = {
    "prompt masked": labels("..123", "..456"),
    "right padding": labels(".12..", "..345"),
    "left padding": labels("...12", ".3456"),
    "row without answer": labels("..12.", "....."),
    "first position scored": labels("01234", "56012"),
    "one answer token": labels("....3", ".2..."),
    "batch of one": labels("..061"),
    "length two": labels(".1", ".2", ".."),
}


@pytest.fixture(params=BATCHES)
def batch(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor, Tensor]:
    """Return labels (B, T) and the logits (B, T, V) of two models, in float64."""
    wanted = BATCHES[request.param]
    generator = torch.Generator().manual_seed(sum(map(ord, request.param)))
    ours, reference = (torch.randn(*wanted.shape, V, generator=generator, dtype=torch.float64) * 3 for _ in range(2))
    return wanted, ours, reference


def log_p(logits: Tensor, row: int, position: int, token: int) -> Tensor:
    """Return the log-probability of a token at a position, from the logits one position before it."""
    scores = logits[row, position - 1]
    return scores[token] - torch.log(sum((torch.exp(score) for score in scores), torch.zeros((), dtype=scores.dtype)))


def answers(logits: Tensor, wanted: Tensor) -> list[list[Tensor]]:
    """Return each row's log-probabilities of its scored tokens; nothing comes before the first position."""
    return [
        [log_p(logits, row, t, int(wanted[row, t])) for t in range(1, wanted.shape[1]) if wanted[row, t] != -100]
        for row in range(wanted.shape[0])
    ]


def module(id_: str) -> Any:
    import sys

    implementation(IMPLEMENTATIONS, id_)
    return sys.modules[f"unlearning_atlas_reference_{id_.replace('-', '_')}"]


def paper_mean_nll(logits: Tensor, wanted: Tensor) -> Tensor:
    tokens = [token for row in answers(logits, wanted) for token in row]
    return -torch.stack(tokens).sum() / len(tokens)


def paper_npo(logits: Tensor, reference: Tensor, wanted: Tensor, beta: float) -> Tensor:
    """The loss of Zhang et al. 2024, with the sequence's probability as the product over its tokens."""
    rows = zip(answers(logits, wanted), answers(reference, wanted), strict=True)
    total = torch.zeros((), dtype=torch.float64)
    for ours, theirs in rows:
        p = torch.exp(torch.stack([torch.zeros((), dtype=torch.float64), *ours]).sum())
        q = torch.exp(torch.stack([torch.zeros((), dtype=torch.float64), *theirs]).sum())
        sigmoid = 1 / (1 + torch.exp(beta * torch.log(p / q)))
        total = total - 2 / beta * torch.log(sigmoid)
    return total / wanted.shape[0]


def gradient(loss: Tensor, logits: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, logits, retain_graph=True)
    assert torch.isfinite(found).all()
    return found


def same(ours: Tensor, paper: Tensor, logits: Tensor) -> None:
    """Compare two losses and their gradients with respect to the logits."""
    torch.testing.assert_close(ours, paper, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradient(ours, logits), gradient(paper, logits), rtol=1e-8, atol=1e-12)


def test_ga(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    same(module("ga").ga_loss(logits, wanted), -paper_mean_nll(logits, wanted), logits)


def test_grad_diff(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, retain_logits = batch
    logits.requires_grad_()
    ours = module("grad-diff")
    loss = ours.grad_diff_loss(ours.mean_nll(logits, wanted), ours.mean_nll(retain_logits, wanted), 3.0)
    same(loss, -paper_mean_nll(logits, wanted) + 3.0 * paper_mean_nll(retain_logits, wanted), logits)


@pytest.mark.parametrize("beta", [0.05, 0.5, 3.0])
def test_npo(batch: tuple[Tensor, Tensor, Tensor], beta: float) -> None:
    wanted, logits, reference = batch
    logits.requires_grad_()
    ours = module("npo")
    loss = ours.npo_loss(ours.answer_log_prob(logits, wanted), ours.answer_log_prob(reference, wanted), beta)
    same(loss, paper_npo(logits, reference, wanted, beta), logits)


def test_npo_becomes_gradient_ascent_as_beta_vanishes(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Shown in Zhang et al. 2024: L_NPO - (2 / beta) log 2 tends to the ascent on summed likelihoods."""
    wanted, logits, reference = batch
    logits.requires_grad_()
    ours, beta = module("npo"), 1e-6
    log_p_ref = ours.answer_log_prob(reference, wanted)
    loss = ours.npo_loss(ours.answer_log_prob(logits, wanted), log_p_ref, beta)
    ascent = torch.stack([token for row in answers(logits, wanted) for token in row]).sum() / wanted.shape[0]
    torch.testing.assert_close(gradient(loss, logits), gradient(ascent, logits), rtol=1e-4, atol=1e-8)
    limit = ascent - log_p_ref.mean()
    torch.testing.assert_close(loss - 2 / beta * math.log(2), limit, rtol=1e-4, atol=1e-4)


def test_npo_gradient_is_ascent_weighted_by_how_likely_the_answer_still_is() -> None:
    """As Zhang et al. 2024 derive: each answer's gradient is 2 p^beta / (p^beta + q^beta) times that of ascent."""
    log_p, log_q = torch.tensor([-1.0, -20.0], dtype=torch.float64, requires_grad=True), torch.tensor([-2.0, -3.0])
    (found,) = torch.autograd.grad(module("npo").npo_loss(log_p, log_q.double(), 0.7) * 2, log_p)
    p, q = log_p.detach().exp() ** 0.7, log_q.double().exp() ** 0.7
    torch.testing.assert_close(found, 2 * p / (p + q))


def test_npo_is_bounded_below_where_gradient_ascent_is_not() -> None:
    log_q = torch.zeros(1, dtype=torch.float64)
    found = [module("npo").npo_loss(log_q - fall, log_q, 0.1).item() for fall in (0.0, 10.0, 1e3, 1e5)]
    assert found == sorted(found, reverse=True)
    assert found[-1] >= 0


def sums(logits: Tensor, wanted: Tensor) -> list[Tensor]:
    """Return each row's log-probability of its answer, 0 for a row without one."""
    zero = torch.zeros((), dtype=torch.float64)
    return [torch.stack([zero, *row]).sum() for row in answers(logits, wanted)]


@pytest.mark.parametrize(("beta", "gamma"), [(2.5, 0.0), (0.3, 0.7)])
def test_simnpo(batch: tuple[Tensor, Tensor, Tensor], beta: float, gamma: float) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for row, log_p_y in zip(answers(logits, wanted), sums(logits, wanted), strict=True):
        inside = -beta / max(len(row), 1) * log_p_y - beta * gamma
        total = total - 2 / beta * torch.log(1 / (1 + torch.exp(-inside)))
    ours = module("simnpo")
    loss = ours.simnpo_loss(ours.mean_answer_log_prob(logits, wanted), beta, gamma)
    same(loss, total / wanted.shape[0], logits)


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_idk_dpo(batch: tuple[Tensor, Tensor, Tensor], beta: float) -> None:
    """The refusal's batch is another one, as its answers are: here the rows in reverse."""
    wanted, logits, reference = batch
    logits.requires_grad_()
    refusal, refused = wanted.flip(0), logits * 0.5
    refused_reference = reference.flip(0)
    total = torch.zeros((), dtype=torch.float64)
    for win, win_ref, lose, lose_ref in zip(
        sums(refused, refusal),
        sums(refused_reference, refusal),
        sums(logits, wanted),
        sums(reference, wanted),
        strict=True,
    ):
        ratio = (torch.exp(win) / torch.exp(win_ref)) ** beta / (torch.exp(lose) / torch.exp(lose_ref)) ** beta
        total = total - 2 / beta * torch.log(ratio / (1 + ratio))
    ours = module("idk-dpo")
    log_p = ours.answer_log_prob
    loss = ours.dpo_loss(
        log_p(refused, refusal),
        log_p(refused_reference, refusal),
        log_p(logits, wanted),
        log_p(reference, wanted),
        beta,
    )
    same(loss, total / wanted.shape[0], logits)


def test_idk_dpo_without_a_preferred_answer_is_npo() -> None:
    """Zhang et al. 2024 get NPO by leaving the preferred answer out: a refusal that never moves does the same."""
    log_p, log_ref = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    fixed = torch.zeros(5, dtype=torch.float64)
    torch.testing.assert_close(
        module("idk-dpo").dpo_loss(fixed, fixed, log_p, log_ref, 0.3), module("npo").npo_loss(log_p, log_ref, 0.3)
    )


@pytest.mark.parametrize("beta", [0.0, 3.0, 30.0])
def test_undial(batch: tuple[Tensor, Tensor, Tensor], beta: float) -> None:
    wanted, logits, teacher = batch
    logits.requires_grad_()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if (token := int(wanted[row, t])) == -100:
                continue
            scores = teacher[row, t - 1].tolist()
            scores[token] -= beta
            mass = sum(math.exp(score) for score in scores)
            for word, score in enumerate(scores):
                total = total - math.exp(score) / mass * log_p(logits, row, t, word)
            count += 1
    same(module("undial").undial_loss(logits, teacher, wanted, beta), total / count, logits)


def test_undial_has_its_least_loss_at_the_adjusted_teacher() -> None:
    wanted, teacher = labels(".12", ".3."), torch.randn(2, 3, V, dtype=torch.float64)
    adjusted = teacher.clone()
    for row, t in ((0, 1), (0, 2), (1, 1)):
        adjusted[row, t - 1, wanted[row, t]] -= 4.0
    adjusted.requires_grad_()
    loss = module("undial").undial_loss(adjusted, teacher, wanted, 4.0)
    torch.testing.assert_close(gradient(loss, adjusted), torch.zeros_like(adjusted), rtol=0, atol=1e-12)


def test_rmu() -> None:
    generator = torch.Generator().manual_seed(0)
    forget, kept, frozen = (torch.randn(3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(3))
    forget.requires_grad_()
    goal = torch.randn(5, generator=generator, dtype=torch.float64)
    masks = (torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1], [1, 0, 0, 0]]) > 0, torch.tensor([[1, 1, 0, 0]] * 3) > 0)

    def term(states: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        texts = []
        for row in range(3):
            tokens = [t for t in range(4) if mask[row, t]]
            squares = [
                ((states[row, t] - (target if target.dim() == 1 else target[row, t])) ** 2).sum() / 5 for t in tokens
            ]
            texts.append(torch.stack(squares).sum() / len(tokens))
        return torch.stack(texts).sum() / 3

    expected = term(forget, goal, masks[0]) + 7.0 * term(kept, frozen, masks[1])
    same(module("rmu").rmu_loss(forget, goal, kept, frozen, masks, 7.0), expected, forget)


def test_rmu_trains_a_few_matrices_and_leaves_the_rest_as_it_is() -> None:
    import copy

    from unlearning_atlas.lab import authors
    from unlearning_atlas.lab.model import Config, TinyTransformer
    from unlearning_atlas.lab.registry import Data

    task = authors.make(3)
    before = TinyTransformer(Config(len(task.vocabulary)), seed=1)
    for layer, trained in ((1, {"blocks.0.down.weight"}), (2, {"blocks.0.down.weight", "blocks.1.down.weight"})):
        after = module("rmu").unlearn(copy.deepcopy(before), Data.of(task), steps=2, layer=layer)
        changed = {
            name
            for (name, one), two in zip(before.named_parameters(), after.parameters(), strict=True)
            if not torch.equal(one, two)
        }
        assert changed == trained
        assert all(weight.requires_grad for weight in after.parameters())


def test_task_vector_negation(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    wanted, logits, _ = batch
    logits.requires_grad_()
    same(module("task-vector-negation").mean_nll(logits, wanted), paper_mean_nll(logits, wanted), logits)


def test_task_vector_negation_goes_as_far_the_other_way() -> None:
    import copy

    from unlearning_atlas.lab.model import Config, TinyTransformer

    start, tuned = TinyTransformer(Config(20), seed=1), TinyTransformer(Config(20), seed=2)
    for scale in (0.0, 0.5, 2.0):
        model = copy.deepcopy(tuned)
        module("task-vector-negation").negate(model, start, tuned, scale)
        for new, old, other in zip(model.parameters(), start.parameters(), tuned.parameters(), strict=True):
            torch.testing.assert_close(new, (1 + scale) * old - scale * other, rtol=1e-5, atol=1e-6)


def test_uld(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """The assistant's loss on the retain set; that on the forget set is the mean likelihood tested above."""
    wanted, logits, _ = batch
    logits.requires_grad_()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for row in range(wanted.shape[0]):
        for t in range(1, wanted.shape[1]):
            if int(wanted[row, t]) != -100:
                total = total - sum(log_p(logits, row, t, word) for word in range(V)) / V
                count += 1
    same(module("uld").uniform_loss(logits, wanted), total / count, logits)
    same(module("uld").mean_nll(logits, wanted), paper_mean_nll(logits, wanted), logits)


def test_uld_subtracts_where_a_token_is_likely_or_among_the_likeliest() -> None:
    p = torch.tensor([0.50, 0.30, 0.06, 0.049, 0.04, 0.03, 0.011, 0.005, 0.003, 0.002], dtype=torch.float64)
    assistant = torch.arange(1.0, 11.0, dtype=torch.float64)
    for share, kept in ((0.1, 3), (0.5, 5), (0.001, 10)):
        combined = module("uld").subtract(p.log(), assistant, 2.0, share)
        expected = [math.log(p[n]) - (2.0 * float(assistant[n]) if n < kept else 0.0) for n in range(10)]
        torch.testing.assert_close(combined, torch.tensor(expected, dtype=torch.float64))


def test_uld_leaves_the_model_as_it_is() -> None:
    import copy

    from unlearning_atlas.lab import authors
    from unlearning_atlas.lab.model import Config, TinyTransformer
    from unlearning_atlas.lab.registry import Data

    task = authors.make(3)
    model = TinyTransformer(Config(len(task.vocabulary)), seed=1)
    before = copy.deepcopy(model)
    wrapped = module("uld").unlearn(model, Data.of(task), steps=2)
    for one, two in zip(before.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, two)
    ids = task.encoded("forget").input_ids[:2]
    assert not torch.equal(wrapped(input_ids=ids).logits, before(ids).logits)


def test_every_implementation_has_a_test_here() -> None:
    tested = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(available(IMPLEMENTATIONS)) <= tested, "a reference implementation without a test of equality"
