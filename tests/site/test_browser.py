"""What a reader does on the site, done in a browser: every answer is held against what Python says."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from playwright.sync_api import expect
from tests.site.browsing import HACKED, HOSTILE, WIDE, Visit, need_browser

import unlearning_atlas
from unlearning_atlas.catalog import walk_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Download, Locator, Page
    from tests.site.browsing import Served

    from unlearning_atlas import Atlas

pytestmark = pytest.mark.slow
need_browser()


@pytest.fixture
def atlas(served: Served) -> Atlas:
    """Return the catalog that the site was made from."""
    return unlearning_atlas.load(served.root)


def rows(page: Page) -> list[str]:
    """Return the ids of a table's rows as they are seen, from the top."""
    found = page.locator("table.finder > tbody > tr:visible")
    return list(found.evaluate_all("all => all.map(row => row.dataset.id)"))


def has_title(page: Page, title: str) -> None:
    """Wait for a page of this title, behind which stands a link to itself."""
    expect(page.locator("h1[id]")).to_have_text(re.compile(f"{re.escape(title)}¶?\\s*$"))


def query(page: Page) -> list[tuple[str, str]]:
    """Return what the address says; asked of the page itself, for Playwright hears of a change a little later."""
    return parse_qsl(page.evaluate("location.search")[1:])


def texts(table: Locator) -> list[list[str]]:
    """Return the cells of a table, row by row."""
    return list(
        table.evaluate("table => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent.trim()))")
    )


def facet(page: Page, name: str) -> Locator:
    return page.locator(f'#facets details[data-facet="{name}"]')


def tick(page: Page, name: str, *terms: str) -> None:
    """Open a list of terms, tick some, and close it."""
    facet(page, name).locator("summary").click()
    for term in terms:
        facet(page, name).locator(f'input[value="{term}"]').click()
    facet(page, name).locator("summary").click()


def told(page: Page) -> Locator:
    return page.locator("#facets output")


def stay(page: Page) -> Callable[[], bool]:
    """Mark a page; return a function that says whether the mark is still there, so that no page was loaded since."""
    page.evaluate("window.stayed = true")
    return lambda: bool(page.evaluate("window.stayed === true"))


# The table of methods


def test_a_table_narrows_and_its_address_brings_the_same_rows_back(visit: Visit, atlas: Atlas) -> None:
    page = visit("methods/")
    everything = list(atlas.methods.sort("name"))
    assert rows(page) == everything
    expect(told(page)).to_have_text(f"{len(everything)} methods")
    tick(page, "family", "gradient-based", "output-based")
    family = {"family": ["gradient-based", "output-based"]}
    assert rows(page) == list(atlas.methods.select(family).sort("name"))
    assert query(page) == [("family", "gradient-based"), ("family", "output-based")]
    expect(facet(page, "family").locator("b")).to_have_text("2 chosen")
    page.locator("#facets input[type=search]").fill("  EPSILON filt ")
    assert rows(page) == ["epsilon-filter"]
    expect(told(page)).to_have_text(f"1 of {len(everything)} methods")
    assert query(page)[0] == ("text", "  EPSILON filt ")
    page.reload()
    visit.ready(page)
    assert rows(page) == ["epsilon-filter"]
    assert page.locator("#facets input[type=search]").input_value() == "  EPSILON filt "
    assert facet(page, "family").locator("input:checked").count() == 2
    page.locator("#facets").get_by_role("button", name="Clear").click()
    expect(told(page)).to_have_text(f"{len(everything)} methods")
    assert rows(page) == everything
    assert query(page) == []


def test_numbers_beside_terms_count_what_each_would_leave(visit: Visit, atlas: Atlas) -> None:
    chosen = {"access_level": "weights-and-gradients"}
    page = visit("methods/?access_level=weights-and-gradients")
    shown = page.locator("#facets details input").evaluate_all(
        "all => all.map(box => [box.name, box.value, Number(box.parentElement.querySelector('.count').textContent)])"
    )
    assert len({name for name, *_ in shown}) > 5
    for name, term, count in shown:
        asked = {name: term} if name in chosen else chosen | {name: term}
        assert count == len(atlas.methods.select(asked)), (name, term)


def test_a_term_above_stands_for_those_below_and_unknown_ones_for_nothing(visit: Visit, atlas: Atlas) -> None:
    page = visit("methods/?family=direct-fine-tuning&benchmark=hazard-bench")
    assert rows(page) == list(atlas.methods.where(family="direct-fine-tuning", benchmark="hazard-bench").sort("name"))
    assert rows(visit("methods/?text=negated")) == ["alpha-ascent"], "an alias that no row shows"
    assert rows(visit("methods/?family=nonsense&colour=red")) == list(atlas.methods.sort("name"))


