"""Dates of entries from the history of a checkout, the changelog and the feed made of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

import unlearning_atlas
from unlearning_atlas.history import NEWEST, Change, History, by_day, feed, read_history
from unlearning_atlas.pages import render

if TYPE_CHECKING:
    from tests.conftest import Root

SITE = "https://example.org/atlas/"
ATOM = "{http://www.w3.org/2005/Atom}"
LATE = ("catalog/methods/gamma-steer.yaml", "catalog/metrics/privacy-gap.yaml")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git on this machine")


def git(folder: Path, *arguments: str, when: str = "2025-01-01T12:00:00Z") -> None:
    """Run git without the settings of whoever runs the tests."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        **{"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        **{"GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z", "GIT_COMMITTER_DATE": when},
        **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Somebody"),
        **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "somebody@example.org"),
    }
    subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.fixture
def tracked(small: Root) -> Root:
    """Return the small catalog with a history: two entries come later, one changes, one is superseded."""
    path = small.path

    def commit(message: str, when: str) -> None:
        git(path, "add", "-A")
        git(path, "commit", "-m", message, when=when)

    kept = {file: small.text(file) for file in LATE}
    for file in LATE:
        (path / file).unlink()
    git(path, "init", "-q")
    small.write("catalog/methods/long-gone.yaml", "id: long-gone\n")
    commit("First", "2025-03-01T12:00:00Z")
    (path / "catalog/methods/long-gone.yaml").unlink()
    small.write(LATE[0], kept[LATE[0]])
    commit("A method", "2025-03-02T23:30:00-02:00")  # in UTC it is the third
    small.write(LATE[1], kept[LATE[1]])
    small.edit("catalog/methods/beta-preference.yaml", "name: Beta preference", "name: Beta Preference")
    commit("A metric and a change", "2025-04-05T08:00:00Z")
    small.edit(
        "catalog/methods/alpha-ascent.yaml",
        "benchmarks: [authors-bench]\n",
        "benchmarks: [authors-bench]\nsuperseded_by: gamma-steer\n",
    )
    commit("One for another", "2025-04-05T09:00:00Z")
    small.edit("catalog/methods/alpha-ascent.yaml", "summary: |\n", "summary: |\n  Once more.\n")
    commit("A change after it", "2025-04-06T09:00:00Z")
    small.write("README", "nothing of the catalog")
    commit("Something else", "2025-05-01T09:00:00Z")
    return small


def told(root: Path) -> list[tuple[str, str, str]]:
    history = read_history(unlearning_atlas.load(root))
    assert history
    return [(change.when.strftime("%m-%d %H:%M"), change.what, change.id) for change in history.changes]


def test_what_happened_to_entries_and_when(tracked: Root) -> None:
    first = {"alpha-ascent", "beta-preference", "authors-bench", "hazard-bench", "relearning-attack", "truth-score"}
    first |= {"moss2025survey", "relearning-holds"}
    found = told(tracked.path)
    assert found[:5] == [
        ("04-06 09:00", "changed", "alpha-ascent"),
        ("04-05 09:00", "superseded", "alpha-ascent"),
        ("04-05 08:00", "changed", "beta-preference"),
        ("04-05 08:00", "added", "privacy-gap"),
        ("03-03 01:30", "added", "gamma-steer"),
    ]
    assert {id_ for _, _, id_ in found[5:]} == first
    assert {(when, what) for when, what, _ in found[5:]} == {("03-01 12:00", "added")}
    history = read_history(unlearning_atlas.load(tracked.path))
    assert history
    assert history.complete
    assert history.when == datetime(2025, 4, 6, 9, tzinfo=UTC), "what does not touch the data makes them no newer"
    head = subprocess.run(["git", "rev-parse", "HEAD~"], cwd=tracked.path, capture_output=True, text=True, check=True)
    assert history.commit == head.stdout.strip()


def test_what_is_not_committed_has_no_history(tracked: Root) -> None:
    before = told(tracked.path)
    text = tracked.text("catalog/methods/gamma-steer.yaml").replace("id: gamma-steer", "id: delta-steer")
    tracked.write("catalog/methods/delta-steer.yaml", text)
    assert told(tracked.path) == before


