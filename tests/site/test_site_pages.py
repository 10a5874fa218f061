"""The Markdown of the generated pages, without building it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import unlearning_atlas
from unlearning_atlas.pages import method as method_page
from unlearning_atlas.pages import parts, render
from unlearning_atlas.pages.view import Survey, View

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Root


@pytest.fixture
def pages(small: Root) -> dict[str, str]:
    return pages_of(small.path)


def pages_of(root: Path, repository: str = "") -> dict[str, str]:
    return dict(render(unlearning_atlas.load(root), repository))


def test_every_entry_has_a_page_of_its_own_and_every_kind_a_table(pages: dict[str, str], small: Root) -> None:
    atlas = unlearning_atlas.load(small.path)
    expected = {f"{kind}/{id_}/index.md" for kind, entries in atlas.collections.items() for id_ in entries}
    expected |= {f"{kind}/index.md" for kind in atlas.collections}
    others = "taxonomy graph gaps find compare timeline literature measured robustness data changelog"
    expected |= {"index.md", *(f"{name}/index.md" for name in others.split())}
    assert {path for path in pages if path.endswith(".md")} == expected


def test_pages_are_the_same_every_time(pages: dict[str, str], small: Root) -> None:
    assert pages_of(small.path) == pages


def test_a_method_page_shows_every_part_of_its_entry(pages: dict[str, str]) -> None:
    page = pages["methods/beta-preference/index.md"]
    for part in (
        "# Beta preference",
        "also BP",
        "Lowers the likelihood",
        "<cite>Beta Preference &#38; Friends</cite>",
        "https&#58;//arxiv.org/abs/2402.01234",
        "the model that is trained",
        "Mean over the examples of a batch",
        "forget set, reference model",
        "2F + 1B per forget example",
        "<code>scheduler</code>",
        "true",
        "theorem 2",
        "editors’ judgement",
        "the same gradient, weighted",
        "/tree/1207bbe",
        "Divides by the number of tokens",
        "seen there",
        "<b>0.75</b>",
        "Simplified",
        "The answer tokens only.",
        "for the tests of the catalog only",
        "our conclusion from it",
        "@misc&#123;rivers2024beta",
    ):
        assert part in page, part


def test_a_method_page_leads_to_its_data_to_a_comparison_and_to_what_it_has(pages: dict[str, str]) -> None:
    page = pages["methods/beta-preference/index.md"]
    assert '<a href="../../api/v1/methods/beta-preference.json">JSON</a>' in page
    assert '<a href="../../compare/?method=beta-preference">compare</a>' in page
    assert '<dt>Code</dt><dd><a href="#implementation">Simplified reference implementation</a>' in page
    assert '<dt>Attacks</dt><dd><a href="#robustness">broken by 1</a></dd>' in page
    assert '<a href="../../robustness/?method=beta-preference#trials">' in page
    other = pages["methods/alpha-ascent/index.md"]
    assert "<dt>Attacks</dt>" not in other
    assert "compare" not in pages["metrics/relearning-attack/index.md"]
    assert '<a href="../../robustness/?attack=relearning-attack#trials">' in pages["metrics/relearning-attack/index.md"]


def test_a_search_finds_an_entry_by_its_abbreviation_and_those_much_used_first(pages: dict[str, str]) -> None:
    page = pages["methods/beta-preference/index.md"]
    assert 'title: "Beta preference (BP)"' in page
    assert "search:" not in page
    assert "# Beta preference\n" in page
    real = View(Survey(unlearning_atlas.load()), "../../")
    for kind, id_ in (("methods", "npo"), ("benchmarks", "tofu"), ("metrics", "relearning")):
        entry = real.atlas.collections[kind][id_]
        assert 'search: {"boost": 2}' in parts.entry_page(real, entry, "", [], []), id_


def test_the_home_page_says_how_attacks_went(pages: dict[str, str]) -> None:
    assert "<p>1 attack on 2 methods: 1 broken, 0 weakened, 1 withstood.</p>" in pages["index.md"]


def test_relations_are_shown_at_both_ends(pages: dict[str, str]) -> None:
    assert '<em>extends</em> <a href="../../methods/alpha-ascent/">' in pages["methods/beta-preference/index.md"]
    older = pages["methods/alpha-ascent/index.md"]
    assert '<em>is extended by</em> <a href="../../methods/beta-preference/">' in older
    assert '<em>is attacked by</em> <a href="../../methods/gamma-steer/">' in older


def test_of_many_relations_the_methods_are_named(small: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_page, "_NAMED", 1)
    older = pages_of(small.path)["methods/alpha-ascent/index.md"].split("{ #relations")[1].split("\n## ")[0]
    assert '<em>is extended by</em> <a href="../../methods/beta-preference/">' in older
    assert '<em>is attacked by</em> <a href="../../methods/gamma-steer/">' in older
    assert older.count("<li>") == 2
    assert "weighted" not in older, "the note stands on the other's page"


def test_verified_and_unverified_look_different_and_say_so(pages: dict[str, str]) -> None:
    page = pages["methods/beta-preference/index.md"]
    assert '<span class="ink">read 2026-11-20</span>' in page
    assert '<span class="pencil">unverified</span>' in page
    assert "2 of 4 items were read in the source" in page
    assert 'class="ink"' not in pages["methods/gamma-steer/index.md"].split("{ #evidence")[1]


def test_a_superseded_entry_leads_to_the_one_that_replaces_it(small: Root) -> None:
    file = "catalog/methods/alpha-ascent.yaml"
    small.edit(file, "benchmarks: [authors-bench]\n", "benchmarks: [authors-bench]\nsuperseded_by: gamma-steer\n")
    page = pages_of(small.path)["methods/alpha-ascent/index.md"]
    assert 'Superseded by <a href="../../methods/gamma-steer/">' in page


def test_absent_parts_leave_no_heading(pages: dict[str, str]) -> None:
    page = pages["methods/alpha-ascent/index.md"]
    for anchor in ("equation", "hyperparameters", "strengths", "implementation", "source", "results", "surveys"):
        assert f"{{ #{anchor}" not in page


def test_a_row_of_the_table_holds_its_terms_and_those_above(pages: dict[str, str]) -> None:
    table = pages["methods/index.md"]
    row = next(line for line in table.splitlines() if "methods/beta-preference/" in line)
    terms = row.split('data-terms="')[1].split('"')[0].split()
    assert {"family:preference-optimization", "family:direct-fine-tuning", "intervention:weights"} <= set(terms)
    assert {"objective:forget-side", "benchmark:hazard-bench", "implementation:simplified"} <= set(terms)
    assert "<form" in table
    assert " hidden>" in table.split("<form")[1].split("\n")[0]


def test_every_term_stands_on_the_taxonomy_page_and_ours_are_marked(pages: dict[str, str], small: Root) -> None:
    page = pages["taxonomy/index.md"]
    atlas = unlearning_atlas.load(small.path)
    for axis in atlas.taxonomy:
        assert f"{{ #{axis} }}" in page
        for term in atlas.taxonomy[axis].terms:
            assert f'id="{axis}--{term.id}"' in page
    assert '<span class="ours">ours</span>' in page.split('id="paradigm--training-time"')[1]
    credited = page.split('id="paradigm--finetuning-then-unlearning"')[1].split("<li")[0]
    assert "Moss et al. 2025, section 2" in credited
    assert "unverified" in credited
    assert '"ours"' not in credited


def test_edit_links_need_a_repository(small: Root) -> None:
    linked = pages_of(small.path, "https://example.org/atlas/")["metrics/truth-score/index.md"]
    assert 'href="https&#58;//example.org/atlas/edit/main/catalog/metrics/truth-score.yaml"' in linked
    bare = pages_of(small.path)["metrics/truth-score/index.md"]
    assert "<code>catalog/metrics/truth-score.yaml</code>" in bare
    assert "/edit/" not in bare


def test_code_with_tildes_stays_inside_its_block(small: Root) -> None:
    code = '"""A file."""\n\n\n~~~~\n# ~~~ {{ x }} <b>\n'
    small.write("reference_impls/beta_preference.py", code)
    page = pages_of(small.path)["methods/beta-preference/index.md"]
    assert "    ~~~~~ python\n" in page
    assert "    # ~~~ {{ x }} <b>\n    ~~~~~\n" in page


def test_measured_figures_stand_beside_both_baselines(small: Root, measure: Callable[[Path], None]) -> None:
    measure(small.path)
    pages = pages_of(small.path)
    page = pages["methods/beta-preference/index.md"]
    for part in (
        '<b>0.32</b><span class="pm"> ±0.01</span>',
        "<td>0.02</td>",
        "<s>&#45;3.5</s>",
        "over 40",
        "beta 0.5, steps 20",
        "1.5 s, 1,000 sequences forward, 500 sequences backward, 300 MiB at most",
        "Some processor",
        "<figcaption>While unlearning</figcaption>",
    ):
        assert part in page, part
    assert "Measured" not in pages["methods/alpha-ascent/index.md"]
    table = pages["measured/index.md"]
    assert '<a href="../methods/beta-preference/">' in table
    assert "<s>&#45;3.5</s>" in table, "a forget quality that does not count is struck out"
    assert "models of billions of parameters" in table


def test_without_measurements_the_page_says_so(pages: dict[str, str]) -> None:
    assert "Nothing has been measured yet." in pages["measured/index.md"]


def test_what_audits_found_is_shown(small: Root) -> None:
    outcomes = ["confirmed"] * 5 + ["misplaced", "corrected", "unsupported", "unreachable"]
    for seed in (3, 11):
        claims = "".join(f"- outcome: {outcome}\n" for outcome in outcomes)
        small.write(f"catalog/audits/2026-01-0{seed % 9}-seed-{seed}.yaml", f"seed: {seed}\nclaims:\n{claims}")
    page = pages_of(small.path)["data/index.md"].split("{ #trust }")[1].split("\n## ")[0].replace("&#45;", "-")
    assert page.count("<td>25%</td>") == 2, "of the eight that could be checked, two were wrong"
    assert "<td>2026-01-02</td><td>9, seed 11</td><td>5</td><td>1</td><td>1</td><td>1</td><td>1</td>" in page
    assert "audit --sample 100 --seed 12" in page


def test_importing_the_package_loads_nothing_of_the_site() -> None:
    code = (
        "import sys, unlearning_atlas as ua; ua.load; "
        "print([m for m in sys.modules if m.startswith(('unlearning_atlas.pages', 'unlearning_atlas.site', 'mkdocs'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
