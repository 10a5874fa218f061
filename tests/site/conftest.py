"""A checkout of the small catalog with the site's sources, built once for all tests that only look at the result."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright
from tests.site.browsing import CHROMIUM, HOSTILE, WIDE, Served, Visit, serving

from unlearning_atlas.pages import GENERATED
from unlearning_atlas.site import OUTPUT, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext

CHECKOUT = Path(__file__).resolve().parents[2]
SMALL = CHECKOUT / "tests" / "data" / "small"
REPOSITORY = "https://example.org/atlas"
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())


def _copy_pages(root: Path) -> None:
    """Lay down the hand-written pages of this checkout and their assets, without what has been generated there."""
    pages = CHECKOUT / "site" / "pages"

    def generated(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if (Path(folder) / name).relative_to(pages).as_posix() in GENERATED}

    shutil.copytree(pages, root / "site" / "pages", ignore=generated)


def _make_checkout(folder: Path) -> Path:
    shutil.copytree(SMALL, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "mkdocs.offline.yml"):
        shutil.copy(CHECKOUT / name, folder)
    _copy_pages(folder)
    return folder


@pytest.fixture
def site_root(tmp_path: Path) -> Path:
    """Return a folder of one's own with the small catalog and the hand-written sources of the site."""
    return _make_checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARNING_ATLAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("UNLEARNING_ATLAS_REPOSITORY", REPOSITORY)
        return build(_make_checkout(tmp_path_factory.mktemp("site") / "checkout"))


_SCORES = ("forget", "paraphrase", "retain", "neighbour", "world")


def _measure(root: Path) -> None:
    """Lay down results of two seeds for one method, with figures that can be told apart on the page."""

    def row(name: str, forget: float, utility: float, quality: float, steps: int | None) -> dict[str, object]:
        scores = dict.fromkeys(_SCORES, forget)
        relearning = {"curve": [[0, forget], [40, 1.0]], "steps": steps}
        return {
            "model": name,
            **scores,
            "utility": utility,
            "forget_quality": quality,
            "forget_quality_counts": utility > 0.5,
            "metrics": {"privleak": -12.0},
            "attacks": {"relearning": relearning, "quantization": {}, "logit-lens": 0.5},
        }

    folder = root / "catalog" / "measurements" / "authors"
    folder.mkdir(parents=True)
    baselines, results = [], []
    for seed in (0, 1):
        names = {"before": 0.99, "retrained": 0.01 + 0.02 * seed, "retrained again": 0.05}
        rows = {name: row(name, forget, 0.9, -0.25, None) for name, forget in names.items()}
        baselines.append({"seed": seed, "key": "k", "rows": rows, "made": {}})
        results.append(
            {
                "seed": seed,
                "key": "k",
                "hyperparameters": {"beta": 0.5, "steps": 20},
                "row": row("beta-preference", 0.31 + 0.02 * seed, 0.4, -3.5, 7),
                "curve": [{"step": step, **dict.fromkeys(_SCORES, 0.5)} for step in (0, 20)],
                "cost": {"forward": 1000.0, "backward": 500.0, "seconds": 1.5, "peak_mib": 300},
                "made": {"torch": "2.13.0", "processor": "Some processor"},
            }
        )
    for name, found in (("baselines", baselines), ("beta-preference", results)):
        (folder / f"{name}.json").write_text(json.dumps({"task": "authors", "method": name, "results": found}))


_MORE = {
    "delta-mirror": ("family: representation-engineering", "access_level: [weights-only]", "target: [personal-data]"),
    "epsilon-filter": ("family: output-based", "access_level: [text-api]", "target: [entity, hazardous-capability]"),
    "omega-hostile": ("family: gradient-based", "access_level: [weights-and-gradients]", "target: [personal-data]"),
}


