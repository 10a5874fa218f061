"""The built site: complete, closed in itself, light, and honest about what goes wrong."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from tests.site.links import Site

import unlearning_atlas
from unlearning_atlas import site
from unlearning_atlas.pages import FOLDERS
from unlearning_atlas.site import SiteError, build, write_pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.site.browsing import Served
    from tests.site.conftest import Document

    Read = Callable[[str], Document]

HOST = "http://127.0.0.1:8000/"
LIMIT = 25_000


@pytest.mark.slow
def test_every_entry_and_every_overview_is_built(built: Path) -> None:
    atlas = unlearning_atlas.load(built.parents[1])
    for kind, entries in atlas.collections.items():
        for id_ in entries:
            assert (built / kind / id_ / "index.html").is_file()
        assert (built / kind / "index.html").is_file()
    for page in ("index.html", "taxonomy/index.html", "literature/index.html", "about/index.html", "404.html"):
        assert (built / page).is_file()


@pytest.mark.slow
def test_every_link_and_anchor_leads_somewhere_and_nothing_is_loaded_from_elsewhere(built: Path) -> None:
    whole = Site(built, HOST)
    assert whole.broken() == []
    assert whole.elsewhere() == []
    assert sum(address.startswith(HOST) for _, address in whole.references()) > 1500
    assert "http" not in (built / "assets" / "atlas.js").read_text("utf-8")


@pytest.mark.slow
def test_links_lead_somewhere_below_a_path_and_to_files_on_a_disk(served: Served, read_from_disk: Path) -> None:
    assert Site(served.output, served.address).broken() == []
    assert Site(served.output, served.address).elsewhere() == []
    disk = Site(read_from_disk, f"{read_from_disk.as_uri()}/")
    assert disk.broken() == []
    assert disk.elsewhere() == []


@pytest.mark.slow
def test_a_link_that_leads_nowhere_is_found_wherever_it_stands(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(built, copy)
    page = '<a href="../gone-1/">a</a><svg><a xlink:href="../gone-2/">b</a></svg><form action="../gone-3/"></form>'
    page += '<a href="../taxonomy/#gone-4">c</a><img src="gone-5.png"><b style="background: url(gone-6.png)"></b>'
    for file, old, new in (
        ("about/index.html", "</article>", f"{page}</article>"),
        ("assets/atlas.css", "body {", "body { background: url(gone-7.png);"),
        ("feed.xml", "changelog/", "gone-8/"),
        ("sitemap.xml", f"{HOST}about/", f"{HOST}gone-9/"),
        ("api/v1/metrics/truth-score.json", '"page": "metrics/truth-score/"', '"page": "gone-10/"'),
        ("api/v1/index.json", '"metrics/truth-score.json"', '"gone-11.json"'),
        ("assets/data/graph.js", '"methods/gamma-steer/"', '"gone-12/"'),
        ("assets/data/methods-compare.js", '"benchmarks/hazard-bench/"', '"gone-13/"'),
        ("search/search_index.json", '"location":"about/"', '"location":"gone-14/"'),
    ):
        text = (copy / file).read_text("utf-8")
        assert old in text, file
        (copy / file).write_text(text.replace(old, new), "utf-8")
    found = " ".join(Site(copy, HOST).broken())
    assert set(re.findall(r"gone-\d+", found)) == {f"gone-{number}" for number in range(1, 15)}
    remote = '<script src="//cdn.example/x.js"></script><link rel="stylesheet" href="https://example.org/x.css">'
    (copy / "about" / "index.html").write_text(remote, "utf-8")
    (copy / "assets" / "atlas.css").write_text('@import "x.css"; a { src: url(https://example.org/y.woff2) }', "utf-8")
    assert len(Site(copy, HOST).elsewhere()) == 4


def test_what_comes_from_others_is_as_it_was_published(checkout: Path) -> None:
    assets = checkout / "site" / "pages" / "assets"
    vendored = json.loads((assets / "vendored.json").read_text("utf-8"))
    noted = {file: sum_ for package in vendored.values() for file, sum_ in package["sha256"].items()}
    there = {
        path.relative_to(assets).as_posix()
        for name in vendored
        for path in (assets / name).rglob("*")
        if path.is_file()
    }
    assert set(noted) == there
    changed = [file for file, sum_ in noted.items() if sha256((assets / file).read_bytes()).hexdigest() != sum_]
    assert changed == []
    assert all(f"{name}/LICENSE" in package["sha256"] for name, package in vendored.items())


@pytest.mark.slow
def test_every_file_that_the_style_of_equations_names_is_there(built: Path) -> None:
    folder = built / "assets" / "katex"
    named = re.findall(r"url\(([^)]+)\)", (folder / "katex.min.css").read_text("utf-8"))
    assert named
    assert not [name for name in named if not (folder / name).is_file()]
    assert (folder / "LICENSE").is_file()


@pytest.mark.slow
def test_pages_of_entries_are_light(built: Path) -> None:
    heavy = {}
    for path in (path for kind in FOLDERS for path in built.glob(f"{kind}/*/index.html")):
        html = re.sub(r'(?s)<details class="quote".*?</details>', "", path.read_text("utf-8"))
        if len(html.encode()) > LIMIT:
            heavy[str(path)] = len(html.encode())
    assert not heavy


@pytest.mark.slow
def test_code_is_highlighted_and_folded(built: Path) -> None:
    page = (built / "methods" / "beta-preference" / "index.html").read_text("utf-8")
    folded = re.search(r'(?s)<details class="quote">.*?</details>', page)
    assert folded
    assert "for the tests of the catalog only" in folded[0]
    assert '<span class="' in folded[0]


@pytest.mark.slow
def test_search_finds_entries_but_neither_code_nor_figures_nor_controls(served: Served) -> None:
    index = (served.output / "search" / "search_index.json").read_text("utf-8")
    for found in ("Beta preference", "Bounded below, so training does not blow up"):
        assert found in index
    code, figures, controls = (
        ("for the tests of the catalog only", "archivePrefix"),
        ("0.32", "1.0e"),
        ("Does without",),
    )
    for noise in (*code, "mathcal", "scheduler", *figures, "Beside its family", *controls, "Download these"):
        assert noise not in index


@pytest.mark.slow
def test_preformatted_text_keeps_its_indentation(built: Path, read_html: Read) -> None:
    page = read_html((built / "methods" / "beta-preference" / "index.html").read_text("utf-8"))
    assert any("\n  author = {Rivers, Di and Stone, Ed}," in element.text for element in page.all("pre"))


def test_only_what_differs_is_written_and_what_has_gone_is_removed(site_root: Path) -> None:
    pages = site_root / "site" / "pages"
    first = write_pages(site_root)
    assert {path.relative_to(pages).as_posix() for path in first} >= {"index.md", "methods/alpha-ascent/index.md"}
    assert write_pages(site_root) == []

    gone = ("methods/long-gone/index.md", "metrics/gone.md", "api/v1/methods/long-gone.json")
    stale = [pages / path for path in gone]
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text("gone", "utf-8")
    entry = site_root / "catalog" / "metrics" / "truth-score.yaml"
    entry.write_text(entry.read_text("utf-8").replace("is the likeliest", "is the most likely"), "utf-8")
    about = (pages / "about" / "index.md").read_bytes()
    changed = write_pages(site_root)
    new = (
        "metrics/truth-score/index.md",
        *(f"api/v1/{name}.json" for name in ("metrics/truth-score", "metrics", "atlas")),
    )
    assert set(changed) == {*stale, *(pages / path for path in new)}
    assert not stale[0].parent.exists()
    assert not any(path.exists() for path in stale)
    assert (pages / "about" / "index.md").read_bytes() == about


def test_a_faulty_catalog_changes_no_page(site_root: Path) -> None:
    write_pages(site_root)
    page = site_root / "site" / "pages" / "methods" / "alpha-ascent" / "index.md"
    before = page.read_bytes()
    entry = site_root / "catalog" / "methods" / "alpha-ascent.yaml"
    entry.write_text(entry.read_text("utf-8").replace("family: gradient-based", "family: nonsense"), "utf-8")
    for strict in (True, False):
        with pytest.raises(unlearning_atlas.CatalogError, match="nonsense"):
            build(site_root, strict=strict)
    assert page.read_bytes() == before


@pytest.mark.slow
def test_what_mkdocs_warns_of_fails_and_leaves_the_old_site(
    site_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = build(site_root)
    about = site_root / "site" / "pages" / "about" / "index.md"
    text = about.read_text("utf-8")
    for broken in ("nowhere.md", "../taxonomy/index.md#family--nonsense"):
        about.write_text(f"{text}\n\n[somewhere]({broken})\n", "utf-8")
        with pytest.raises(SiteError, match=re.escape(broken)):
            build(site_root)
        assert "somewhere" not in (output / "about" / "index.html").read_text("utf-8")
    assert sorted(path.name for path in output.parent.iterdir()) == ["_build", "pages"]
    capsys.readouterr()
    assert build(site_root, strict=False) == output
    assert "WARNING" in capsys.readouterr().err


def test_without_a_checkout_or_mkdocs_the_message_says_what_to_do(
    small_root: Path, site_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SiteError, match="built from a checkout"):
        build(small_root)
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    with pytest.raises(SiteError, match=re.escape("pip install 'unlearning-atlas[site]'")):
        build(site_root)


@pytest.mark.slow
def test_serving_builds_first_prints_the_address_and_ends_quietly(site_root: Path) -> None:
    # A test run in the background of a shell ignores interrupts, and its children inherit that.
    code = """if True:
        import signal, sys
        from pathlib import Path
        from unlearning_atlas.site import serve
        signal.signal(signal.SIGINT, signal.default_int_handler)
        serve(Path(sys.argv[1]), 0)
    """
    with subprocess.Popen(
        [sys.executable, "-c", code, site_root], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        assert server.stderr
        try:
            address = server.stdout.readline().split()[0]
            with urlopen(address + "methods/beta-preference/", timeout=20) as answer:
                assert answer.headers["Cache-Control"] == "no-cache"
                assert b"Beta preference" in answer.read()
        finally:
            server.send_signal(signal.SIGINT)
        try:
            assert server.wait(20) == 0
        finally:
            server.kill()  # a server that does not end must not hold up the tests
        assert server.stderr.read() == ""


def test_a_damaged_file_beside_the_catalog_is_named(site_root: Path) -> None:
    page = site_root / "site" / "pages" / "about" / "index.md"
    before = page.read_bytes()
    for name in (
        "catalog/audits/2020-01-01-seed-1.yaml",
        "catalog/measurements/authors/baselines.json",
        "reference_impls/gaps.yaml",
        "mkdocs.yml",
    ):
        file = site_root / name
        text = file.read_text("utf-8") if file.is_file() else None
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{results: [", "utf-8")
        with pytest.raises(SiteError, match=re.escape(file.name)):
            build(site_root)
        file.unlink() if text is None else file.write_text(text, "utf-8")
    assert page.read_bytes() == before


def test_a_port_in_use_is_said(site_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "_is_stale", lambda root: False)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as taken,
        pytest.raises(SiteError, match=f"port {taken.server_port} can't be used"),
    ):
        site.serve(site_root, taken.server_port)


@pytest.mark.slow
def test_a_site_is_stale_when_a_source_is_newer(built: Path) -> None:
    root = built.parents[1]
    assert not site._is_stale(root)
    index = built / "index.html"
    times = index.stat().st_atime_ns, index.stat().st_mtime_ns
    try:
        os.utime(index, ns=(0, 0))
        assert site._is_stale(root)
    finally:
        os.utime(index, ns=times)


# The real catalog


@pytest.mark.slow
def test_the_whole_atlas_hangs_together(whole: Served) -> None:
    found = Site(whole.output, whole.address)
    assert found.broken() == []
    assert found.elsewhere() == []
    atlas = unlearning_atlas.load(whole.root)
    for kind, entries in atlas.collections.items():
        assert {path.parent.name for path in (whole.output / kind).glob("*/index.html")} == set(entries)
    followed = sum(address.startswith(whole.address) for _, address in found.references())
    assert followed > 50 * len(atlas.methods)
    # A clone without its past has nothing to tell.
    if (whole.root / ".git").is_dir():
        assert (whole.output / "feed.xml").read_text("utf-8").count("<entry>") > 10


@pytest.mark.slow
def test_the_pages_of_the_whole_atlas_are_light(whole: Served) -> None:
    heavy = {}
    for path in whole.output.rglob("*.html"):
        name = path.relative_to(whole.output)
        # Compressed, as servers send them: those of entries, and the tables of all.
        most = 25_000 if len(name.parts) == 3 else 120_000
        if (size := len(gzip.compress(path.read_bytes()))) > most:
            heavy[str(name)] = size
    assert heavy == {}
