"""Tables of papers and entries: what they are narrowed by fits their rows, and numbers stand with their sources."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import unlearning_atlas
from unlearning_atlas.pages import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Root
    from tests.site.conftest import Document, Element

FOUND = ("methods/index.md", "benchmarks/index.md", "metrics/index.md", "surveys/index.md", "literature/index.md")


def pages_of(small: Root) -> dict[str, str]:
    return dict(render(unlearning_atlas.load(small.path)))


def rows_of(page: Document) -> list[Element]:
    return [row for row in page.all("tr") if "data-terms" in row.attributes]


@pytest.mark.parametrize("path", FOUND)
def test_every_term_counts_the_rows_that_hold_it(small: Root, read_html: Callable[[str], Document], path: str) -> None:
    page = read_html(pages_of(small)[path])
    rows = rows_of(page)
    held = Counter(term for row in rows for term in row.attributes["data-terms"].split())
    labels = [label for label in page.all("label") if "class" not in label.attributes]
    boxes = [box.attributes for box in page.all("input") if box.attributes.get("type") == "checkbox"]
    assert len(labels) == len(boxes)
    shown = {
        f"{box['name']}:{box['value']}": int(label.text.split()[-1]) for box, label in zip(boxes, labels, strict=True)
    }
    assert {term: held[term] for term in shown} == shown
    heads = page.all("th")
    assert all(
        len(re.findall("<td", line)) == len(heads)
        for line in pages_of(small)[path].splitlines()
        if "<tr data-terms" in line
    )
    ids = [row.attributes["data-id"] for row in rows]
    assert len(set(ids)) == len(ids) > 0
    form = next(form for form in page.all("form") if form.attributes.get("id") == "facets")
    assert "hidden" in form.attributes, "without a script the controls would do nothing"
    assert not [row for row in rows if "hidden" in row.attributes]


def test_papers_stand_with_what_they_are_the_newest_first(small: Root, read_html: Callable[[str], Document]) -> None:
    text = pages_of(small)["literature/index.md"]
    rows = {row.attributes["data-id"]: row for row in rows_of(read_html(text))}
    assert list(rows) == [
        *("stone2026waiting", "moss2025survey", "rivers2024beta", "lake2024hazard", "stone2024gamma", "stone2023alpha"),
        "field2022authors",
    ]
    waiting = rows["stone2026waiting"]
    assert waiting.attributes["data-terms"] == "code:yes entry:no kind:metric year:2026"
    assert "Attack" in waiting.text
    assert "waits" in waiting.text
    authors = rows["field2022authors"]
    assert "Authors bench, " in authors.text
    assert "entry:yes" in authors.attributes["data-terms"]
    line = next(line for line in text.splitlines() if 'data-id="field2022authors"' in line)
    assert 'href="../benchmarks/authors-bench/"' in line
    assert 'href="../metrics/privacy-gap/"' in line


def test_a_search_finds_the_authors_that_a_row_does_not_name(small: Root, read_html: Callable[[str], Document]) -> None:
    small.edit(
        "catalog/references.bib", "author = {Rivers, Di and Stone, Ed}", "author = {Rivers, Di and A B and C D and E F}"
    )
    rows = rows_of(read_html(pages_of(small)["literature/index.md"]))
    row = next(row for row in rows if row.attributes["data-id"] == "rivers2024beta")
    assert "Di Rivers, A B, C D and others" in row.text
    assert "E F" not in row.text
    assert row.attributes["data-also"] == "E F, 2402.01234"


RESULT = """\
  - source: rivers2024beta
    place: table 2
    status: unverified
    benchmark: authors-bench
    split: forget-set
    model: Small 7B
    metric: {metric}
    value: {value}
