"""The page that holds all measured methods side by side."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from unlearning_atlas.pages.charts import Line, Point, chart, scatter
from unlearning_atlas.pages.figures import (
    ABOUT,
    SCALE,
    SCORES,
    TASKS,
    at_bits,
    kept,
    near,
    pareto,
    quality,
    score,
    shown_value,
    spread,
    steps,
    value,
)
from unlearning_atlas.pages.markup import Html, bullets, document, escape, join, lines, section, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.measurements import Board, Measured
    from unlearning_atlas.pages.view import View

_ASCENT = ("ga", "npo", "grad-diff", "simnpo", "wga")
"""Methods whose price in retained knowledge is shown, gradient ascent without a retain term first."""
_HIDING = ("idk-sft", "npo", "grad-diff", "simnpo", "rmu")
"""Methods whose relearning is shown, refusal training first."""


def render(view: View) -> str:
    """Return the page with every method that was measured, as Markdown."""
    blocks = [
        "# Measured",
        tag(
            "p",
            "Every reference implementation at the same work: the same models, the same search for hyper-parameters, "
            "the same attacks. ",
            SCALE,
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
    *((name, ABOUT[name]) for name in (*SCORES, "utility")),
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
    for name in (*SCORES, "utility"):
        yield spread(measured, name)
    yield quality(measured)
    yield steps(measured)
    bits = at_bits(measured, "forget")
    yield f"{bits[2][1]:.2f}" if bits else _MISSING
    lens = [row["attacks"].get("logit-lens") for row in measured.rows]
    yield f"{mean(lens):.2f}" if None not in lens else _MISSING
    yield value(measured, "mia-min-k") if "mia-min-k" in measured.rows[0]["metrics"] else _MISSING
    yield value(measured, "privleak", 0)
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
            f"{value(retrain, 'forget_quality', 1)} (the noise floor is {value(again, 'forget_quality', 1)}), "
            f"relearnt in {steps(retrain)} steps (the others in {steps(gold)} and {steps(again)}).",
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
    named = [*ABOUT.items(), *_READING]
    again = join(["To repeat a figure: ", tag("code", "unlearning-atlas bench --methods npo --tasks authors"), "."])
    return bullets([*(join([tag("strong", name), ": ", about, "."]) for name, about in named), again], "remarks")
