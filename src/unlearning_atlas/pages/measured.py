"""What the lab measured: the section of a method's page, and the page that holds all methods side by side."""

from __future__ import annotations

from statistics import harmonic_mean
from typing import TYPE_CHECKING

from unlearning_atlas.pages.charts import Line, chart
from unlearning_atlas.pages.markup import Html, bullets, document, escape, join, section, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from unlearning_atlas.measurements import Board, Measured
    from unlearning_atlas.models import Method
    from unlearning_atlas.pages.view import View

_SCALE = (
    "Measured here, on a transformer of about 130,000 parameters that has learnt invented facts: it shows mechanisms "
    "and says nothing about models of billions of parameters."
)
_TASKS = {
    "authors": "Invented authors, asked about in questions (as TOFU does)",
    "passages": "Invented prose, learnt word by word (as MUSE does)",
    "hazard": "An invented dangerous chemistry, multiple choice (as WMDP does)",
}
_SCORES = ("forget", "paraphrase", "retain", "neighbour", "world")
_ABOUT = {
    "forget": "right answers on what was to be forgotten; for prose, words rightly predicted",
    "paraphrase": "the same facts, asked in words never learnt",
    "retain": "what the method was given to keep",
    "neighbour": "much the same, never shown to the method",
    "world": "general knowledge, never shown to it either",
    "utility": "harmonic mean of nine numbers on the three kept sets",
}
_ASCENT = ("ga", "npo", "grad-diff", "simnpo", "wga")
"""Methods whose price in retained knowledge is shown, gradient ascent without a retain term first."""
_HIDING = ("idk-sft", "npo", "grad-diff", "simnpo", "rmu")
"""Methods whose relearning is shown, refusal training first."""


def score(board: Board, measured: Measured) -> float:
    """Return what the table is sorted by, from 0 to 1: what is kept, times how near the forgotten is to retrained.

    The harmonic mean of the three kept sets' accuracies x (1 - the larger distance of ``forget`` and ``paraphrase`` to
    the retrained model's), as in the search for hyper-parameters.
    """
    kept = harmonic_mean([measured.average(name) for name in ("retain", "neighbour", "world")])
    return kept * (1 - max(board.distance(measured, name) for name in ("forget", "paraphrase")))


def of_method(view: View, method: Method) -> Iterable[str]:
    """Yield the blocks of a method's section: per task a table beside both baselines, and two charts."""
    boards = [board for board in view.atlas.measured.values() if method.id in board.methods]
    if not boards:
        return
    all_ = tag("a", "All methods side by side", href=Html(f"{view.up}measured/"))
    yield tag("p", f"{_SCALE} Means over {len(boards[0].methods[method.id].rows)} seeds. ", all_, ".", class_="quiet")
    for board in boards:
        measured = board.methods[method.id]
        yield tag("h3", _TASKS.get(board.task, board.task), id=f"measured-{board.task}")
        yield table(["", "Before", "After", "Retrained", "Noise floor"], _rows(board, measured), "data narrow measured")
        yield tag("div", *_charts(board, measured), class_="charts")
        yield _settings(measured)


def _rows(board: Board, measured: Measured) -> Iterable[Sequence[str]]:
    before, gold = board.baselines["before"], board.baselines["retrained"]
    for name in (*_SCORES, "utility"):
        label = join([tag("strong", name), " ", tag("span", _ABOUT[name], class_="note")])
        yield [label, _value(before, name), _spread(measured, name), _value(gold, name), f"{board.noise(name):.2f}"]
    shown = _value(measured, "forget_quality", 1)
    warning = tag("span", "does not count: utility is below 0.9 of retrained", class_="note")
    counts = all(row["forget_quality_counts"] for row in measured.rows)
    quality = escape(shown) if counts else join([shown, " ", warning])
    for title, name, digits in (("forget quality", "forget_quality", 1), ("PrivLeak", "privleak", 0)):
        after = quality if name == "forget_quality" else _value(measured, name, digits)
        noise = abs(board.baselines["retrained again"].average(name))
        about = {
            "forget_quality": "log10 of a p-value against the retrained model; 0 is best",
            "privleak": "per cent; below 0 still looks learnt, above 0 scrubbed",
        }[name]
        head = join([tag("strong", title), " ", tag("span", about, class_="note")])
        yield [head, _value(before, name, digits), after, _value(gold, name, digits), f"{noise:.{digits}f}"]
    head = join([tag("strong", "steps to relearn"), " ", tag("span", "until 0.9 of it is back", class_="note")])
    yield [head, _steps(before), _steps(measured), _steps(gold), ""]


