"""Attacks that were tried on methods: a matrix of what came of them, and every trial with its source."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unlearning_atlas.pages import parts
from unlearning_atlas.pages.facets import Row, finder, flat_facet
from unlearning_atlas.pages.markup import Html, document, join, lines, section, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.models import Method, Trial
    from unlearning_atlas.pages.view import View

OUTCOMES = {"broken": "Broken", "weakened": "Weakened", "withstood": "Withstood"}
"""What may come of an attack to what a reader sees."""
CAME_TO = {"broken": "Broken by", "weakened": "Weakened by", "withstood": "Withstood"}
"""What may come of an attack to what a method is said to be, before the names of attacks or their number."""
_SIGNS = {"broken": "✕", "weakened": "◐", "withstood": "✓"}
_MEANINGS = {
    "broken": "most of what had been removed came back, or was told to have been there",
    "weakened": "a part of it",
    "withstood": "next to nothing",
}
_SEARCH = "Attack, method, model …"
_FEW = 5
"""Up to so many trials stand on an entry's own page in full: a page is to stay light."""


def render(view: View) -> str:
    """Return the page of all trials as Markdown."""
    legend = join(
        (join([_sign(outcome), f" {label.lower()}: {_MEANINGS[outcome]}"]) for outcome, label in OUTCOMES.items()), "; "
    )
    tried = [(id_, trial) for id_, method in view.atlas.methods.items() for trial in method.robustness]
    blocks = [
        parts.subnav(view, "robustness/"),
        "# What breaks what",
        tag(
            "p",
            "Published attempts to get back what a method had removed. Where several tried the same, the cell shows "
            "the worst that came of it. An empty cell was not tried, as far as this catalog knows.",
            class_="lead",
        ),
        tag(
            "p",
            legend,
            ". Whoever measures chooses models, data and how hard to try; what this project measured itself, all "
            "methods under one budget, is under ",
            tag("a", "Measured", href="../measured/"),
            ".",
            class_="quiet",
        ),
    ]
    if tried:
        blocks += section("Attacks and methods", "matrix", _matrix(view), searched=False)
        blocks += section("Every trial", "trials", *_finder(view, tried), searched=False)
    description = "Which attacks were tried on which unlearning methods, and what came of them."
    return document("What breaks what", blocks, description=description, hide=["navigation", "toc"])


def _sign(outcome: str) -> Html:
    return tag("span", _SIGNS[outcome], class_=f"sign {outcome}", aria_hidden="true")


def _matrix(view: View) -> Html:
    """Return methods down and attacks across, the most often tried first."""
    methods = [method for method in view.atlas.methods.values() if method.robustness]
    tried = Counter(attack for method in methods for attack in method.outcomes)
    across = sorted(tried, key=lambda attack: (-tried[attack], attack))
    methods.sort(key=lambda method: (-len(method.outcomes), method.name.lower()))
    names = view.survey.names["metrics"]
    head = (
        tag("th", tag("a", names[attack], href=f"{view.up}metrics/{attack}/#tried"), scope="col") for attack in across
    )
    body = lines(
        tag(
            "tr",
            tag("th", view.entry("methods", method.id), scope="row"),
            *(_cell(view, method, attack) for attack in across),
        )
        for method in methods
    )
    top = tag("thead", tag("tr", tag("td"), *head))
    drawn = tag("table", top, tag("tbody", body), class_="data matrix turned outcomes")
    return tag("div", drawn, class_="scroll tall")


def _cell(view: View, method: Method, attack: str) -> Html:
    outcome = method.outcomes.get(attack)
    if outcome is None:
        return tag("td", tag("span", "not tried", class_="hidden-text"), class_="empty")
    words = tag("span", OUTCOMES[outcome].lower(), class_="hidden-text")
    address = Html(f"{view.up}methods/{method.id}/#robustness")
    return tag("td", tag("a", _sign(outcome), words, href=address, title=OUTCOMES[outcome]), class_=outcome)


