"""Every type of page in a browser: quiet, accessible, light, no wider than a phone, and to be read without scripts."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.site.browsing import HACKED, NARROW, WIDE, Visit, need_browser

import unlearning_atlas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page
    from tests.site.browsing import Served

pytestmark = pytest.mark.slow
need_browser()

PAGES = [
    *("", "methods/", "methods/beta-preference/", "methods/omega-hostile/", "find/"),
    *("compare/?method=beta-preference&method=omega-hostile&method=gamma-steer", "timeline/", "taxonomy/"),
    *("graph/?focus=methods%2Fomega-hostile", "gaps/", "measured/", "robustness/"),
    *("benchmarks/", "benchmarks/hazard-bench/"),
    *("metrics/", "metrics/truth-score/", "literature/", "surveys/", "surveys/moss2025survey/", "open_problems/"),
    *("open_problems/relearning-holds/", "data/", "changelog/", "contribute/", "about/", "no/such/page"),
]
OF_WHOLE = ["", "compare/?method=npo&method=ga&method=rmu&method=simnpo", "gaps/", "robustness/", "methods/npo/"]
"""Pages that say more on the real catalog: wide equations, every shade of a matrix, figures of every task."""
LIMIT = 200_000
"""How many bytes the first page may transfer, compressed as servers do."""


def _named(param: tuple[str, str]) -> str:
    site, path = param
    return f"{'whole:' * (site == 'whole')}{path.split('?')[0] or 'home'}"


@pytest.fixture(
    scope="module",
    params=[*(("served", path) for path in PAGES), *(("whole", path) for path in OF_WHOLE)],
    ids=_named,
)
def seen(request: pytest.FixtureRequest, window: BrowserContext) -> Iterator[Visit]:
    """Return a visit to each type of page, which is opened once for all tests of it."""
    site, path = request.param
    visit = Visit(window, request.getfixturevalue(site).address)
    visit(path)
    yield visit
    visit.close()


@pytest.fixture
def page(seen: Visit) -> Page:
    """Return the page itself."""
    return seen.pages[0]


def test_nothing_goes_wrong_and_what_is_hostile_stays_text(page: Page, seen: Visit) -> None:
    # The page for a wrong address answers that there is no such page, which the browser says too.
    faults = [fault for fault in seen.faults if "404" not in fault] if "no/such" in page.url else seen.faults
    assert faults == []
    assert page.evaluate(HACKED) is None
    assert page.locator('img[src="x"]').count() == 0
    assert "49" not in page.locator("h1").all_inner_texts()[0]


def test_equations_are_typeset(page: Page) -> None:
    expect(page.locator(".arithmatex:not(.typeset)")).to_have_count(0)
    expect(page.locator(".katex-error")).to_have_count(0)


def test_a_page_is_no_wider_than_a_phone(page: Page) -> None:
    page.set_viewport_size(NARROW)
    try:
        sizes = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
        assert max(sizes[:2]) <= sizes[2]
        assert sizes[2] == NARROW["width"]
    finally:
        page.set_viewport_size(WIDE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_accessible(page: Page, scheme: str) -> None:
    # As the theme does it: without the switch, colours would change little by little.
    page.evaluate(
        """scheme => {
            document.body.setAttribute("data-md-color-switching", "");
            document.body.setAttribute("data-md-color-scheme", scheme);
        }""",
        {"light": "default", "dark": "slate"}[scheme],
    )
    # Only colours differ between the two.
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if scheme == "dark":
        options["runOnly"] = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
    found = Axe().run(page, options=options).response["violations"]
    serious = [
        f"{fault['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"][:3]
    ]
    assert serious == []


# Without any script


@pytest.fixture(scope="module")
def plain(browser: Browser, served: Served) -> Iterator[Page]:
    """Return a page of a browser that runs no script."""
    context = browser.new_context(viewport=WIDE, java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("", ["ul.families .members a"]),
        ("methods/", ["table.finder tbody tr"]),
        (
            "methods/beta-preference/",
            [".equation .arithmatex", ".symbols .arithmatex", ".lineage svg a", ".bibtex code"],
        ),
        ("find/", [".guide input", ".guide button[type=submit]"]),
        ("compare/", ["noscript p"]),
        ("timeline/", [".timeline svg a.dot", ".months a"]),
        ("taxonomy/", ["ul.tree li .label", "ul.tree .members a"]),
        ("graph/", [".graph svg a.node circle", ".graph svg a.node text"]),
        ("gaps/", ["table.matrix td a"]),
        ("measured/", ["#board-authors tbody tr", ".scatter .point circle"]),
        ("literature/", ["table.finder tbody tr"]),
        ("data/", ["details.fields summary", ".highlight code"]),
    ],
    ids=lambda value: (value or "home") if isinstance(value, str) else "",
)
def test_a_page_reads_without_scripts(plain: Page, served: Served, path: str, seen: list[str]) -> None:
    plain.goto(served.address + path)
    for selector in seen:
        found = plain.locator(selector)
        assert found.count() > 0, selector
        expect(found.first).to_be_visible()
        expect(found.last).to_be_visible()
    # Controls that do nothing would mislead.
    for dead in ("#facets", ".tray", ".sort", ".gaps .bar", ".graph .bar", "td.pick"):
        expect(plain.locator(f"{dead} >> visible=true")).to_have_count(0)


def test_without_scripts_all_is_there_and_equations_are_tex(plain: Page, served: Served) -> None:
    atlas = unlearning_atlas.load(served.root)
    plain.goto(f"{served.address}methods/")
    assert plain.locator("table.finder tbody tr >> visible=true").count() == len(atlas.methods)
    plain.goto(f"{served.address}methods/beta-preference/")
    equation = atlas.methods["beta-preference"].equation
    assert equation
    assert plain.locator(".equation").inner_text().split() == ["\\[", *equation.latex.split(), "\\]"]
    plain.goto(f"{served.address}graph/")
    dots = plain.locator(".graph a.node circle").count()
    assert dots == len(atlas.methods) + len(atlas.benchmarks)
    plain.locator('.graph a.node[*|href="../methods/gamma-steer/"]').click()
    expect(plain.locator("h1")).to_contain_text("Gamma steering")


# What the first page costs


@pytest.mark.parametrize("site", ["served", "whole"])
def test_the_first_page_is_light(browser: Browser, site: str, request: pytest.FixtureRequest) -> None:
    with browser.new_context(viewport=WIDE) as context:
        visit = Visit(context, request.getfixturevalue(site).address)
        visit().wait_for_load_state("networkidle")
        loaded = {answer.url: len(gzip.compress(answer.body())) for answer in visit.answers}
    assert any(address.endswith(".css") for address in loaded)
    assert any(address.endswith("atlas.js") for address in loaded)
    assert sum(loaded.values()) < LIMIT, loaded


# The real catalog's equations


def test_every_equation_of_the_catalog_can_be_typeset(window: BrowserContext, whole: Served) -> None:
    atlas = unlearning_atlas.load(whole.root)
    sources: dict[str, str] = {}
    for kind, entries in atlas.collections.items():
        for id_, entry in entries.items():
            if equation := getattr(entry, "equation", None):
                signs = (symbol.symbol for symbol in equation.symbols)
                sources |= {f"{kind}/{id_}: {latex}": latex for latex in (equation.latex, *signs)}
    assert len(sources) > 500
    visit = Visit(window, whole.address)
    page = visit("methods/npo/")
    refused = page.evaluate(
        """sources => Object.entries(sources).flatMap(([name, latex]) => {
            try { katex.renderToString(latex, { displayMode: true, throwOnError: true }); return []; }
            catch (error) { return [`${name}: ${error.message}`]; }
        })""",
        sources,
    )
    visit.close()
    assert refused == []