def test_of_what_one_does_without_all_must_hold(visit: Visit, atlas: Atlas) -> None:
    page = visit("methods/?without=reference_model&without=auxiliary_model")
    both = atlas.methods.where(without="reference_model").where(without="auxiliary_model")
    assert rows(page) == list(both.sort("name"))
    assert 0 < len(both) < len(atlas.methods.where(without="auxiliary_model"))


def test_lists_of_terms_open_one_at_a_time_and_close_on_escape(visit: Visit) -> None:
    page = visit("methods/")
    facet(page, "family").locator("summary").click()
    facet(page, "target").locator("summary").click()
    expect(page.locator("#facets details[open]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#facets details[open]")).to_have_count(0)
    expect(facet(page, "target").locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert len(query(page)) == 1, "terms can be ticked with the keyboard alone"
    page.locator("h1").click()
    expect(page.locator("#facets details[open]")).to_have_count(0)


def test_a_column_sorts_both_ways_and_the_address_remembers(visit: Visit, atlas: Atlas) -> None:
    page = visit("methods/")
    since = page.get_by_role("button", name="Since")
    by_name = atlas.methods.sort("name")
    since.click()
    assert rows(page) == list(by_name.sort("introduced"))
    assert query(page) == [("sort", "since")]
    since.click()
    newest_first = list(by_name.sort("introduced", reverse=True))
    assert rows(page) == newest_first != list(by_name)
    assert query(page) == [("sort", "-since")]
    page.reload()
    visit.ready(page)
    assert rows(page) == newest_first
    expect(page.locator("th[aria-sort]")).to_have_text("Since")
    expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", "descending")


def test_back_and_forward_bring_the_same_rows(visit: Visit) -> None:
    page = visit("")
    page.get_by_role("link", name="All methods").first.click()
    visit.ready(page)
    tick(page, "access_level", "weights-only")
    before, address = rows(page), page.url
    page.locator("table.finder").get_by_role("link", name="Delta mirror").click()
    has_title(page, "Delta mirror")
    page.go_back()
    expect(told(page)).to_contain_text("of")
    assert (rows(page), page.url) == (before, address)
    page.go_forward()
    has_title(page, "Delta mirror")
    page.go_back()
    expect(told(page)).to_contain_text("of")
    page.go_back()
    has_title(page, "Machine unlearning for large language models")


# Downloads: what is in view, in the order in which it is in view


def download(page: Page, label: str) -> tuple[str, str]:
    """Press a button that downloads; return (name of the file, its text)."""
    with page.expect_download() as found:
        page.get_by_role("button", name=label, exact=True).click()
    file: Download = found.value
    return file.suggested_filename, file.path().read_bytes().decode()


@pytest.mark.parametrize("kind", ["methods", "benchmarks", "metrics", "surveys"])
def test_a_download_is_what_python_gives_for_the_same_entries(visit: Visit, atlas: Atlas, kind: str) -> None:
    facets: dict[str, list[str]] = {
        "methods": {"family": ["gradient-based", "preference-optimization"], "target": ["entity"]},
        "benchmarks": {"target": ["entity"]},
        "metrics": {"role": ["measure"]},
    }.get(kind, {})
    page = visit(f"{kind}/?{urlencode(facets, doseq=True)}")
    narrowed = atlas.collections[kind].select(facets)
    seen = rows(page)
    assert sorted(seen) == sorted(narrowed)
    assert len(narrowed) > 0
    # Files keep the order of the table, which the reader may have sorted; Python has its own.
    file, text = download(page, "CSV")
    assert file == f"unlearning-atlas-{kind}.csv"
    head, *lines = text.splitlines(keepends=True)
    assert "".join([head, *sorted(lines)]) == narrowed.to_csv()
    assert [line[0] for line in csv.reader(io.StringIO("".join(lines)))] == seen
    file, text = download(page, "JSON")
    assert file == f"unlearning-atlas-{kind}.json"
    assert sorted(json.loads(text), key=lambda record: record["id"]) == narrowed.to_records()
    assert [record["id"] for record in json.loads(text)] == seen
    assert download(page, "BibTeX") == (f"unlearning-atlas-{kind}.bib", narrowed.to_bibtex())


def test_a_download_of_a_sorted_table_is_what_python_gives_byte_for_byte(visit: Visit, atlas: Atlas) -> None:
    page = visit("methods/?sort=-since&access_level=weights-and-gradients")
    asked = atlas.methods.where(access_level="weights-and-gradients").sort("name").sort("introduced", reverse=True)
    assert rows(page) == list(asked)
    assert "omega-hostile" in asked, "a name with quotes and commas"
    assert download(page, "CSV")[1] == asked.to_csv()
    assert json.loads(download(page, "JSON")[1]) == asked.to_records()
    assert download(page, "BibTeX")[1] == asked.to_bibtex()


def test_nothing_in_view_downloads_as_nothing(visit: Visit, atlas: Atlas) -> None:
    page = visit("methods/?text=nowhere+to+be+found")
    assert rows(page) == []
    nothing = atlas.methods.where(access_level="logits")
    assert len(nothing) == 0
    assert download(page, "CSV")[1] == nothing.to_csv()
    assert json.loads(download(page, "JSON")[1]) == []
    assert download(page, "BibTeX")[1] == nothing.to_bibtex()


def test_papers_are_found_and_downloaded(visit: Visit, atlas: Atlas) -> None:
    page = visit("literature/?kind=method&sort=paper")
    keys = [key for key, item in atlas.literature.items() if item.kind == "method"]
    assert rows(page) == sorted(keys, key=lambda key: atlas.papers[key].title.lower())
    page.locator("#facets input[type=search]").fill("2402.01234")
    assert rows(page) == ["rivers2024beta"], "by a number that no row shows"
    assert download(page, "BibTeX")[1] == f"{atlas.papers['rivers2024beta'].bibtex}\n"
    (record,) = json.loads(download(page, "JSON")[1])
    (line,) = csv.DictReader(io.StringIO(download(page, "CSV")[1]))
    assert record["title"] == line["title"] == atlas.papers["rivers2024beta"].title
    assert record["entries"] == ["methods/beta-preference"] == line["entries"].split()


# Comparing


def column_heads(page: Page) -> list[str]:
    return [text.removesuffix("×").strip() for text in page.locator("table.comparison thead th").all_inner_texts()]


def compared(page: Page) -> dict[str, list[str]]:
    """Return the rows of the comparison by their name."""
    shown = page.locator("table.comparison tbody tr:not(.part)").evaluate_all(
        "all => all.map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )
    return {name: cells for name, *cells in shown}


def test_two_that_are_picked_are_compared_with_what_differs(visit: Visit, atlas: Atlas) -> None:
    page = visit("methods/")
    tray = page.get_by_label("Picked for comparison")
    expect(tray).to_be_hidden()
    page.get_by_label("Compare Gamma steering (γ)").check()
    expect(tray).to_contain_text("pick one more")
    page.get_by_label("Compare Beta preference").check()
    assert query(page) == [("pick", "gamma-steer"), ("pick", "beta-preference")]
    page.reload()
    visit.ready(page)
    expect(tray.get_by_role("button")).to_have_count(2)
    tray.get_by_role("link", name="Compare 2").click()
    expect(page.locator("table.comparison tbody tr").first).to_be_visible()
    assert urlsplit(page.url).path.endswith("/compare/")
    assert column_heads(page) == ["Gamma steering (γ)", "Beta preference"]
    python = dict(atlas.compare("gamma-steer", "beta-preference").rows)
    shown = compared(page)
    for label, row in (("Family", "family"), ("Access level", "access level"), ("Keeps by", "retain objective")):
        assert tuple(shown[label]) == python[row]
    assert shown["Reference model"] == ["required", "required"]
    assert shown["forget"] == ["0.20", "0.32"], "what was measured"
    assert "Inference cost" not in shown, "what none of them has"
    page.get_by_label("only what differs").check()
    differing = compared(page)
    assert differing == {name: cells for name, cells in shown.items() if len(set(cells)) > 1}
    assert "Reference model" not in differing
    page.reload()
    visit.ready(page)
    assert compared(page) == differing
    assert query(page)[-1] == ("only", "differences")


def test_up_to_four_are_compared_and_each_can_go(visit: Visit, atlas: Atlas) -> None:
    page = visit("compare/")
    expect(page.get_by_text("Choose two or more methods.")).to_be_visible()
    choice = page.get_by_label("Add a method")
    for id_ in ("alpha-ascent", "beta-preference", "gamma-steer", "delta-mirror"):
        expect(choice).to_be_enabled()
        choice.focus()
        choice.select_option(id_)
        assert id_ == "delta-mirror" or choice.evaluate("choice => choice === document.activeElement")
    expect(choice).to_be_disabled()
    assert len(column_heads(page)) == 4
    page.get_by_label("Remove Beta preference").press("Enter")
    expect(choice).to_be_focused()
    assert column_heads(page) == [atlas.methods[id_].name for id_ in ("alpha-ascent", "gamma-steer", "delta-mirror")]
    assert [value for _, value in query(page)] == ["alpha-ascent", "gamma-steer", "delta-mirror"]
    expect(choice).to_be_enabled()
    too_many = visit("compare/?" + "&".join(f"method={id_}" for id_ in ("nonsense", "alpha-ascent", *atlas.methods)))
    assert len(column_heads(too_many)) == 4


def test_no_fifth_can_be_picked(visit: Visit) -> None:
    page = visit("methods/")
    boxes = page.locator("td.pick input")
    for number in range(4):
        boxes.nth(number).check()
    expect(boxes.nth(4)).to_be_disabled()
    expect(page.get_by_role("link", name="Compare 4")).to_be_visible()
    buttons = page.get_by_label("Picked for comparison").get_by_role("button")
    buttons.first.press("Enter")
    expect(buttons).to_have_count(3)
    expect(buttons.first).to_be_focused()
    expect(boxes.nth(4)).to_be_enabled()
    expect(boxes.nth(0)).not_to_be_checked()
    for _ in range(3):
        page.keyboard.press("Enter")
    expect(page.get_by_label("Picked for comparison")).to_be_hidden()
    expect(boxes.nth(3)).to_be_focused()


# The guide


ANSWERS = {"access_level": "weights-only,logits,text-api", "target": "personal-data", "without": "reference_model"}


def fitting(atlas: Atlas) -> list[str]:
    found = atlas.methods.where(access_level=["weights-only", "logits", "text-api"], target="personal-data")
    return list(found.where(without="reference_model").sort("name"))


def answer(page: Page) -> None:
    for name, value in ANSWERS.items():
        page.locator(f'.guide input[name="{name}"][value="{value}"]').check()


def test_the_guide_counts_and_leads_to_the_methods_that_fit(visit: Visit, atlas: Atlas) -> None:
    page = visit("find/")
    output = page.locator(".guide output")
    expect(output).to_contain_text(f"{len(atlas.methods)} of {len(atlas.methods)} methods fit")
    for need in ("reference_model", "auxiliary_model"):
        page.locator(f'.guide input[name="without"][value="{need}"]').check()
    both = atlas.methods.where(without="reference_model").where(without="auxiliary_model")
    expect(output).to_contain_text(f"{len(both)} of {len(atlas.methods)} methods fit")
    answer(page)
    assert fitting(atlas) == ["delta-mirror"]
    expect(output).to_have_text(f"1 of {len(atlas.methods)} methods fit: Delta mirror")
    page.get_by_role("button", name="Show the methods").click()
    page.wait_for_url("**/methods/?*")
    visit.ready(page)
    assert rows(page) == fitting(atlas)


def test_the_guide_works_without_a_script(visit: Visit, served: Served, browser: Browser, atlas: Atlas) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(f"{served.address}find/")
        answer(plain)
        plain.get_by_role("button", name="Show the methods").click()
        plain.wait_for_url("**/methods/?*")
        address = plain.url
    assert rows(visit(address.removeprefix(served.address))) == fitting(atlas)


# The gap map


def matrix(table: Locator) -> dict[tuple[str, str], str]:
    """Return the cells of a matrix by the names of row and column; what is written in an empty cell is not seen."""
    head, *lines = texts(table)
    return {(row, column): cell for row, *cells in lines for column, cell in zip(head[1:], cells, strict=True)}


def counted(atlas: Atlas, down: str, across: str) -> dict[tuple[str, str], str]:
    """Return what a matrix of the narrowest terms of two axes must show."""
    rows_, columns = (
        [term for term, _ in walk_terms(atlas.taxonomy[axis].terms) if not term.children] for axis in (down, across)
    )
    return {
        (row.label, column.label): str(len(atlas.methods.select({down: row.id, across: column.id})))
        for row in rows_
        for column in columns
    }


def test_the_map_counts_what_python_counts_and_leads_there(visit: Visit, atlas: Atlas) -> None:
    page = visit("gaps/")
    for down, across in (("family", "access_level"), ("family", "target")):
        table = page.locator(f"#{down}-{across} ~ * table.matrix, #{down}-{across} ~ table.matrix").first
        assert matrix(table) == counted(atlas, down, across)
    page.get_by_label("Down").select_option("objective")
    page.get_by_label("Across").select_option("modality")
    assert query(page) == [("rows", "objective"), ("columns", "modality")]
    table = page.locator(".gaps table.matrix")
    cells = counted(atlas, "objective", "modality")
    assert matrix(table) == cells
    empty = sum(cell == "0" for cell in cells.values())
    expect(page.locator(".gaps output")).to_have_text(f"{empty} of {len(cells)} cells are empty")
    page.reload()
    visit.ready(page)
    assert matrix(table) == cells
    page.get_by_label("broader terms too").check()
    assert len(matrix(table)) > len(cells)
    links = [(link.inner_text(), link) for link in table.get_by_role("link").all()]
    count, link = next((count, link) for count, link in links if int(count) < len(atlas.methods))
    asked = dict(parse_qsl(urlsplit(link.get_attribute("href") or "").query))
    link.click()
    expect(told(page)).to_contain_text("of")
    assert rows(page) == list(atlas.methods.select(asked).sort("name"))
    assert len(rows(page)) == int(count)
    page.go_back()
    expect(table).to_be_visible()
    assert len(matrix(table)) > len(cells), "the address says what was chosen"


# Drawings whose marks are links


def test_every_entry_is_a_mark_of_the_timeline_and_leads_to_its_page(visit: Visit, atlas: Atlas) -> None:
    page = visit("timeline/")
    marks = page.locator(".timeline svg a")
    led = marks.evaluate_all("all => all.map(one => one.getAttribute('xlink:href'))")
    assert sorted(led) == sorted(
        f"../{kind}/{id_}/" for kind in ("methods", "benchmarks", "metrics") for id_ in atlas.collections[kind]
    )
    page.locator('.timeline svg a[*|href="../methods/gamma-steer/"] circle').click()
    has_title(page, "Gamma steering (γ)")
    visit.ready(page)
    page.locator('.lineage svg a[*|href="../../methods/beta-preference/"]').click()
    has_title(page, "Beta preference")


# The graph


def node(page: Page, id_: str) -> tuple[float, float]:
    """Bring the graph into view and return where in the window a node is."""
    place = page.evaluate(
        """async id => {
            const canvas = document.querySelector(".graph .canvas"), { cy } = canvas._cyreg;
            canvas.scrollIntoView({ block: "center", behavior: "instant" });
            const frame = () => new Promise(requestAnimationFrame);
            do { await frame(); await frame(); } while (cy.animated());
            const box = canvas.getBoundingClientRect(), { x, y } = cy.getElementById(id).renderedPosition();
            return [box.x + x, box.y + y];
        }""",
        id_,
    )
    return place[0], place[1]


def marked(page: Page, class_: str) -> set[str]:
    ids = page.evaluate(
        "name => document.querySelector('.graph .canvas')._cyreg.cy.nodes(name).map(node => node.id())", f".{class_}"
    )
    return set(ids)


def test_the_graph_is_searched_and_walked_by_buttons_and_by_its_dots(visit: Visit, atlas: Atlas) -> None:
    page = visit("graph/")
    beside = page.locator(".graph .beside")
    expect(beside.locator("h2")).to_have_text("Families")
    page.get_by_label("Find in the graph").fill("beta")
    expect(beside.locator("h2")).to_have_text("1 found")
    assert marked(page, "hit") == {"methods/beta-preference"}
    page.keyboard.press("Enter")
    expect(beside.locator("h2")).to_have_text("Beta preference")
    assert query(page) == [("focus", "methods/beta-preference")]
    near = {f"methods/{id_}" for id_ in ("alpha-ascent", "gamma-steer", "beta-preference")}
    near |= {f"benchmarks/{id_}" for id_ in atlas.methods["beta-preference"].benchmarks}
    assert marked(page, "near") == near | {"family/preference-optimization"}
    assert [text.split(" (")[0] for text in beside.locator("h3").all_inner_texts()] == [
        *("belongs to", "extends", "reports on", "fixed by")
    ]
    beside.get_by_role("button", name="AA", exact=True).press("Enter")
    expect(beside.locator("h2")).to_have_text("Alpha ascent")
    expect(beside.locator("h2")).to_be_focused()
    x, y = node(page, "methods/beta-preference")
    page.mouse.click(x, y)
    expect(beside.locator("h2")).to_have_text("Beta preference")
    page.reload()
    visit.ready(page)
    expect(beside.locator("h2")).to_have_text("Beta preference")
    assert marked(page, "focus") == {"methods/beta-preference"}
    page.get_by_role("button", name="Whole graph").click()
    expect(beside.locator("h2")).to_have_text("Families")
    assert query(page) == []
    assert marked(page, "faded") == set()
    x, y = node(page, "methods/gamma-steer")
    page.mouse.click(x, y)
    expect(beside.locator("h2")).to_have_text("Gamma steering (γ)")
    box = page.locator(".graph .canvas").bounding_box()
    assert box
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    expect(beside.locator("h2")).to_have_text("Families")
    beside.get_by_role("button").first.click()
    page.get_by_role("link", name="Open its page").click()
    has_title(page, "Taxonomy")


def test_the_graph_shows_what_has_a_term(visit: Visit, atlas: Atlas) -> None:
    page = visit("graph/")
    page.get_by_label("Axis").select_option("access_level")
    page.get_by_label("Term").select_option("weights-only")
    fit = {f"methods/{id_}" for id_ in atlas.methods.where(access_level="weights-only")}
    assert marked(page, "hit") == fit
    assert marked(page, "faded") == {f"methods/{id_}" for id_ in atlas.methods} - fit
    assert query(page) == [("axis", "access_level"), ("term", "weights-only")]
    page.reload()
    visit.ready(page)
    assert marked(page, "hit") == fit
    expect(page.get_by_label("Term")).to_have_value("weights-only")


# Figures and other tables


def test_the_board_sorts_numbers_as_numbers_with_what_is_unknown_last(visit: Visit, atlas: Atlas) -> None:
    page = visit("measured/")
    table = page.locator("#board-authors")

    def shown(column: str) -> list[tuple[str, str]]:
        heads, *found = texts(table)
        return [(row[0], row[heads.index(column)]) for row in found]

    for column, wanted in {
        "Passes": ["580", "1,500", "20,500"],
        "Relearnt in": ["7", "100", "over 40"],
        "PrivLeak": ["-12", "5", "20"],
        "forget": ["0.05", "0.20", "0.32"],
    }.items():
        button = table.get_by_role("button", name=column, exact=True)
        button.click()
        names = {atlas.methods[id_].name for id_ in atlas.measured["authors"].methods}
        values = [value.split(" ±")[0] for name, value in shown(column) if name in names]
        assert values == wanted, column
        expect(table.locator("th[aria-sort]")).to_have_attribute("aria-sort", "ascending")
        button.click()
        values = [value.split(" ±")[0] for name, value in shown(column) if name in names]
        assert values == wanted[::-1], column
        known = [bool(value) for _, value in shown(column)]
        assert known == sorted(known, reverse=True), "what is not known stands last, whichever way a column is sorted"


@pytest.mark.parametrize(
    ("kind", "facets", "word"),
    [
        ("benchmarks", {"target": "hazardous-capability"}, "hazard"),
        ("metrics", {"role": "attack"}, "relearn"),
        ("surveys", {}, "survey"),
    ],
)
def test_other_tables_narrow_search_and_sort(
    visit: Visit, atlas: Atlas, kind: str, facets: dict[str, str], word: str
) -> None:
    page = visit(f"{kind}/")
    assert sorted(rows(page)) == list(atlas.collections[kind])
    for name, term in facets.items():
        tick(page, name, term)
    found = atlas.collections[kind].select(facets)
    assert sorted(rows(page)) == list(found)
    page.locator("#facets input[type=search]").fill(word)
    assert sorted(rows(page)) == list(found)
    assert len(query(page)) == 1 + len(facets)
    page.locator("#facets input[type=search]").fill("")
    page.locator("table.finder th button").first.click()
    names = [text.lower() for text in page.locator("table.finder tbody tr:visible td:first-child a").all_inner_texts()]
    assert names == sorted(names)


# A page's own parts


def test_the_button_copies_the_record_as_it_is_cited(visit: Visit, served: Served, atlas: Atlas) -> None:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=served.address)
    page = visit("methods/beta-preference/")
    page.locator(".bibtex").scroll_into_view_if_needed()
    page.locator(".bibtex").get_by_role("button", name="Copy to clipboard").click()
    expect(page.locator(".md-dialog")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == atlas.methods["beta-preference"].paper.bibtex.strip()


def test_equations_are_typeset_where_there_are_any(visit: Visit) -> None:
    page = visit("methods/beta-preference/")
    expect(page.locator(".arithmatex.typeset .katex-html")).to_have_count(3)
    assert [answer for answer in visit.answers if "katex" in answer.url]
    visit.answers.clear()
    visit("methods/alpha-ascent/")
    assert not [answer for answer in visit.answers if "katex" in answer.url], "a page without any loads nothing"


def test_dark_is_a_click_away_and_stays(visit: Visit) -> None:
    page = visit("methods/beta-preference/")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_title("Dark").click()
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    dark = page.evaluate(colour)
    assert dark != light
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    page.get_by_role("link", name="Taxonomy").first.click()
    has_title(page, "Taxonomy")
    assert page.evaluate(colour) == dark
    page.get_by_title("Light").click()
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")
    assert page.evaluate(colour) == light


def test_search_finds_an_entry_and_loads_its_index_only_when_asked(visit: Visit) -> None:
    page = visit("")
    page.wait_for_timeout(200)
    assert not [answer for answer in visit.answers if "search_index" in answer.url]
    page.locator(".md-search__input").click()
    page.keyboard.type("likelihood")
    # What the letters before the last one found is shown for a moment, too.
    page.locator('.md-search-result__link[href*="h=likelihood"]').filter(has_text="Beta preference").first.click()
    has_title(page, "Beta preference")
    expect(page.locator(".md-content mark").first).to_be_visible()
    page.reload()
    expect(page.locator(".md-content mark").first).to_be_visible()


# Pages without a page load


def test_pages_change_without_a_load_and_their_scripts_start_again(visit: Visit, atlas: Atlas) -> None:
    page = visit("methods/?family=preference-optimization")
    stayed = stay(page)
    narrowed = list(atlas.methods.where(family="preference-optimization"))
    assert rows(page) == narrowed == ["beta-preference"]
    page.locator("table.finder").get_by_role("link", name="Beta preference").click()
    expect(page.locator(".arithmatex.typeset .katex-html")).to_have_count(3)
    expect(page.locator(".katex").first).to_have_css("font-family", re.compile("KaTeX"))
    page.locator(".md-tabs").get_by_role("link", name="Taxonomy").click()
    has_title(page, "Taxonomy")
    page.locator("nav.sub").get_by_role("link", name="Graph").click()
    expect(page.locator(".graph .beside h2")).to_have_text("Families")
    page.evaluate("window.left = document.querySelector('.graph')")
    page.locator("nav.sub").get_by_role("link", name="Gap map").click()
    expect(page.locator(".gaps output")).to_contain_text("cells are empty")
    page.wait_for_function("left.childElementCount === 0")
    page.locator(".gaps table").get_by_role("link", name="1", exact=True).first.click()
    expect(told(page)).to_have_text(f"1 of {len(atlas.methods)} methods")
    page.go_back()
    expect(page.locator(".gaps output")).to_contain_text("cells are empty")
    page.go_back()
    expect(page.locator(".graph .beside h2")).to_have_text("Families")
    page.go_back()
    has_title(page, "Taxonomy")
    page.go_back()
    expect(page.locator(".arithmatex.typeset .katex-html")).to_have_count(3)
    expect(page.locator(".katex").first).to_have_css("font-family", re.compile("KaTeX"))
    page.go_back()
    expect(told(page)).to_have_text(f"1 of {len(atlas.methods)} methods")
    assert rows(page) == narrowed
    assert query(page) == [("family", "preference-optimization")]
    assert stayed()


def test_the_page_in_view_is_shown_anew_where_its_address_asks_for_something_else(visit: Visit, atlas: Atlas) -> None:
    everything = list(atlas.methods.sort("name"))
    page = visit("taxonomy/")
    page.locator("#family--gradient-based .count a").click()
    expect(told(page)).to_have_text(f"2 of {len(everything)} methods")
    page.locator("nav.sub").get_by_role("link", name="All methods").click()
    expect(told(page)).to_have_text(f"{len(everything)} methods")
    assert rows(page) == everything
    assert query(page) == []
    page.go_back()
    expect(told(page)).to_have_text(f"2 of {len(everything)} methods")
    assert rows(page) == list(atlas.methods.where(family="gradient-based").sort("name"))
    # Two steps back at once, from the table to the table.
    page.locator("table.finder").get_by_role("link", name="Gradient-based").first.click()
    has_title(page, "Taxonomy")
    page.locator("#family--output-based .count a").click()
    expect(told(page)).to_have_text(f"1 of {len(everything)} methods")
    page.evaluate("history.go(-2)")
    expect(told(page)).to_have_text(f"2 of {len(everything)} methods")
    assert rows(page) == list(atlas.methods.where(family="gradient-based").sort("name"))


# What is hostile


def test_hostile_text_is_text_wherever_a_script_puts_it(visit: Visit) -> None:
    name = f"Omega {HOSTILE}"
    page = visit("methods/?pick=omega-hostile&pick=alpha-ascent")
    expect(page.get_by_label(f"Compare {name}", exact=True)).to_be_checked()
    expect(page.locator(".tray button").first).to_have_text(f"{name} ×")
    facet(page, "target").locator("summary").click()
    label = facet(page, "target").locator("label").filter(has_text="Personal data")
    expect(label).to_contain_text(f"Personal data {HOSTILE}")
    label.click()
    expect(facet(page, "target").locator("b")).to_have_text(f"Personal data {HOSTILE}")
    page.get_by_role("link", name="Compare 2").click()
    expect(page.locator("table.comparison thead th a").first).to_have_text(name)
    assert column_heads(page)[0] == name
    shown = compared(page)
    assert shown["Target"][0] == f"Personal data {HOSTILE}"
    assert shown["In short"][0].startswith(f"{name} raises the loss")
    for path, place in (
        ("find/", ".guide output"),
        ("gaps/?rows=target&columns=benchmark", ".gaps table"),
        ("graph/?focus=methods%2Fomega-hostile", ".graph .beside h2"),
    ):
        page = visit(path)
        if path == "find/":
            page.locator('.guide input[value="personal-data"]').check()
        expect(page.locator(place).first).to_contain_text(HOSTILE)
        assert page.evaluate(HACKED) is None
        assert page.locator('img[src="x"]').count() == 0
    page.get_by_label("Axis").select_option("target")
    expect(page.get_by_label("Term").locator("option").filter(has_text="Personal data")).to_contain_text(HOSTILE)
    page.get_by_label("Find in the graph").fill("<img")
    expect(page.locator(".graph .beside li").filter(has_text="Omega")).to_have_text(name)
    x, y = node(page, "methods/omega-hostile")
    page.mouse.move(x, y, steps=3)
    expect(page.locator(".graph .canvas")).to_have_attribute("title", name)
    # And what an address says.
    page = visit(f"methods/?text={quote(HOSTILE)}&sort={quote(HOSTILE)}&pick={quote(HOSTILE)}&family={quote(HOSTILE)}")
    expect(page.locator("#facets input[type=search]")).to_have_value(HOSTILE)
    assert page.evaluate(HACKED) is None


# Read from disk


@pytest.fixture
def disk(browser: Browser, read_from_disk: Path) -> Iterator[Visit]:
    """Return what opens pages of the site on disk, without a network."""
    with browser.new_context(viewport=WIDE, reduced_motion="reduce", offline=True) as context:
        visit = Visit(context, f"{read_from_disk.as_uri()}/")
        yield visit
    assert visit.faults == []


def test_read_from_disk_a_table_narrows_and_leads_to_files(disk: Visit, atlas: Atlas) -> None:
    page = disk("index.html")
    page.get_by_role("link", name="All methods").first.click()
    disk.ready(page)
    assert urlsplit(page.url).path.endswith("/methods/index.html")
    tick(page, "family", "gradient-based")
    assert query(page) == [("family", "gradient-based")]
    page.reload()
    disk.ready(page)
    asked = atlas.methods.where(family="gradient-based").sort("name")
    assert rows(page) == list(asked)
    assert download(page, "CSV")[1] == asked.to_csv()
    page.get_by_label("Compare Alpha ascent").check()
    page.get_by_label("Compare Omega").check()
    page.get_by_role("link", name="Compare 2").click()
    expect(page.locator("table.comparison thead th a").first).to_have_text("Alpha ascent")
    assert urlsplit(page.url).path.endswith("/compare/index.html")
    page.locator("table.comparison thead th a").first.click()
    has_title(page, "Alpha ascent")
    page = disk("methods/beta-preference/index.html")
    expect(page.locator(".arithmatex.typeset .katex-html")).to_have_count(3)


def test_read_from_disk_search_graph_guide_and_map_work(disk: Visit, atlas: Atlas) -> None:
    page = disk("graph/index.html?focus=methods%2Fgamma-steer")
    expect(page.locator(".graph .beside h2")).to_have_text("Gamma steering (γ)")
    page.get_by_role("link", name="Open its page").click()
    has_title(page, "Gamma steering (γ)")
    page.locator(".md-search__input").click()
    page.keyboard.type("likelihood")
    page.locator('.md-search-result__link[href*="h=likelihood"]').filter(has_text="Beta preference").first.click()
    has_title(page, "Beta preference")
    assert "/methods/beta-preference/index.html" in page.url
    page = disk("find/index.html")
    answer(page)
    page.get_by_role("button", name="Show the methods").click()
    page.wait_for_url("**/methods/index.html?*")
    disk.ready(page)
    assert rows(page) == fitting(atlas)
    page = disk("gaps/index.html")
    page.locator(".gaps table").get_by_role("link").first.click()
    expect(told(page)).to_contain_text("methods")
    page = disk("timeline/index.html")
    page.locator('.timeline svg a[*|href="../methods/gamma-steer/index.html"] circle').click()
    has_title(page, "Gamma steering (γ)")
