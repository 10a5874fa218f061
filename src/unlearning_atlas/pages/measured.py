"""What the lab measured: the section of a method's page, and the page that holds all methods side by side."""

from __future__ import annotations

from statistics import harmonic_mean, mean
from typing import TYPE_CHECKING

from unlearning_atlas.pages.charts import Line, Point, chart, scatter
from unlearning_atlas.pages.markup import Html, bullets, document, escape, join, lines, section, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from unlearning_atlas.measurements import Board, Measured
    from unlearning_atlas.models import Method
    from unlearning_atlas.pages.view import View

_SCALE = (
    "Measured here, on a transformer of about 130,000 parameters that has learnt invented facts: it shows mechanisms "
    "and says nothing about models of billions of parameters."
)
TASKS = {
    "authors": "Invented authors, asked about in questions (as TOFU does)",
    "passages": "Invented prose, learnt word by word (as MUSE does)",
    "hazard": "An invented dangerous chemistry, multiple choice (as WMDP does)",
}
"""Task to what it is."""
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
    return kept(measured) * near(board, measured)


def kept(measured: Measured) -> float:
    """Return the harmonic mean of the accuracies on the three kept sets."""
    return harmonic_mean([measured.average(name) for name in ("retain", "neighbour", "world")])


def near(board: Board, measured: Measured) -> float:
    """Return how near the forgotten is to the retrained model's: 1 - the larger distance of forget and paraphrase."""
    return 1 - max(board.distance(measured, name) for name in ("forget", "paraphrase"))


def pareto(board: Board) -> set[str]:
    """Return the methods that no other beats on both of what is kept and how near the forgotten is to retrained."""
    places = {id_: (near(board, measured), kept(measured)) for id_, measured in board.methods.items()}
    return {
        id_
        for id_, (x, y) in places.items()
        if not any(u >= x and v >= y and (u, v) != (x, y) for u, v in places.values())
    }


def shown_value(measured: Measured, name: str) -> str:
    """Return a figure as a reader sees it: a score or metric, the steps to relearn, or a cost; nothing when unknown."""
    if name == "steps to relearn":
        return _steps(measured)
    if name == "seconds":
        seconds = measured.cost(name)
        return "" if seconds is None else f"{seconds:.1f}"
    return _value(measured, name)


def of_method(view: View, method: Method) -> Iterable[str]:
    """Yield the blocks of a method's section: per task a table beside both baselines, and two charts."""
    boards = [board for board in view.atlas.measured.values() if method.id in board.methods]
    if not boards:
        return
    all_ = tag("a", "All methods side by side", href=Html(f"{view.up}measured/"))
    yield tag("p", f"{_SCALE} Means over {len(boards[0].methods[method.id].rows)} seeds. ", all_, ".", class_="quiet")
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
            yield tag("h3", title, id=f"measured-{board.task}")
            yield from found
    yield tag("h3", "Beside its family", id="measured-family")
    yield _family(view, boards, method)


def _rows(boards: Sequence[Board], id_: str) -> Iterable[Sequence[str]]:
    """Yield a row for each figure: its name, then for each task the method's and the retrained model's."""
    about = _ABOUT | {
        "forget quality": "log10 of a p-value against the retrained model; 0 is best; struck out where utility is lost",
        "PrivLeak": "per cent; below 0 still looks learnt, above 0 scrubbed",
        "steps to relearn": "until 0.9 of it is back",
    }
    for name, text in about.items():
        row: list[str] = [join([tag("strong", name), " ", tag("span", text, class_="note")])]
        for board in boards:
            own, gold = board.methods[id_], board.baselines["retrained"]
            if name == "forget quality":
                row += [_quality(own), _value(gold, "forget_quality", 1)]
            elif name == "PrivLeak":
                row += [_value(own, "privleak", 0), _value(gold, "privleak", 0)]
            elif name == "steps to relearn":
                row += [_steps(own), _steps(gold)]
            else:
                row += [_spread(own, name), _value(gold, name)]
        yield row


def _quality(measured: Measured) -> Html:
    """Return forget quality, struck out where it does not count."""
    value = _value(measured, "forget_quality", 1)
    return escape(value) if all(row["forget_quality_counts"] for row in measured.rows) else tag("s", value)


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
    whole = Line("forget", _bits(measured, "forget"))
    if whole.points:
        rest = Line("retain", _bits(measured, "retain"))
        other = Line("forget, retrained", _bits(board.baselines["retrained"], "forget"), quiet=True)
        ticks = [(number, label) for number, label in enumerate(("full", *(f"{bits} bit" for bits in _BITS)))]
        yield chart("Quantised after unlearning", "bits of a weight", [whole, rest, other], ticks=ticks)


_BITS = ("8", "4", "3")


