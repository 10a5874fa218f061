"""The parts that pages of different kinds share: where a statement stands, remarks, equations, code, evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas import api
from unlearning_atlas.pages.markup import (
    Html,
    bullets,
    document,
    escape,
    facts,
    folded,
    join,
    link,
    pre,
    section,
    shortened,
    table,
    tag,
    tex,
)
from unlearning_atlas.pages.view import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from unlearning_atlas.models import Entry, Equation, PublicCode, Remark, Result, Sourced, Statement
    from unlearning_atlas.pages.view import View

STATUSES = {"verified": "Read in the source", "unverified": "Unverified"}
"""Status of evidence to what a reader chooses by."""
_NAMED = 16
"""How many methods a page names before the rest is folded."""
_KNOWN = 10
"""From how many uses on a search finds an entry before those that only share a word of its name."""
_GROUPS = (
    (("All methods", "methods/"), ("Guide", "find/"), ("Compare", "compare/"), ("Timeline", "timeline/")),
    (("Tree", "taxonomy/"), ("Graph", "graph/"), ("Gap map", "gaps/")),
    (("Metrics and attacks", "metrics/"), ("What breaks what", "robustness/")),
    (("Papers", "literature/"), ("Surveys", "surveys/"), ("Open problems", "open_problems/")),
    (("Data and API", "data/"), ("Changelog", "changelog/")),
    # The hand-written pages of About and Contribute say the same by themselves.
)
"""Pages that are about the same thing: each leads to the others."""


def subnav(view: View, here: str) -> Html:
    """Return links to the pages of the same group, the page's own marked."""
    group = next(group for group in _GROUPS if here in (address for _, address in group))
    links = (
        tag("a", label, href=Html(view.up + address), aria_current="page" if address == here else "")
        for label, address in group
    )
    return tag("nav", *links, class_="sub", aria_label="Pages of this part")


def status(status: str, checked: str | None = None, audited: str | None = None) -> Html:
    """Return the mark of evidence: ink for what was read in the source, pencil for what was not."""
    if status == "verified":
        again = f", and again {audited}" if audited else ""
        return tag("span", f"read {checked}{again}" if checked else "read", class_="ink")
    return tag("span", "unverified", class_="pencil")


def where(view: View, sourced: Sourced) -> Html:
    """Return source, place and commit of something that was read."""
    source = view.source(sourced.source, sourced.commit)
    commit = tag("code", sourced.commit[:7]) if sourced.commit else ""
    return join([part for part in (source, sourced.place or "", commit) if part], ", ")


def standing(view: View, sourced: Sourced) -> Html:
    """Return where something stands and whether it was read there, with what must be known about it."""
    parts = [where(view, sourced), status(sourced.status, sourced.checked, sourced.audited)]
    if sourced.note:
        parts.append(tag("span", sourced.note, class_="note"))
    return join(parts, " ")


def said(view: View, text: str, source: str | None, place: str | None) -> Html:
    """Return a sentence with who says so."""
    if source is None:
        who = tag("span", "editors’ judgement", class_="who")
    else:
        who = tag("span", view.source(source), f", {place}" if place else "", class_="who")
    return join([text, who], " ")


def remarks(view: View, found: Iterable[Remark]) -> Html:
    """Return remarks, each with who says so."""
    return bullets((said(view, remark.text, remark.source, remark.place) for remark in found), "remarks")


def statements(view: View, found: Iterable[Statement]) -> Html:
    """Return what papers say, each with where it stands and whether it was read there."""
    return bullets((join([item.text, tag("br"), standing(view, item)]) for item in found), "remarks")


def entries_of(view: View, kind: str, ids: Iterable[str]) -> Html:
    """Return links to entries in a paragraph, or nothing when there are none."""
    found = [*ids]
    return tag("p", view.entries(kind, found)) if found else Html("")


def equation(found: Equation | None) -> list[str]:
    """Return an equation, its symbols and what it leaves open."""
    if found is None:
        return []
    symbols = ((tex(symbol.symbol), escape(symbol.meaning)) for symbol in found.symbols)
    where_ = tag("dl", *(join([tag("dt", sign), tag("dd", meaning)]) for sign, meaning in symbols), class_="symbols")
    open_ = tag("p", tag("strong", "Reduction."), " ", found.reduction) if found.reduction else ""
    return [tag("div", tex(found.latex, display=True), class_="equation"), where_, open_]


def public_code(view: View, found: Iterable[PublicCode]) -> list[str]:
    """Return public implementations and where each departs from the paper."""
    blocks: list[str] = []
    for code in found:
        what = tag("strong", "Authors’ code" if code.official else "Port")
        variant = escape(f", {code.variant}") if code.variant else Html("")
        blocks.append(tag("p", what, variant, ": ", standing(view, code)))
        blocks.append(remarks(view, code.deviations))
    return blocks


def results(view: View, found: Iterable[Result]) -> Html:
    """Return a method's reported numbers as a table."""
    rows = []
    for result in found:
        benchmark = view.entry("benchmarks", result.benchmark)
        split = f", {result.split}" if result.split else ""
        rows.append(
            [
                join([benchmark, split]),
                view.entry("metrics", result.metric),
                tag("b", str(result.value)),
                escape(result.model),
                standing(view, result),
            ]
        )
    return table(["Benchmark", "Metric", "Value", "Model", "Stands in"], rows, "data stacked") if rows else Html("")


