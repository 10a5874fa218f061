"""The parts that pages are made of: data for scripts, drawings, matrices, previews, and what finishes a page."""

from __future__ import annotations

import json
import math
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

import unlearning_atlas
from unlearning_atlas.measurements import Board, Measured
from unlearning_atlas.pages import charts, client, figures, gaps, graph, lineage, social, timeline
from unlearning_atlas.pages.finish import Finish, with_file_names
from unlearning_atlas.pages.markup import folded
from unlearning_atlas.pages.view import Survey, View

if TYPE_CHECKING:
    from tests.conftest import Root


@pytest.fixture
def view(small: Root) -> View:
    return View(Survey(unlearning_atlas.load(small.path)), "../")


def data(view: View, name: str) -> Any:
    """Return what a file of the pages' scripts sets."""
    text = dict(client.render(view))[f"assets/data/{name}.js"]
    start = f'(window.AtlasData ??= {{}})["{name}"] = '
    assert text.startswith(start)
    return json.loads(text.removeprefix(start).removesuffix(";\n").replace("<\\/", "</"))


@pytest.mark.parametrize("kind", ["methods", "benchmarks", "metrics"])
def test_downloads_joined_in_the_browser_are_what_python_writes(view: View, kind: str) -> None:
    collection = view.atlas.collections[kind]
    found = data(view, f"{kind}-download")
    ids = list(collection)
    assert found["head"] + "".join(found["entries"][id_]["csv"] for id_ in ids) == collection.to_csv()
    assert [found["entries"][id_]["record"] for id_ in ids] == collection.to_records()
    keys = sorted({found["entries"][id_]["record"]["paper"] for id_ in ids})
    assert "\n".join(f"{found['bibtex'][key]}\n" for key in keys) == collection.to_bibtex()


def test_the_terms_of_a_method_are_those_python_finds_it_by(view: View) -> None:
    found = data(view, "methods-terms")["methods"]
    for facet, terms in view.atlas.methods.facets().items():
        for term in terms:
            held = {id_ for id_, item in found.items() if f"{facet}:{term}" in item["terms"]}
            assert held == set(view.atlas.methods.select({facet: term})), (facet, term)


def test_no_data_file_can_end_a_script(small: Root) -> None:
    small.edit("catalog/methods/alpha-ascent.yaml", "name: Alpha ascent", 'name: "</script><b>x"')
    for path, text in client.render(View(Survey(unlearning_atlas.load(small.path)), "../")):
        assert "</" not in text, path


def test_a_comparison_holds_every_axis_and_says_what_is_absent(view: View) -> None:
    found = data(view, "methods-compare")
    labels = [label for label, _ in found["rows"]]
    assert labels[:4] == ["Paper", "Since", "In short", "Family"]
    cells = found["methods"]["beta-preference"]["cells"]
    assert cells["Family"] == [["Preference optimisation", "taxonomy/#family--preference-optimization"]]
    assert cells["Equation"][0][1] == "tex"
    assert found["methods"]["alpha-ascent"]["cells"]["Equation"] == []


def test_a_matrix_counts_what_python_counts_and_marks_empty_cells(view: View) -> None:
    page = gaps.render(view)
    count = len(view.atlas.methods.where(family="preference-optimization", access_level="weights-and-gradients"))
    cell = f'family=preference-optimization&amp;access_level=weights-and-gradients">{count}</a>'
    assert count
    assert cell in page
    assert not view.atlas.methods.where(family="preference-optimization", access_level="text-api")
    assert "family=preference-optimization&amp;access_level=text-api" not in page
    assert 'class="empty"' in page


def test_the_timeline_has_every_entry_once_in_its_month(view: View) -> None:
    page = timeline.render(view)
    dots = re.findall(r'aria-label="([^"]+)" xlink:href="\.\./([a-z_]+)/([a-z0-9-]+)/"', page)
    kinds = ("methods", "benchmarks", "metrics")
    expected = {(kind, id_) for kind in kinds for id_ in view.atlas.collections[kind]}
    assert {(kind, id_) for _, kind, id_ in dots} == expected
    assert len(dots) == len(expected)
    months = {id_: label.rsplit(", ", 1)[1].replace("&#45;", "-") for label, _, id_ in dots}
    assert months["alpha-ascent"] == view.atlas.methods["alpha-ascent"].introduced
    places = dict(zip((id_ for *_, id_ in dots), map(float, re.findall(r'<circle cx="([\d.]+)"', page)), strict=True))
    # As far apart as their months are.
    wide = {id_: (int(month[:4]) - 2023) * 12 + int(month[5:]) for id_, month in months.items()}
    assert len(set(wide.values())) > 2
    scale = (places["gamma-steer"] - places["alpha-ascent"]) / (wide["gamma-steer"] - wide["alpha-ascent"])
    for id_, place in places.items():
        assert place - places["alpha-ascent"] == pytest.approx(scale * (wide[id_] - wide["alpha-ascent"])), id_