"""


def add_results(small: Root, *numbers: tuple[str, str]) -> None:
    file = "catalog/methods/beta-preference.yaml"
    more = "".join(RESULT.format(metric=metric, value=value) for metric, value in numbers)
    small.edit(file, "reported_results:\n", f"reported_results:\n{more}")


def test_reported_results_stand_side_by_side_with_their_sources(
    small: Root, read_html: Callable[[str], Document]
) -> None:
    add_results(small, ("truth-score", "0.5"), ("truth-score", "0.9"), ("privacy-gap", "0.1"))
    pages = pages_of(small)
    page = pages["benchmarks/authors-bench/index.md"].split("{ #results")[1].split("\n## ")[0]
    assert "they can seldom be compared" in page
    found = [row.text for row in read_html(page).all("tr")[1:]]
    names = ["Privacy gap", "Truth score", "Truth score", "Truth score"]
    assert [name for row, name in zip(found, names, strict=True) if name in row] == names
    assert re.findall(r"<b>([0-9.]+)</b>", page) == ["0.1", "0.9", "0.75", "0.5"]
    for part in (
        "forget&#45;set",
        "Small 7B",
        'href="../../methods/beta-preference/#results"',
        "table 2",
        "unverified",
    ):
        assert part.replace("&#45;", "-") in page.replace("&#45;", "-"), part
    other = pages["metrics/truth-score/index.md"].split("{ #results")[1].split("\n## ")[0]
    assert re.findall(r"<b>([0-9.]+)</b>", other) == ["0.9", "0.75", "0.5"]
    assert 'href="../../benchmarks/authors-bench/"' in other
    assert "<form" not in page, "a few rows are read faster than searched"
    assert "{ #results" not in pages["benchmarks/hazard-bench/index.md"]


def test_many_reported_results_can_be_narrowed(small: Root, read_html: Callable[[str], Document]) -> None:
    add_results(small, *(("truth-score", f"0.{number}") for number in range(10, 30)), ("privacy-gap", "0.1"))
    page = read_html(pages_of(small)["benchmarks/authors-bench/index.md"])
    boxes = {box.attributes["value"] for box in page.all("input") if box.attributes.get("type") == "checkbox"}
    assert boxes == {"truth-score", "privacy-gap"}, "one method and one status tell no rows apart"
    assert all("status:unverified" in row.attributes["data-terms"].split() for row in rows_of(page))


def test_measures_come_before_attacks(small: Root, read_html: Callable[[str], Document]) -> None:
    page = read_html(pages_of(small)["metrics/index.md"])
    rows = rows_of(page)
    assert [row.attributes["data-id"] for row in rows] == ["privacy-gap", "truth-score", "relearning-attack"]
    tried = [link for link in page.all("a") if link.attributes["href"] == "relearning-attack/#tried"]
    assert [link.text for link in tried] == ["2"], "an attack counts the methods that it was tried on"


def test_what_breaks_what(small: Root, read_html: Callable[[str], Document]) -> None:
    pages = pages_of(small)
    page = read_html(pages["robustness/index.md"])
    cells = [cell for cell in page.all("td") if cell.attributes.get("class") in ("broken", "weakened", "withstood")]
    assert [cell.attributes["class"] for cell in cells] == ["broken", "withstood"], "of two outcomes the worst"
    names = [head.text for head in page.all("th") if head.attributes.get("scope") == "row"]
    assert names == ["Beta preference", "Gamma steering (γ)"]
    links = [link.attributes["href"] for link in page.all("a") if link.text.startswith(("✕", "✓"))]
    assert links == ["../methods/beta-preference/#robustness", "../methods/gamma-steer/#robustness"]
    rows = [row for row in page.all("tr") if "data-terms" in row.attributes]
    assert [row.attributes["data-terms"].split() for row in rows] == [
        ["attack:relearning-attack", "method:beta-preference", "outcome:weakened", "status:unverified"],
        ["attack:relearning-attack", "method:beta-preference", "outcome:broken", "status:verified"],
        ["attack:relearning-attack", "method:gamma-steer", "outcome:withstood", "status:unverified"],
    ]
    for part in ("A tenth of the answers came back", "Small 7B on authors", "section 5", "unverified"):
        assert part in rows[0].text, part

    own = pages["methods/beta-preference/index.md"].split("{ #robustness")[1].split("\n## ")[0]
    assert own.count('href="../../metrics/relearning-attack/"') == 2
    assert "{ #robustness" not in pages["methods/alpha-ascent/index.md"]
    attack = pages["metrics/relearning-attack/index.md"].split("{ #tried")[1].split("\n## ")[0]
    assert attack.count('href="../../methods/beta-preference/"') == 2
    assert attack.count('href="../../methods/gamma-steer/"') == 1
    assert "{ #tried" not in pages["metrics/truth-score/index.md"]


def test_many_trials_are_summed_up_on_an_entrys_own_page(small: Root) -> None:
    file = "catalog/methods/beta-preference.yaml"
    text = small.text(file)
    start = text.index("robustness:\n") + len("robustness:\n")
    one = text[start : text.index("  - source: moss2025survey", start)]
    small.write(file, text[:start] + one * 7 + text[start:])
    pages = pages_of(small)
    own = pages["methods/beta-preference/index.md"].split("{ #robustness")[1].split("\n## ")[0]
    assert "9 trials" in own
    assert "1 broken, 8 weakened" in own
    assert 'href="../../robustness/?method=beta-preference&amp;attack=relearning-attack#trials">9 trials</a>' in own
    assert "A tenth of the answers" not in own
    assert pages["robustness/index.md"].count("A tenth of the answers") == 8


def test_nothing_tried_is_no_table(small: Root) -> None:
    for name in ("beta-preference", "gamma-steer"):
        file = f"catalog/methods/{name}.yaml"
        text = small.text(file)
        start = text.index("robustness:\n")
        end = min(text.index(key, start) for key in ("implementation:\n", "evidence:\n") if key in text[start:])
        small.write(file, text[:start] + text[end:])
    assert "<table" not in pages_of(small)["robustness/index.md"]