def _enlarge(root: Path) -> None:
    """Add methods, so that there are more than can be compared at once, and hostile text wherever scripts show it."""
    text = (root / "catalog" / "methods" / "alpha-ascent.yaml").read_text("utf-8")
    for id_, changes in _MORE.items():
        name = f"Omega {HOSTILE}" if id_ == "omega-hostile" else id_.replace("-", " ").capitalize()
        new = text.replace("id: alpha-ascent", f"id: {id_}").replace("name: Alpha ascent", f"name: {json.dumps(name)}")
        new = new.replace("[AA, negated training]", "[]").replace("Raises the loss", f"{name} raises the loss")
        for line in changes:
            old = next(one for one in new.splitlines() if one.startswith(line.split(":")[0] + ":"))
            new = new.replace(f"\n{old}\n", f"\n{line}\n")
        (root / "catalog" / "methods" / f"{id_}.yaml").write_text(new, "utf-8")
    for file, old in (
        ("catalog/benchmarks/hazard-bench.yaml", "name: Hazard bench"),
        ("taxonomy/targets.yaml", "label: Personal data"),
    ):
        path = root / file
        assert old in path.read_text("utf-8")
        key, value = old.split(": ")
        path.write_text(path.read_text("utf-8").replace(old, f"{key}: {json.dumps(f'{value} {HOSTILE}')}"), "utf-8")


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a site of more methods, of which one has figures, whose texts are hostile in places."""
    root = _make_checkout(tmp_path_factory.mktemp("served") / "checkout")
    _measure(root)
    _measure_more(root)
    _enlarge(root)
    with serving(root / OUTPUT) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARNING_ATLAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("UNLEARNING_ATLAS_REPOSITORY", REPOSITORY)
        patch.setenv("UNLEARNING_ATLAS_SITE_URL", address)
        # Rules on entries refuse some of what is hostile.
        yield Served(address, build(root, strict=False), root)


def _measure_more(root: Path) -> None:
    """Add figures of two methods to those that :func:`_measure` lays down, some of which sort badly as text."""
    folder = root / "catalog" / "measurements" / "authors"
    board = json.loads((folder / "beta-preference.json").read_text())
    for method, forget, steps, passes in (("alpha-ascent", 0.05, 100, 20_000.0), ("gamma-steer", 0.2, None, 80.0)):
        for result in board["results"]:
            result["row"] |= {"model": method, "forget": forget, "metrics": {"privleak": forget * 100}}
            result["row"]["attacks"]["relearning"]["steps"] = steps
            result["cost"]["forward"] = passes
        (folder / f"{method}.json").write_text(json.dumps(board | {"method": method}))


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return the site of the real catalog, built in a copy of this checkout, with its history where there is one."""
    root = tmp_path_factory.mktemp("whole") / "checkout"
    if (CHECKOUT / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", CHECKOUT, root], check=True)
    for name in ("catalog", "taxonomy", "reference_impls"):
        shutil.copytree(CHECKOUT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("mkdocs.yml", "CITATION.cff"):
        shutil.copy(CHECKOUT / name, root)
    _copy_pages(root)
    with serving(root / OUTPUT) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARNING_ATLAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("UNLEARNING_ATLAS_SITE_URL", address)
        # Other tests find faults of the catalog; pages must come of it in any case.
        yield Served(address, build(root, strict=False), root)


@pytest.fixture(scope="package")
def read_from_disk(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same site, built to be read from disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARNING_ATLAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return build(served.root, strict=False, offline=True)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return the one browser of all tests."""
    options = ("no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update")
    arguments = [f"--{name}" for name in (*options, "disable-sync", "no-first-run")]
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """Return the window in which tests open their pages, so that what pages share is loaded once."""
    with browser.new_context(viewport=WIDE, reduced_motion="reduce") as context:
        context.set_default_timeout(15_000)
        yield context


@pytest.fixture
def visit(window: BrowserContext, served: Served) -> Iterator[Visit]:
    """Return what opens pages of the served site; that nothing went wrong on any is seen to at the end."""
    visit = Visit(window, served.address)
    yield visit
    visit.close()
    assert visit.faults == []


@pytest.fixture
def measure() -> Callable[[Path], None]:
    """Return the function that lays down measurements of one method in a catalog."""
    return _measure


@dataclass
class Element:
    """An element of a page: its name, its attributes and the text below it."""

    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Document:
    """The elements of a page in reading order."""

    elements: list[Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text of the page."""
        return self.elements[0].text

    @property
    def anchors(self) -> set[str]:
        """Every id of the page."""
        return {element.attributes["id"] for element in self.elements if "id" in element.attributes}

    def all(self, *names: str) -> list[Element]:
        """Return the elements of these names."""
        return [element for element in self.elements if element.name in names]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        root = Element("", {})
        self.document = Document([root])
        self.open = [root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.document.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.document.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if any(element.name == tag for element in self.open[1:]):
            while self.open.pop().name != tag:
                pass

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def _read_html(html: str) -> Document:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.document


@pytest.fixture(scope="session")
def read_html() -> Callable[[str], Document]:
    """Return the function that parses a page."""
    return _read_html