def _finder(view: View, tried: list[tuple[str, Trial]]) -> Iterator[str]:
    names = view.survey.names
    tried = sorted(tried, key=lambda one: (names["metrics"][one[1].attack].lower(), names["methods"][one[0]].lower()))
    facets = [
        flat_facet("attack", "Attack", names["metrics"], Counter(trial.attack for _, trial in tried)),
        flat_facet("method", "Method", names["methods"], Counter(id_ for id_, _ in tried)),
        flat_facet("outcome", "Outcome", OUTCOMES, Counter(trial.outcome for _, trial in tried)),
        flat_facet("status", "Evidence", parts.STATUSES, Counter(trial.status for _, trial in tried)),
    ]
    rows = [
        Row(
            [
                view.entry("metrics", trial.attack),
                tag("a", names["methods"][id_], href=Html(f"{view.up}methods/{id_}/#robustness")),
                _outcome(trial),
                _finding(trial),
                parts.standing(view, trial),
            ],
            [f"attack:{trial.attack}", f"method:{id_}", f"outcome:{trial.outcome}", f"status:{trial.status}"],
        )
        for id_, trial in tried
    ]
    columns = ("Attack", "Method", "Outcome", "What came of it", "Stands in")
    yield from finder(facets, columns, rows, id_="trials-table", noun="trials", search=_SEARCH, class_="trials")


def _outcome(trial: Trial) -> Html:
    return join([_sign(trial.outcome), " ", OUTCOMES[trial.outcome]])


def _finding(trial: Trial) -> Html:
    return join([trial.finding, *([tag("br"), tag("small", trial.setting)] if trial.setting else [])])


def of_method(view: View, method: Method) -> Html:
    """Return the table of what was tried on a method, or nothing."""
    names = view.survey.names["metrics"]
    tried = sorted(method.robustness, key=lambda trial: names[trial.attack].lower())
    found = [(trial.attack, view.entry("metrics", trial.attack), trial) for trial in tried]
    return _listed(view, "Attack", found, ("method", method.id), "attack")


def of_attack(view: View, attack: str) -> Html:
    """Return the table of the methods that an attack was tried on, or nothing."""
    found = [
        (id_, view.entry("methods", id_), trial)
        for id_ in view.atlas.methods.where(attack=attack).sort("name")
        for trial in view.atlas.methods[id_].robustness
        if trial.attack == attack
    ]
    return _listed(view, "Method", found, ("attack", attack), "method")


def _listed(view: View, first: str, found: list[tuple[str, Html, Trial]], of: tuple[str, str], by: str) -> Html:
    """Return (id, link, trial) as a table: a row for each, or, of many, for each id with a link to what it sums up."""
    if not found:
        return Html("")
    all_ = f"{view.up}robustness/?{of[0]}={of[1]}"
    count = f"{len(found)} trial{'s' * (len(found) != 1)}. What the signs mean, and all other attacks and methods: "
    told = tag("p", count, tag("a", "What breaks what", href=Html(f"{all_}#trials")), ".", class_="quiet")
    if len(found) <= _FEW:
        rows = [[name, _outcome(trial), _finding(trial), parts.standing(view, trial)] for _, name, trial in found]
        return join([told, table([first, "Outcome", "What came of it", "Stands in"], rows, "data stacked")])
    rows = []
    for id_, name in {id_: name for id_, name, _ in found}.items():
        counts = Counter[str](trial.outcome for other, _, trial in found if other == id_)
        words = (f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
        signs = join(join([_sign(outcome), " "]) for outcome in OUTCOMES if counts[outcome])
        trials = f"{counts.total()} trial{'s' * (counts.total() != 1)}"
        rows.append(
            [name, join([signs, ", ".join(words)]), tag("a", trials, href=Html(f"{all_}&amp;{by}={id_}#trials"))]
        )
    return join([told, table([first, "Outcome", "What was found, and where"], rows, "data stacked")])