def test_the_graph_holds_everything_and_nothing_lies_on_anything_else() -> None:
    real = View(Survey(unlearning_atlas.load()), "../")
    found = graph.elements(real)
    ids = {node["id"] for node in found["nodes"]}
    assert {f"methods/{id_}" for id_ in real.atlas.methods} | {
        f"benchmarks/{id_}" for id_ in real.atlas.benchmarks
    } <= ids
    assert {end for source, target, _ in found["edges"] for end in (source, target)} <= ids
    for id_, method in real.atlas.methods.items():
        for link in method.relations:
            assert (f"methods/{id_}", f"methods/{link.target}", link.type) in found["edges"]
    places = [(node["x"], node["y"], node["id"]) for node in found["nodes"] if node["kind"] in ("method", "benchmark")]
    nearest = min(
        (math.dist(one[:2], other[:2]), one[2], other[2]) for one in places for other in places if one[2] < other[2]
    )
    assert nearest[0] > 12, nearest
    assert graph.elements(View(Survey(unlearning_atlas.load()), "../")) == found


def test_lineage_runs_from_left_to_right(view: View) -> None:
    drawn = lineage.drawing(view, view.atlas.methods["beta-preference"])
    at = {name: float(x) for x, name in re.findall(r'<text x="([\d.]+)"[^>]*>([^<]+)</text>', drawn)}
    own, older, newer = (view.survey.short[id_] for id_ in ("beta-preference", "alpha-ascent", "gamma-steer"))
    assert at[older] < at[own] < at[newer]
    assert drawn.count("<path") == 2
    assert 'class="fixes"' in drawn


def test_a_lineage_names_each_method_once_and_counts_those_beyond_ten(small: Root) -> None:
    text = small.text("catalog/methods/gamma-steer.yaml")
    for number in range(12):
        named = text.replace("id: gamma-steer", f"id: heir-{number}").replace("name: ", f"name: Heir {number} of ")
        small.write(f"catalog/methods/heir-{number}.yaml", named)
    view = View(Survey(unlearning_atlas.load(small.path)), "../")
    drawn = lineage.drawing(view, view.atlas.methods["gamma-steer"])
    assert drawn.count("<rect") == 3, "alpha-ascent is its source, and its source's too"
    drawn = lineage.drawing(view, view.atlas.methods["beta-preference"])
    assert drawn.count("<rect") == 1 + 1 + 10
    assert "and 3 more" in drawn


def test_a_method_without_relations_has_no_drawing(small: Root) -> None:
    for id_ in ("beta-preference", "gamma-steer"):
        file = f"catalog/methods/{id_}.yaml"
        small.write(file, re.sub(r"relations:\n(?:  .*\n)+", "", small.text(file)))
    view = View(Survey(unlearning_atlas.load(small.path)), "../")
    assert lineage.drawing(view, view.atlas.methods["alpha-ascent"]) == ""


def test_nobody_beats_a_member_of_the_front_on_both() -> None:
    board = unlearning_atlas.load().measured["authors"]
    front = figures.pareto(board)
    places = {id_: (figures.near(board, m), figures.kept(m)) for id_, m in board.methods.items()}
    assert front
    for id_, (x, y) in places.items():
        beaten = any(u >= x and v >= y and (u > x or v > y) for u, v in places.values())
        assert beaten == (id_ not in front), id_


def test_names_in_a_plane_do_not_cover_each_other() -> None:
    points = [charts.Point(f"name {n}", 0.9 + n / 100, 0.95, named=True) for n in range(5)]
    drawn = charts.scatter("title", "x", "y", points)
    names = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="name (start|end)">([^<]+)<', drawn)
    assert len(names) == 5
    boxes = []
    for x, y, anchor, text in names:
        wide = len(text) * 4.9
        left = float(x) - (wide if anchor == "end" else 0)
        boxes.append((left, float(y), left + wide))
    for number, (left, y, right) in enumerate(boxes):
        for other_left, other_y, other_right in boxes[:number]:
            assert abs(y - other_y) >= 9 or left >= other_right or right <= other_left


def test_on_a_disk_links_to_folders_name_the_file() -> None:
    html = (
        '<a href="../methods/">a</a><a href="../methods/?family=x">b</a><a xlink:href="../../methods/npo/#code">c</a>'
        '<a href="#top">d</a><a href="https://example.org/x/">e</a><a href="../feed.xml">f</a><a href="./">g</a>'
    )
    assert with_file_names(html) == (
        '<a href="../methods/index.html">a</a><a href="../methods/index.html?family=x">b</a>'
        '<a xlink:href="../../methods/npo/index.html#code">c</a><a href="#top">d</a>'
        '<a href="https://example.org/x/">e</a><a href="../feed.xml">f</a><a href="./index.html">g</a>'
    )