def _value(measured: Measured, name: str, digits: int = 2) -> str:
    return f"{measured.average(name):.{digits}f}".replace("-0.0", "0.0") if digits else f"{measured.average(name):.0f}"


def _spread(measured: Measured, name: str) -> Html:
    return join([tag("b", f"{measured.average(name):.2f}"), tag("span", f" ±{measured.spread(name):.2f}", class_="pm")])


def _steps(measured: Measured) -> str:
    found = measured.steps_to_relearn
    return f"over {measured.relearning[-1][0]}" if found is None else f"{found:.0f}"


def _charts(board: Board, measured: Measured) -> Iterable[Html]:
    curve = measured.curve
    if len(curve) > 1:
        lines = [Line(name, [(point["step"], point[name]) for point in curve]) for name in _SCORES]
        gold = board.baselines["retrained"].average("forget")
        lines.append(Line("forget, retrained", [(0, gold), (curve[-1]["step"], gold)], quiet=True))
        yield chart("While unlearning", "steps", lines)
    lines = [
        Line("after unlearning", measured.relearning),
        Line("retrained", board.baselines["retrained"].relearning, quiet=True),
    ]
    yield chart("While relearning: the score forget", "steps of fine-tuning on the forget set", lines)


def _settings(measured: Measured) -> Html:
    run = measured.runs[0]
    values = ", ".join(f"{name} {_plain(value)}" for name, value in run["hyperparameters"].items())
    cost = []
    if (seconds := measured.cost("seconds")) is not None:
        cost.append(f"{seconds:.1f} s")
    for name in ("forward", "backward"):
        if count := measured.cost(name):
            cost.append(f"{count:,.0f} sequences {name}")
    if peak := measured.cost("peak_mib"):
        cost.append(f"{peak:.0f} MiB at most")
    made = run["made"]
    by = f"torch {made['torch']}, {made['processor']}"
    return tag("p", f"Values: {values or 'none'}. Cost: {', '.join(cost)} ({by}).", class_="quiet")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


_ROWS = {"forget-quality": "forget_quality", "model-utility": "utility", "paraphrase": "paraphrase"}
"""Entries whose figure stands in a row itself, under another name."""


def of_metric(view: View, id_: str) -> Iterable[str]:
    """Yield the blocks of a metric's section: what the lab found in it before, after, and on retrained models."""
    name = _ROWS.get(id_, id_)
    rows = []
    for board in view.atlas.measured.values():
        before = board.baselines["before"]
        if name not in before.rows[0] and name not in before.rows[0]["metrics"]:
            continue
        after = sorted(measured.average(name) for measured in board.methods.values())
        middle = f"{after[len(after) // 2]:.2f}" if after else ""
        shown = (board.baselines[which] for which in ("retrained", "retrained again"))
        rows.append([board.task, _value(before, name), middle, *(_value(measured, name) for measured in shown)])
    if rows:
        link = tag("a", "What was measured", href=Html(f"{view.up}measured/"))
        yield tag("p", "On the forget set where the metric does not say otherwise. ", link, ".", class_="quiet")
        yield table(["Task", "Before", "Middle method", "Retrained", "Retrained again"], rows, "data narrow")


def render(view: View) -> str:
    """Return the page with every method that was measured, as Markdown."""
    blocks = [
        "# Measured",
        tag(
            "p",
            "Every reference implementation at the same work: the same models, the same search for hyper-parameters, "
            "the same attacks. ",
            _SCALE,
            class_="lead",
        ),
    ]
    boards = view.atlas.measured
    if not boards:
        blocks.append(tag("p", "Nothing has been measured yet."))
    if "authors" in boards:
        blocks += section("What shows", "lessons", *_lessons(view, boards["authors"]))
    for board in boards.values():
        head = ["Method", "Score", *_SCORES, "utility", "Forget quality", "PrivLeak", "Relearnt in", "Seconds"]
        blocks += section(
            _TASKS.get(board.task, board.task), board.task, table(head, _board(view, board), "data measured")
        )
    blocks += section("How to read it", "reading", _reading())
    return document(
        "Measured",
        blocks,
        description="Unlearning methods measured side by side on small models.",
        hide=["navigation", "toc"],
    )


