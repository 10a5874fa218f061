"""Entries for the terminal: what ``unlearning-atlas show`` prints, made of rich text."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from unlearning_atlas.atlas import singular
from unlearning_atlas.models import Benchmark, Entry, Method, Metric, OpenProblem, Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import RenderableType

    from unlearning_atlas.atlas import Atlas
    from unlearning_atlas.lab.runner import RunResult


def describe(atlas: Atlas, kind: str, entry: Entry) -> Group:
    """Return an entry in full: facts, equation, remarks, relations and what stands behind them."""
    parts: list[RenderableType] = [Rule(f"{entry.name} ({singular(kind)} {entry.id})", align="left")]
    parts.append(_block(entry.summary))
    if isinstance(entry, Method):
        parts += _method(atlas, entry)
    elif isinstance(entry, Benchmark):
        parts += _benchmark(atlas, entry)
    elif isinstance(entry, Metric):
        parts += _metric(atlas, entry)
    elif isinstance(entry, Survey):
        parts += _survey(atlas, entry)
    else:
        assert isinstance(entry, OpenProblem)
        parts += _open_problem(entry)
    verified = sum(evidence.status == "verified" for evidence in entry.evidence)
    parts.append(_lines("Evidence", (_evidence(entry, number) for number in range(len(entry.evidence)))))
    parts.append(Text(f"{verified} of {len(entry.evidence)} items of evidence are verified.", style="dim"))
    return Group(*parts)


def _evidence(entry: Entry, number: int) -> str:
    evidence = entry.evidence[number]
    place = f", {evidence.place}" if evidence.place else ""
    checked = f", read {evidence.checked}" if evidence.checked else ""
    return f"{', '.join(evidence.supports)}: {evidence.source}{place} ({evidence.status}{checked})"


def _method(atlas: Atlas, method: Method) -> Iterable[RenderableType]:
    def terms(axis: str, ids: Iterable[str]) -> str:
        return ", ".join(atlas.taxonomy.label(axis, id_) for id_ in ids)

    paper = method.paper
    facts = {
        "Also called": ", ".join(method.aliases),
        "Paper": f"{paper.title} ({paper.citation}, {paper.venue})",
        "Link": paper.url,
        "Family": terms("family", [method.family]),
        "Paradigm": terms("paradigm", method.paradigm),
        "Access level": terms("access_level", method.access_level),
        "Forgets by": terms("objective", method.objective.forget),
        "Keeps by": terms("objective", method.objective.retain),
        "Changes": terms("intervention", method.intervention),
        "Target": terms("target", method.target),
        "Modality": terms("modality", method.modality),
        "Benchmarks": ", ".join(atlas.benchmarks[id_].name for id_ in method.benchmarks),
        "Needs": ", ".join(
            f"{name.replace('_', ' ')} ({need})" for name, need in method.needs.model_dump().items() if need != "none"
        ),
        "Training cost": (method.cost and method.cost.training) or "",
        "Inference cost": (method.cost and method.cost.inference) or "",
        "Superseded by": method.superseded_by or "",
    }
    yield _facts(facts)
    if method.equation:
        yield _lines("Equation", [method.equation.latex.strip()])
        yield _facts({symbol.symbol: symbol.meaning for symbol in method.equation.symbols}, indent=2)
        if method.equation.reduction:
            yield _block(method.equation.reduction, indent=2)
    for setting in method.hyperparameters:
        values = ", ".join(f"{name} {value}" for name, value in setting.values.items())
        yield _lines(f"Hyper-parameters: {setting.setting} ({setting.status})", [values])
    yield _lines("Strengths", (remark.text.strip() for remark in method.strengths))
    yield _lines("Limitations", (remark.text.strip() for remark in method.limitations))
    yield _lines("Relations", (f"{link.type} {link.target}" for link in method.relations))
    descendants = atlas.lineage(method.id)["descendants"]
    yield _lines("What builds on it", [", ".join(descendants)] if descendants else [])
    for code in method.code:
        what = "official code" if code.official else "port"
        yield _lines(f"{what.capitalize()}: {code.source}", (remark.text.strip() for remark in code.deviations))
    tried = (f"{trial.attack}: {trial.outcome}. {trial.finding.strip()}" for trial in method.robustness)
    yield _lines("Attacks tried on it", tried)
    if method.implementation:
        file = f"reference_impls/{method.id.replace('-', '_')}.py"
        yield _lines(f"Implementation: {file} ({method.implementation.status})", method.implementation.differences)


def _benchmark(atlas: Atlas, benchmark: Benchmark) -> Iterable[RenderableType]:
    paper = benchmark.paper
    yield _facts(
        {
            "Also called": ", ".join(benchmark.aliases),
            "Paper": f"{paper.title} ({paper.citation}, {paper.venue})",
            "Link": paper.url,
            "Task": benchmark.task,
            "Paradigm": ", ".join(atlas.taxonomy.label("paradigm", id_) for id_ in benchmark.paradigm),
            "Target": ", ".join(atlas.taxonomy.label("target", id_) for id_ in benchmark.target),
            "Knowledge": benchmark.knowledge,
            "Metrics": ", ".join(atlas.metrics[id_].name for id_ in benchmark.metrics),
            "Models": ", ".join(benchmark.base_models),
            "Data": (benchmark.data and benchmark.data.url) or "",
            "Licence": (benchmark.data and benchmark.data.licence) or "",
        }
    )
    if benchmark.splits:
        table = Table("split", "role", "size", "unit", box=box.SIMPLE_HEAD, pad_edge=False)
        for split in benchmark.splits:
            table.add_row(split.name, split.role, str(split.size or ""), split.unit or "")
        yield table
    yield _lines("Known faults", (remark.text.strip() for remark in benchmark.known_faults))
    users = atlas.methods.where(benchmark=benchmark.id)
    yield _lines("Methods that report on it", [", ".join(users)] if users else [])


def _metric(atlas: Atlas, metric: Metric) -> Iterable[RenderableType]:
    low, high = metric.range.minimum, metric.range.maximum
    span = f"{'open' if low is None else low} to {'open' if high is None else high} {metric.range.unit or ''}".strip()
    paper = metric.paper
    yield _facts(
        {
            "Also called": ", ".join(metric.aliases),
            "Paper": f"{paper.title} ({paper.citation})",
            "Link": paper.url,
            "Role": metric.role,
            "Group": atlas.taxonomy.label("metric_group", metric.group),
            "Range": span,
            "Good on forget set": metric.direction.forget or "",
            "Good on the rest": metric.direction.retain or "",
            "Needs": ", ".join(metric.needs),
        }
    )
    if metric.definition:
        yield _lines("Definition", [metric.definition.latex.strip()])
        yield _facts({symbol.symbol: symbol.meaning for symbol in metric.definition.symbols}, indent=2)
    yield _lines("Disagreeing definitions in use", (variant.text.strip() for variant in metric.variants))
    yield _lines("Failure modes", (remark.text.strip() for remark in metric.failure_modes))
    users = atlas.benchmarks.where(metric=metric.id)
    yield _lines("Benchmarks that use it", [", ".join(users)] if users else [])


def _survey(atlas: Atlas, survey: Survey) -> Iterable[RenderableType]:
    paper = survey.paper
    yield _facts(
        {
            "Paper": f"{paper.title} ({paper.citation}{f', {paper.venue}' if paper.venue else ''})",
            "Link": paper.url,
            "Form": survey.form,
            "Scope": survey.scope,
        }
    )
    if survey.definition:
        yield _lines("Definition of unlearning", [survey.definition.latex.strip()])
    yield _lines("What it says", (f"{item.text.strip()} ({item.status})" for item in survey.statements))
    covered = atlas.methods.where(survey=survey.id)
    yield _lines("Methods known to stand in it", [", ".join(covered)] if covered else [])


def _open_problem(problem: OpenProblem) -> Iterable[RenderableType]:
    yield _facts({"Question": problem.question})
    yield _lines("Posed by", (f"{item.source}: {item.text.strip()} ({item.status})" for item in problem.posed_by))
    for attempt in problem.attempts:
        ids = ", ".join((*attempt.methods, *attempt.benchmarks, *attempt.metrics))
        yield _lines("What has been tried", [attempt.text.strip(), *([f"see {ids}"] if ids else [])])


def _block(text: str, indent: int = 0) -> RenderableType:
    return Padding(Text(" ".join(text.split())), (0, 0, 1, indent))


def _facts(facts: dict[str, str], indent: int = 0) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts.items():
        if value:
            table.add_row(Text(label), Text(value))
    return Padding(table, (0, 0, 1, indent))


def _lines(title: str, lines: Iterable[str]) -> RenderableType:
    found = list(lines)
    if not found:
        return Text(end="")
    return Group(Text(title, style="bold"), *(Padding(Text(line), (0, 0, 0, 2)) for line in found), Text())


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """Show long work on standard error, one bar a stage; yields what to call with a stage and its share done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<42}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        stages: dict[str, TaskID] = {}

        def progress(stage: str, done: float) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=1.0)
            bars.update(stages[stage], completed=done)

        yield progress