def reporting(view: View, methods: Iterable[str], kind: str, id_: str) -> Html:
    """Return links to methods, each with how many numbers it reports on a benchmark or in a metric."""
    counts: Mapping[str, int] = view.survey.numbers.get((kind, id_), {})
    shown = []
    for method in methods:
        count = counts.get(method, 0)
        numbers = f"{count} number{'s' * (count != 1)}"
        address = Html(f"{view.up}methods/{method}/#results")
        shown.append(
            join([view.entry("methods", method), *([" (", tag("a", numbers, href=address), ")"] * bool(count))])
        )
    return tag("div", folded(shown, _NAMED), class_="names") if shown else Html("")


def evidence(view: View, entry: Entry) -> list[str]:
    """Return the section that says what stands behind which field, and how much of it was read."""
    verified = sum(item.status == "verified" for item in entry.evidence)
    total = len(entry.evidence)
    rows = []
    for item in entry.evidence:
        basis = tag("span", "our conclusion from it", class_="note") if item.basis == "derived" else ""
        note = tag("span", item.note, class_="note") if item.note else ""
        place = join([part for part in (where(view, item), basis, note) if part], " ")
        rows.append(
            [
                ", ".join(dict.fromkeys(map(_field, item.supports))),
                place,
                status(item.status, item.checked, item.audited),
            ]
        )
    share = tag(
        "p",
        f"{verified} of {total} {'item was' if total == 1 else 'items were'} read in the source. ",
        tag("a", "What the marks mean", href=Html(f"{view.up}about/#evidence")),
        class_="quiet",
    )
    found = table(["What it supports", "Where it stands", "Status"], rows, "data stacked")
    return section("Evidence", "evidence", share, found, searched=False)


def _field(path: str) -> str:
    """Return a field's path as a reader says it; an item that is named by a web address goes by the list's name."""
    field, _, item = path.partition(".")
    return f"{field}: {item}".replace("_", " ") if item and "://" not in item else field.replace("_", " ")


def paper(view: View, entry: Entry) -> Html:
    """Return the paper that introduced the entry, with its links."""
    found = entry.paper
    links = [link("arXiv", f"https://arxiv.org/abs/{found.arxiv}")] if found.arxiv else []
    if found.doi:
        links.append(link("DOI", f"https://doi.org/{found.doi}"))
    if found.url and not (found.arxiv and "arxiv.org" in found.url):
        links.append(link("paper", found.url))
    links.append(tag("a", "BibTeX", href=Html("#bibtex")))
    links.append(tag("a", "JSON", href=f"{view.up}{api.FOLDER}/{entry.kind}/{entry.id}.json"))
    if entry.kind == "methods":
        links.append(tag("a", "compare", href=Html(f"{view.up}compare/?method={entry.id}")))
    authors = ", ".join(found.authors[:6]) + (" and others" if len(found.authors) > 6 else "")
    dated = str(found.year) in found.venue
    place = ", ".join(filter(None, [found.venue, "" if dated else str(found.year)]))
    return tag("p", tag("cite", found.title), tag("br"), f"{authors}. {place}. ", join(links, " · "), class_="paper")


def entry_page(
    view: View, entry: Entry, belongs: str, top: Iterable[tuple[str, str]], sections: Iterable[list[str]]
) -> str:
    """Return an entry's page: what it is, its facts, the sections of its kind, evidence and BibTeX.

    ``belongs`` is the line above the name, ``top`` holds the facts that stand before every section.
    """
    blocks = [
        tag("p", tag("a", FOLDERS[entry.kind], href="../"), " · ", belongs, " · ", entry.introduced, class_="kicker"),
        f"# {escape(entry.name)}",
    ]
    if entry.aliases:
        blocks.append(tag("p", "also ", ", ".join(entry.aliases), class_="aliases"))
    if entry.superseded_by:
        newer = view.entry(entry.kind, entry.superseded_by)
        blocks.append(tag("p", "Superseded by ", newer, ". This entry is kept for those who link to it.", class_="old"))
    blocks += [tag("p", entry.summary, class_="lead"), paper(view, entry), facts(top)]
    for found in sections:
        blocks += found
    blocks += evidence(view, entry)
    blocks += section("BibTeX", "bibtex", pre(entry.paper.bibtex, "bibtex"), searched=False)
    blocks.append(tag("p", view.edit(entry), class_="edit"))
    boost = 2 if _uses(view, entry) >= _KNOWN else 1
    description = shortened(entry.summary)
    return document(_title(entry), blocks, description=description, hide=["navigation"], boost=boost)


def _uses(view: View, entry: Entry) -> int:
    """Return how much of the catalog builds on an entry, is measured with it or was attacked with it."""
    atlas = view.atlas
    if entry.kind == "methods":
        return len(view.survey.referring.get(entry.id, ()))
    if entry.kind == "benchmarks":
        return len(atlas.methods.where(benchmark=entry.id))
    if entry.kind == "metrics":
        return len(atlas.methods.where(attack=entry.id)) + len(atlas.benchmarks.where(metric=entry.id))
    return 0


def _title(entry: Entry) -> str:
    """Return the name, with the abbreviation that it goes by: the site's search weighs titles most."""
    short = min((alias for alias in entry.aliases if sum(map(str.isupper, alias)) > 1), key=len, default="")
    return f"{entry.name} ({short})" if 0 < len(short) < len(entry.name) and short not in entry.name else entry.name