def _board(view: View, board: Board) -> Iterable[Sequence[str]]:
    for name, measured in board.baselines.items():
        yield [tag("em", name), "", *_figures(measured)]
    for measured in sorted(board.methods.values(), key=lambda measured: -score(board, measured)):
        known = measured.name in view.atlas.methods
        name = view.entry("methods", measured.name) if known else escape(measured.name)
        yield [name, tag("b", f"{score(board, measured):.2f}"), *_figures(measured)]


def _figures(measured: Measured) -> Iterable[str]:
    for name in (*_SCORES, "utility"):
        yield f"{measured.average(name):.2f}"
    counts = all(row["forget_quality_counts"] for row in measured.rows)
    yield _value(measured, "forget_quality", 1) if counts else join([tag("s", _value(measured, "forget_quality", 1))])
    yield _value(measured, "privleak", 0)
    yield _steps(measured)
    seconds = measured.cost("seconds")
    yield "" if seconds is None else f"{seconds:.1f}"


def _lessons(view: View, board: Board) -> Iterable[str]:
    def named(ids: Iterable[str]) -> Iterable[tuple[str, Measured]]:
        return ((view.survey.names["methods"].get(id_, id_), board.methods[id_]) for id_ in ids if id_ in board.methods)

    gold = board.baselines["retrained"]
    price = [
        Line(name, [(1 - point["forget"], point["retain"]) for point in measured.curve])
        for name, measured in named(_ASCENT)
    ]
    back = [Line(name, measured.relearning) for name, measured in named(_HIDING)]
    back.append(Line("retrained", gold.relearning, quiet=True))
    yield tag(
        "div",
        _lesson(
            "Gradient ascent without a retain term takes the rest along",
            chart("Right answers on retained authors, as the forgotten go", "share forgotten", price, x_max=1.0),
        ),
        _lesson(
            "Refusals hide: what they hide is back after a few steps",
            chart("Forgotten answers that are back, while fine-tuning on them", "steps", back),
        ),
        class_="charts",
    )
    retrain, again = board.methods.get("retrain"), board.baselines["retrained again"]
    if retrain is not None:
        yield tag(
            "p",
            tag("strong", "Retraining passes every test: "),
            f"forget {retrain.average('forget'):.2f} (two other retrained models {gold.average('forget'):.2f} and "
            f"{again.average('forget'):.2f}), utility {retrain.average('utility'):.2f}, forget quality "
            f"{_value(retrain, 'forget_quality', 1)} (the noise floor is {_value(again, 'forget_quality', 1)}), "
            f"relearnt in {_steps(retrain)} steps (the others in {_steps(gold)} and {_steps(again)}).",
        )


def _lesson(title: str, figure: Html) -> Html:
    return tag("div", tag("p", tag("strong", title)), figure, class_="lesson")


_READING = (
    (
        "Score",
        "by which tables are sorted: the harmonic mean of what is kept on three sets, times one minus the larger "
        "distance of forget and paraphrase to the retrained model, on either side: answering less often than a model "
        "that never knew gives the forgetting away",
    ),
    ("Retrained", "models have never seen the forgotten data; two of them show how far apart perfect results lie"),
    (
        "Forget quality",
        "is struck out where utility is below 0.9 of the retrained model’s: a wreck can look retrained",
    ),
    (
        "Hyper-parameters",
        "come from a search of at most eight configurations per method and task, on a seed that is not reported; "
        "budget, space and outcome are in the folder catalog/tuning",
    ),
    (
        "Quantisation",
        "to 8, 4 and 3 bits is measured and kept with the other figures; it brings next to nothing back at this size, "
        "so nothing is ranked by it",
    ),
)


def _reading() -> Html:
    named = [*_ABOUT.items(), *_READING]
    again = join(["To repeat a figure: ", tag("code", "unlearning-atlas bench --methods npo --tasks authors"), "."])
    return bullets([*(join([tag("strong", name), ": ", about, "."]) for name, about in named), again], "remarks")