def test_a_catalog_may_lie_anywhere_in_its_repository(tracked: Root, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    shutil.copytree(tracked.path, outer / "below" / "root", ignore=shutil.ignore_patterns(".git"))
    git(outer, "init", "-q")
    git(outer, "add", "-A")
    git(outer, "commit", "-m", "All", when="2025-06-01T00:00:00Z")
    found = told(outer / "below" / "root")
    assert len(found) == 10
    assert {what for _, what, _ in found} == {"added"}


def test_a_shallow_clone_says_nothing_of_what_it_does_not_know(tracked: Root, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "3", f"file://{tracked.path}", "shallow")
    history = read_history(unlearning_atlas.load(tmp_path / "shallow"))
    assert history
    assert not history.complete
    assert [(change.what, change.id) for change in history.changes] == [("changed", "alpha-ascent")]
    pages = dict(render(unlearning_atlas.load(tmp_path / "shallow"), "", SITE, history))
    assert "what is older is missing here" in pages["changelog/index.md"]
    assert not ET.fromstring(pages["feed.xml"]).findall(f"{ATOM}entry")


def test_without_git_or_a_repository_there_is_no_history(
    tracked: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas = unlearning_atlas.load(tracked.path)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert read_history(atlas) is None
    shutil.rmtree(tracked.path / ".git")
    assert read_history(atlas) is None
    pages = dict(render(atlas, "", SITE, None))
    assert "built without the history" in pages["changelog/index.md"]


def test_a_day_names_each_entry_once(tracked: Root) -> None:
    history = read_history(unlearning_atlas.load(tracked.path))
    assert history
    tracked.edit("catalog/metrics/privacy-gap.yaml", "name: ", "name: The ")
    tracked.edit("catalog/methods/alpha-ascent.yaml", "Once more.", "Once more and again.")
    git(tracked.path, "commit", "-a", "-m", "At once", when="2025-04-05T23:00:00Z")
    history = read_history(unlearning_atlas.load(tracked.path))
    assert history
    days = {day: {(change.id, change.what) for change in changes} for day, changes in by_day(history)}
    assert list(days) == ["2025-04-06", "2025-04-05", "2025-03-03", "2025-03-01"]
    assert days["2025-04-05"] == {
        ("privacy-gap", "added"),
        ("alpha-ascent", "superseded"),
        ("beta-preference", "changed"),
    }


def test_the_changelog_shows_days_and_leads_to_entries(tracked: Root) -> None:
    atlas = unlearning_atlas.load(tracked.path)
    page = dict(render(atlas, "", SITE, read_history(atlas)))["changelog/index.md"]
    april, march = page.split("## March 2025")
    assert "## April 2025 { #month-2025-04 data-search-exclude }" in april
    assert april.index("### 6 April") < april.index("### 5 April")
    fifth = april.split("### 5 April")[1]
    assert '<dt>Metric added</dt><dd><a href="../metrics/privacy-gap/">' in fifth
    assert '<dt>Method changed</dt><dd><a href="../methods/beta-preference/">Beta Preference</a></dd>' in fifth
    superseded = fifth.split("<dt>Method superseded</dt>")[1].split("</dd>")[0]
    assert '"../methods/alpha-ascent/"' in superseded
    assert ' by <a href="../methods/gamma-steer/">' in superseded
    assert "<dt>Methods added</dt>" in march.split("### 1 March")[1]


def entries_of(text: str) -> list[dict[str, str]]:
    root = ET.fromstring(text)
    found = []
    for entry in root.findall(f"{ATOM}entry"):
        fields = {child.tag.removeprefix(ATOM): child.text or "" for child in entry}
        (link,) = entry.findall(f"{ATOM}link")
        found.append(fields | {"link": link.attrib["href"]})
    return found


def test_the_feed_holds_new_entries_the_last_first(tracked: Root) -> None:
    atlas = unlearning_atlas.load(tracked.path)
    text = feed(atlas, read_history(atlas), SITE)
    found = entries_of(text)
    assert [entry["id"] for entry in found[:2]] == [f"{SITE}metrics/privacy-gap/", f"{SITE}methods/gamma-steer/"]
    assert len(found) == 10
    assert all(entry["link"] == entry["id"] for entry in found)
    assert [entry["published"] for entry in found[:3]] == [
        "2025-04-05T08:00:00Z",
        "2025-03-03T01:30:00Z",
        "2025-03-01T12:00:00Z",
    ]
    alpha = next(entry for entry in found if entry["id"].endswith("/alpha-ascent/"))
    assert (alpha["published"], alpha["updated"]) == ("2025-03-01T12:00:00Z", "2025-04-06T09:00:00Z")
    assert alpha["title"] == atlas.methods["alpha-ascent"].name
    root = ET.fromstring(text)
    assert root.findtext(f"{ATOM}updated") == "2025-04-06T09:00:00Z"
    assert {link.attrib["rel"]: link.attrib["href"] for link in root.findall(f"{ATOM}link")} == {
        "self": f"{SITE}feed.xml",
        "alternate": f"{SITE}changelog/",
    }


def test_a_feed_without_entries_is_still_a_feed(small_root: Path) -> None:
    root = ET.fromstring(feed(unlearning_atlas.load(small_root), None, SITE))
    assert root.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated", "author"):
        assert root.find(f"{ATOM}{name}") is not None
    assert root.find(f"{ATOM}entry") is None


def test_the_feed_ends_with_the_newest(small: Root) -> None:
    text = small.text("catalog/metrics/truth-score.yaml")
    for number in range(NEWEST + 5):
        small.write(f"catalog/metrics/m{number:03}.yaml", text.replace("id: truth-score", f"id: m{number:03}"))
    atlas = unlearning_atlas.load(small.path)
    day = datetime(2025, 1, 1, tzinfo=UTC)
    changes = tuple(Change("metrics", f"m{number:03}", "added", day) for number in range(NEWEST + 5))
    found = entries_of(feed(atlas, History(changes, "c", day, True), SITE))
    assert [entry["id"].split("/")[-2] for entry in found] == [f"m{number:03}" for number in range(NEWEST)]


@pytest.mark.parametrize(
    "name", ["</title><script>alert(1)</script>", "]]> & &amp; <![CDATA[", "a\x02b\x1fc\ufffe", '"> onclick="x']
)
def test_hostile_text_stays_text_in_the_feed(small_root: Path, name: str) -> None:
    atlas = unlearning_atlas.load(small_root)
    entry = atlas.methods["alpha-ascent"]
    object.__setattr__(entry, "name", name)
    object.__setattr__(entry, "summary", name)
    day = datetime(2025, 1, 1, tzinfo=UTC)
    history = History((Change("methods", "alpha-ascent", "added", day),), "c", day, True)
    text = feed(atlas, history, SITE)
    (found,) = entries_of(text)
    unwritable = dict.fromkeys(map(ord, "\x02\x1f\ufffe"))
    assert found["title"] == name.translate(unwritable)
    assert found["summary"] == " ".join(name.split()).translate(unwritable)
    names = {element.tag for element in ET.fromstring(text).iter()}
    assert names <= {
        ATOM + name
        for name in (
            *("feed", "title", "subtitle", "id", "updated", "link", "icon", "author", "name", "rights", "entry"),
            *("published", "category", "summary"),
        )
    }