def _bits(measured: Measured, name: str) -> list[tuple[float, float]]:
    """Return (place, score) at full precision and at fewer and fewer bits, where all of them were measured."""
    rows = [row["attacks"]["quantization"] for row in measured.rows]
    if not all(bits in row for row in rows for bits in _BITS):
        return []
    found = [mean(row[bits][name] for row in rows) for bits in _BITS]
    return [*enumerate((measured.average(name), *found))]


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
        rows.append([name, *scores, _steps(own), cost, shown_value(own, "seconds")])
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
        blocks += section(
            TASKS.get(board.task, board.task),
            board.task,
            plane(view, board, "Forgotten against kept: the line joins those that no other beats on both", wide=True),
            _board(view, board),
        )
    if boards:
        blocks += section(
            "Not tested", "not-tested", *_untested(view, set().union(*(b.methods for b in boards.values())))
        )
    blocks += section("How to read it", "reading", _reading())
    return document(
        "Measured",
        blocks,
        description="Unlearning methods measured side by side on small models.",
        hide=["navigation", "toc"],
    )


_HEADS = (
    *(("Method", ""), ("Score", "what the table is sorted by")),
    *((name, _ABOUT[name]) for name in (*_SCORES, "utility")),
    ("Forget quality", "log10 of a p-value against the retrained model; struck out where utility is lost"),
    ("Relearnt in", "steps of fine-tuning until 0.9 of the forgotten is back"),
    ("4 bit", "the score forget after quantisation to 4 bits"),
    ("Logit lens", "how much of the forgotten a middle layer still shows"),
    ("MIA", "AUC of membership inference by min-k; as for the retrained model is best"),
    ("PrivLeak", "per cent; below 0 still looks learnt, above 0 scrubbed"),
    ("Passes", "sequences through the model, forward and backward"),
    ("Seconds", "on one core"),
    ("MiB", "largest memory of the process"),
)
_MISSING = tag("span", "not tested", class_="pencil")


def plane(view: View, board: Board, title: str, *, wide: bool) -> Html:
    """Return the plane of what is forgotten and what is kept, with those that no other beats on both joined."""
    front = pareto(board)
    names = view.survey.names["methods"]
    points = [
        Point(
            names.get(id_, id_),
            near(board, measured),
            kept(measured),
            f"{view.up}methods/{id_}/" if id_ in names else "",
            "front" if id_ in front else "",
            id_ in front,
        )
        for id_, measured in sorted(board.methods.items(), key=lambda item: item[0] in front)
    ]
    points += [
        Point(name, near(board, measured), kept(measured), "", "gold", named=True)
        for name, measured in board.baselines.items()
        if name != "retrained again"
    ]
    return scatter(title, "forgotten as the retrained model: 1 − distance", "kept", points, wide=wide)


def _board(view: View, board: Board) -> Html:
    head = tag("tr", *(tag("th", label, scope="col", title=about) for label, about in _HEADS))
    rows = [
        tag("tr", *map(_td, [tag("em", name), "", *_figures(m)]), class_="baseline")
        for name, m in board.baselines.items()
    ]
    for measured in sorted(board.methods.values(), key=lambda measured: -score(board, measured)):
        known = measured.name in view.atlas.methods
        name = view.entry("methods", measured.name) if known else escape(measured.name)
        rows.append(tag("tr", *map(_td, [name, tag("b", f"{score(board, measured):.2f}"), *_figures(measured)])))
    body = tag("tbody", Html("\n"), lines(rows))
    found = tag("table", tag("thead", head), body, class_="data measured sortable", id=f"board-{board.task}")
    return tag("div", found, class_="scroll", data_search_exclude=True)


def _td(cell: str) -> Html:
    return tag("td", cell)


def _figures(measured: Measured) -> Iterable[str]:
    for name in (*_SCORES, "utility"):
        yield _spread(measured, name)
    yield _quality(measured)
    yield _steps(measured)
    bits = _bits(measured, "forget")
    yield f"{bits[2][1]:.2f}" if bits else _MISSING
    lens = [row["attacks"].get("logit-lens") for row in measured.rows]
    yield f"{mean(lens):.2f}" if None not in lens else _MISSING
    yield _value(measured, "mia-min-k") if "mia-min-k" in measured.rows[0]["metrics"] else _MISSING
    yield _value(measured, "privleak", 0)
    passes = [measured.cost(name) for name in ("forward", "backward")]
    yield f"{sum(filter(None, passes)):,.0f}" if None not in passes else ""
    yield shown_value(measured, "seconds")
    peak = measured.cost("peak_mib")
    yield "" if peak is None else f"{peak:.0f}"


def _untested(view: View, tested: set[str]) -> Iterable[str]:
    """Yield which methods of the catalog no figure here is about, and why where that is known."""
    left = [id_ for id_ in view.atlas.methods if id_ not in tested]
    known = [id_ for id_ in left if id_ in view.survey.gaps]
    others = [id_ for id_ in left if id_ not in view.survey.gaps]
    yield tag("p", f"{len(left)} of {len(view.atlas.methods)} methods have no figures here.")
    yield bullets((join([view.entry("methods", id_), ": ", view.survey.gaps[id_]]) for id_ in known), "remarks")
    if others:
        what = tag("summary", f"{len(others)} wait for a reference implementation")
        yield tag("details", what, tag("p", view.entries("methods", others)), class_="plain")


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