@contextmanager
def show_progress(what: str, total: int) -> Iterator[Callable[[Any, int, int], None]]:
    """Show on standard error how many of many jobs are done; yields what to call with a job, its number and how many.

    In a terminal a bar with an estimate; elsewhere one line a job, for logs.
    """
    import time

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console, start = Console(stderr=True), time.monotonic()
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console, disable=not console.is_terminal) as bar:
        shown = bar.add_task("", total=total)

        def advance(job: Any, done: int, of: int) -> None:
            text = f"{job.method} on {job.task}, seed {job.seed}"
            bar.update(shown, completed=done, total=of, description=text)
            if not console.is_terminal:
                left = (time.monotonic() - start) / done * (of - done)
                console.print(f"{done}/{of} {what}: {text}; about {left:.0f} s left", highlight=False, soft_wrap=True)

        yield advance


def show_run(result: RunResult) -> None:
    """Print a run: the scores of all four models, what attacks bring back, the curve over steps, and how to read it."""
    import sys

    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120)
    values = ", ".join(f"{name} {_plain(value)}" for name, value in result.hyperparameters.items())
    on = f"{result.task} with {result.model}" if result.model != "built-in" else result.task
    console.print(Text(f"{result.method} on {on}, seed {result.seed}{f' ({values})' if values else ''}", style="bold"))
    table = _table("model", "forget", "paraphrase", "retain", "neighbour", "world", "utility", "forget quality")
    for row in result.rows:
        quality = f"{row.forget_quality:.1f}" + ("" if row.forget_quality_counts else " *")
        scores = (row.forget, row.paraphrase, row.retain, row.neighbour, row.world, row.utility)
        style = "bold" if row.model == result.method else ""
        table.add_row(row.model, *(f"{score:.2f}" for score in scores), quality, style=style)
    console.print(table)
    attacks = _table("attacked", "relearnt in", "4 bit", "3 bit", "logit lens", "MIA loss", "MIA min-k", "PrivLeak")
    for row in result.rows:
        relearning, bits, lens = row.attacks["relearning"], row.attacks["quantization"], row.attacks.get("logit-lens")
        steps = relearning["steps"]
        cells = [
            f"over {relearning['curve'][-1][0]} steps" if steps is None else f"{steps} steps",
            *(f"{bits[number]['forget']:.2f}" for number in ("4", "3")),
            "" if lens is None else f"{lens:.2f}",
            *(f"{row.metrics[name]:.2f}" for name in ("mia-loss", "mia-min-k")),
            f"{row.metrics['privleak']:.0f}",
        ]
        attacks.add_row(row.model, *cells, style="bold" if row.model == result.method else "")
    console.print(attacks)
    if len(result.curve) > 1:
        curve = _table("step", "forget", "paraphrase", "retain", "neighbour", "world")
        for point in result.curve:
            matches = (point.forget, point.paraphrase, point.retain, point.neighbour, point.world)
            curve.add_row(str(point.step), *(f"{share:.2f}" for share in matches))
        console.print(curve)
    if not all(row.forget_quality_counts for row in result.rows):
        console.print("* does not count: the model has lost more than a tenth of the retrained model's utility.")
    cost = result.cost
    peak = "" if cost.peak_mib is None else f", {cost.peak_mib:.0f} MiB at most"
    console.print(
        f"Unlearning took {cost.seconds:.1f} s, {cost.forward:,.0f} sequences forward and {cost.backward:,.0f} backward"
        f"{peak}. forget to world: share of answers that are right, from 0 to 1 (of prose, of words); paraphrase: "
        "forgotten facts in wordings never trained on; neighbour and world: kept, but never shown to the method; "
        "forget quality: log10 of the p-value against the retrained model, 0 is best; 4 bit, 3 bit and logit lens: "
        "the score forget after rounding, and read off below the last layer. What lies near the retrained model is "
        "good, on either side. A model of this size tests mechanisms, not claims about models of billions of "
        "parameters."
    )


def _table(first: str, *labels: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column(first, justify="right" if first == "step" else "left")
    for label in labels:
        table.add_column(label, justify="right")
    return table


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
