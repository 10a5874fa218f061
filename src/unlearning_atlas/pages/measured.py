"""What the lab measured: the sections of a method's and of a metric's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages.charts import Line, Point, chart, scatter
from unlearning_atlas.pages.figures import (
    ABOUT,
    BITS,
    SCALE,
    SCORES,
    TASKS,
    at_bits,
    kept,
    near,
    quality,
    score,
    shown_value,
    spread,
    steps,
    value,
)
from unlearning_atlas.pages.markup import Html, join, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from unlearning_atlas.measurements import Board, Measured
    from unlearning_atlas.models import Method
    from unlearning_atlas.pages.view import View


def of_method(view: View, method: Method) -> Iterable[str]:
    """Yield the blocks of a method's section: per task a table beside both baselines, and two charts."""
    boards = [board for board in view.atlas.measured.values() if method.id in board.methods]
    if not boards:
        return
    all_ = tag("a", "All methods side by side", href=Html(f"{view.up}measured/"))
    yield tag("p", f"{SCALE} Means over {len(boards[0].methods[method.id].rows)} seeds. ", all_, ".", class_="quiet")
    columns = (label for board in boards for label in (f"After, {board.task}", "Retrained"))
    yield table(["", *columns], _rows(boards, method.id), "data narrow measured")
    for number, board in enumerate(boards):
        measured = board.methods[method.id]
        found = [
            tag("div", *_charts(board, measured), _beside(view, board, method), class_="charts"),
            _settings(measured),
        ]
        title = TASKS.get(board.task, board.task)
        if number:
            yield tag("details", tag("summary", title), *found, class_="plain", id=f"measured-{board.task}")
        else:
            yield tag("h3", title, id=f"measured-{board.task}", data_search_exclude=True)
            yield from found
    yield tag("h3", "Beside its family", id="measured-family", data_search_exclude=True)
    yield _family(view, boards, method)


def _rows(boards: Sequence[Board], id_: str) -> Iterable[Sequence[str]]:
    """Yield a row for each figure: its name, then for each task the method's and the retrained model's."""
    about = ABOUT | {
        "forget quality": "log10 of a p-value against the retrained model; 0 is best; struck out where utility is lost",
        "PrivLeak": "per cent; below 0 still looks learnt, above 0 scrubbed",
        "steps to relearn": "until 0.9 of it is back",
    }
    for name, text in about.items():
        row: list[str] = [join([tag("strong", name), " ", tag("span", text, class_="note")])]
        for board in boards:
            own, gold = board.methods[id_], board.baselines["retrained"]
            if name == "forget quality":
                row += [quality(own), value(gold, "forget_quality", 1)]
            elif name == "PrivLeak":
                row += [value(own, "privleak", 0), value(gold, "privleak", 0)]
            elif name == "steps to relearn":
                row += [steps(own), steps(gold)]
            else:
                row += [spread(own, name), value(gold, name)]
        yield row


def _charts(board: Board, measured: Measured) -> Iterable[Html]:
    curve = measured.curve
    if len(curve) > 1:
        lines = [Line(name, [(point["step"], point[name]) for point in curve]) for name in SCORES]
        gold = board.baselines["retrained"].average("forget")
        lines.append(Line("forget, retrained", [(0, gold), (curve[-1]["step"], gold)], quiet=True))
        yield chart("While unlearning", "steps", lines)
    lines = [
        Line("after unlearning", measured.relearning),
        Line("retrained", board.baselines["retrained"].relearning, quiet=True),
    ]
    yield chart("While relearning: the score forget", "steps of fine-tuning on the forget set", lines)
    whole = Line("forget", at_bits(measured, "forget"))
    if whole.points:
        rest = Line("retain", at_bits(measured, "retain"))
        other = Line("forget, retrained", at_bits(board.baselines["retrained"], "forget"), quiet=True)
        ticks = [(number, label) for number, label in enumerate(("full", *(f"{bits} bit" for bits in BITS)))]
        yield chart("Quantised after unlearning", "bits of a weight", [whole, rest, other], ticks=ticks)


def _beside(view: View, board: Board, method: Method) -> Html:
    """Return where a method stands among those of its branch, by what it keeps and how near it is to retrained."""
    points = [
        Point(
            view.survey.names["methods"].get(id_, id_),
            near(board, board.methods[id_]),
            kept(board.methods[id_]),
            "" if id_ == method.id else f"{view.up}methods/{id_}/",
            "own" if id_ == method.id else "",
            id_ == method.id,
        )
        for id_ in _branch(view, method)
        if id_ in board.methods
    ]
    points.sort(key=lambda point: point.kind == "own")
    branch = view.atlas.taxonomy.label("family", view.survey.above["family"][method.family][0])
    return scatter(f"Among: {branch}", "forgotten as retrained", "kept", points)


def _branch(view: View, method: Method) -> Iterable[str]:
    """Return the methods of the same branch of the tree of families."""
    return view.atlas.methods.where(family=view.survey.above["family"][method.family][0])


def _family(view: View, boards: Sequence[Board], method: Method) -> Html:
    """Return a table of the leaf's members: score on each task, and what they cost on the first."""
    members = [id_ for id_ in view.atlas.methods.where(family=method.family) if id_ in boards[0].methods]
    rows = []
    for id_ in sorted(members, key=lambda id_: -score(boards[0], boards[0].methods[id_])):
        own = boards[0].methods[id_]
        passes = [own.cost(name) for name in ("forward", "backward")]
        name = tag("strong", view.survey.names["methods"][id_]) if id_ == method.id else view.entry("methods", id_)
        scores = (
            f"{score(board, board.methods[id_]):.2f}" if id_ in board.methods else "not tested" for board in boards
        )
        cost = f"{sum(filter(None, passes)):,.0f}" if None not in passes else ""
        rows.append([name, *scores, steps(own), cost, shown_value(own, "seconds")])
    head = ["", *(f"Score, {board.task}" for board in boards), "Relearnt in", "Passes", "Seconds"]
    return table(head, rows, "data narrow")


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
        rows.append([board.task, value(before, name), middle, *(value(measured, name) for measured in shown)])
    if rows:
        link = tag("a", "What was measured", href=Html(f"{view.up}measured/"))
        yield tag("p", "On the forget set where the metric does not say otherwise. ", link, ".", class_="quiet")
        yield table(["Task", "Before", "Middle method", "Retrained", "Retrained again"], rows, "data narrow")
