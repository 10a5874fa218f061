"""The built site: complete, closed in itself, light, and honest about what goes wrong."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import urlopen

import pytest

import unlearning_atlas
from unlearning_atlas import site
from unlearning_atlas.pages import FOLDERS
from unlearning_atlas.site import SiteError, build, write_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.site.conftest import Document

    Read = Callable[[str], Document]

HOST = "http://127.0.0.1:8000/"
LIMIT = 25_000
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
# Links of a page's head that say something and load nothing.
SAID = {"canonical", "prev", "next", "alternate"}


def pages_below(output: Path) -> dict[str, str]:
    """Return address → HTML of every page."""
    found = {}
    for path in output.rglob("*.html"):
        address = urljoin(HOST, path.relative_to(output).as_posix().removesuffix("index.html"))
        found[address] = path.read_text("utf-8")
    return found


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
def test_every_internal_link_and_anchor_leads_somewhere(built: Path, read_html: Read) -> None:
    documents = {address: read_html(html) for address, html in pages_below(built).items()}
    broken = []
    followed = 0
    for address, document in documents.items():
        for element in document.all("a", "link", "script", "img"):
            target = element.attributes.get("href") or element.attributes.get("src")
            if not target or not (full := urljoin(address, target)).startswith(HOST):
                continue
            followed += 1
            place, anchor = urldefrag(full)
            path = unquote(urlsplit(place).path).lstrip("/")
            known = documents.get(urljoin(HOST, path))
            # Anchors that begin with two underscores are the theme's own controls.
            found = known is not None and (not anchor or anchor.startswith("__") or unquote(anchor) in known.anchors)
            if not found and not (known is None and (built / path).is_file()):
                broken.append((address, target))
    assert not broken
    assert followed > 500


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(built: Path, read_html: Read) -> None:
    for address, html in pages_below(built).items():
        for element in read_html(html).all(*LOADED):
            if element.name == "link" and SAID & set(element.attributes.get("rel", "").split()):
                continue
            source = urljoin(address, element.attributes.get(LOADED[element.name], ""))
            assert source.startswith((HOST, "data:")), (address, source)
    for path in built.rglob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//|@import", path.read_text("utf-8")), path
    assert "http" not in (built / "assets" / "atlas.js").read_text("utf-8")


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
def test_search_finds_entries_but_neither_code_nor_bibtex(built: Path) -> None:
    index = (built / "search" / "search_index.json").read_text("utf-8")
    assert "Beta preference" in index
    assert "for the tests of the catalog only" not in index
    assert "archivePrefix" not in index


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


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def browse(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Return a function that gives a page as a browser has it after its scripts have run."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine: what scripts do in a browser is not tested")
    profile = tmp_path_factory.mktemp("profile")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(built))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def dump(path: str) -> str:
            address = f"http://127.0.0.1:{server.server_port}/{path}"
            options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
            command = [browser, *options, "--virtual-time-budget=5000", "--dump-dom", address]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

        yield dump
        server.shutdown()


@pytest.mark.slow
def test_in_a_browser_the_address_narrows_the_table(browse: Callable[[str], str], read_html: Read) -> None:
    def shown(query: str) -> list[str]:
        page = read_html(browse(f"methods/{query}"))
        assert (
            "hidden" not in next(form for form in page.all("form") if form.attributes.get("id") == "facets").attributes
        )
        return [
            name
            for row in page.all("tr")
            if "data-terms" in row.attributes and "hidden" not in row.attributes
            for name in re.findall("Alpha|Beta|Gamma", row.text)
        ]

    assert shown("") == ["Alpha", "Beta", "Gamma"]
    assert shown("?family=direct-fine-tuning") == ["Alpha", "Beta"]
    assert shown("?family=direct-fine-tuning&benchmark=hazard-bench") == ["Beta"]
    assert shown("?text=STEER") == ["Gamma"]
    assert shown("?text=negated") == ["Alpha"]
    assert shown("?family=nonsense") == ["Alpha", "Beta", "Gamma"]


@pytest.mark.slow
def test_in_a_browser_equations_are_typeset_and_only_their_pages_load_katex(browse: Callable[[str], str]) -> None:
    page = browse("methods/beta-preference/")
    assert page.count('class="katex-html"') == 3
    assert "katex.min.js" in page
    assert "katex" not in browse("methods/alpha-ascent/")