def test_what_is_said_of_a_shared_page_is_its_own_and_harmless() -> None:
    page = '<head>\n<title>A &lt;b&gt; - Site</title>\n<meta name="description" content="It &quot;is&quot;">\n</head>'
    finish = Finish("https://example.org/atlas/", {"home", "methods/npo"})
    own = finish.apply(page, "methods/npo/index.html")
    assert '<meta property="og:title" content="A &lt;b&gt; - Site">' in own
    assert 'content="It &quot;is&quot;"' in own
    assert '<meta property="og:image" content="https://example.org/atlas/assets/social/methods/npo.png">' in own
    assert '<meta property="og:url" content="https://example.org/atlas/methods/npo/">' in own
    assert 'href="../../feed.xml"' in own
    assert "assets/social/home.png" in finish.apply(page, "taxonomy/index.html")
    assert "og:" not in Finish("https://example.org/", set(), offline=True).apply(page, "index.html")


def test_a_wrong_address_leads_on_from_any_depth() -> None:
    page = "<head></head><h1>404 - Not found</h1>"
    found = Finish("https://example.org/atlas/", set()).apply(page, "404.html")
    assert "<h1>Not found</h1>" in found
    assert '<a href="/atlas/">' in found
    assert '<a href="/atlas/methods/">' in found
    assert page.endswith(Finish("https://example.org/", set()).apply(page, "about/index.html").split("</head>")[1])


def test_names_beyond_the_first_few_are_folded() -> None:
    assert folded(["a", "b", "c", "d"], 2) == "a, b, c, d", "two are not worth a click"
    assert folded(["a", "b", "c", "d", "<e>"], 2) == (
        'a, b <details class="more"><summary>and 3 more</summary>c, d, &#60;e&#62;</details>'
    )
    assert folded([], 2) == ""


def test_a_label_far_from_its_point_is_joined_to_it() -> None:
    one = charts.Point("A name", 0.98, 0.9, named=True)
    assert 'class="lead"' not in charts.scatter("t", "x", "y", [one])
    assert 'class="lead"' in charts.scatter("t", "x", "y", [one] * 6)


def test_a_page_is_written_without_references_that_html_does_not_need() -> None:
    text = "&#123;&#123; x &#125;&#125; &#92;&#95; &#60;b&#62; &#38;amp; &#10;&lt;"
    page = f'<head></head><p title="a&#34;b&#58;">{text}</p>'
    finished = Finish("https://example.org/", set()).apply(page, "about/index.html")
    assert finished.endswith('<p title="a&#34;b:">{{ x }} \\_ &#60;b&#62; &#38;amp; &#10;&lt;</p>')
    assert '<script src="../assets/search-when-asked.js"></script>' in finished
    assert "search-when-asked" not in Finish("https://example.org/", set(), offline=True).apply(page, "index.html")


def test_every_preview_is_a_picture_of_the_size_that_sites_ask_for(view: View, small: Root) -> None:
    from PIL import Image

    written = social.write(view.atlas, small.path / "cards")
    assert {"home", "methods/alpha-ascent", "benchmarks/authors-bench", "metrics/truth-score"} <= written
    for path in written:
        with Image.open(small.path / "cards" / f"{path}.png") as picture:
            assert picture.size == (1200, 630)
    long = social.draw("above", "A name that goes on and on, " * 20, "below")
    with Image.open(BytesIO(long)) as picture:
        pixels = picture.convert("L")
        # Nothing is drawn over the right edge.
        darkest = pixels.crop((1150, 0, 1200, 630)).getextrema()[0]
        assert isinstance(darkest, (int, float))
        assert darkest > 200
    assert social.draw("a", "b", "c") != social.draw("a", "another", "c")


def test_a_preview_from_the_cache_says_what_the_entry_says_now(view: View, small: Root) -> None:
    picture = small.path / "cards/methods/alpha-ascent.png"
    social.write(view.atlas, small.path / "cards")
    before = picture.read_bytes()
    bibliography = small.text("catalog/references.bib")
    small.write("catalog/references.bib", bibliography.replace("author = {Stone, Ed}", "author = {Pebble, Ed}"))
    social.write(unlearning_atlas.load(small.path), small.path / "cards")
    assert picture.read_bytes() != before


def test_below_the_retrained_model_is_as_far_as_above() -> None:
    below, gold, above = (Measured("m", "t", ({"forget": forget},)) for forget in (0.1, 0.3, 0.5))
    board = Board("t", {"retrained": gold, "retrained again": below}, {})
    assert board.distance(below, "forget") == board.noise("forget") == pytest.approx(0.2)
    assert board.distance(above, "forget") == pytest.approx(0.2)
