"""Where a built site leads: what its pages, styles, scripts, API, feed and search refer to, and what is missing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

LEADS = ("href", "src", "action", "xlink:href", "data", "poster")
LOADED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "object": "data",
    "use": "href",
}
SAID = {"canonical", "prev", "next", "alternate"}
"""Links of a page's head that say something and load nothing."""
_URL = re.compile(r"""url\(\s*["']?([^"')]+)""")


@dataclass
class Page:
    """What a page refers to, what of it is loaded with it, and what can be referred to in it."""

    leads: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.page.leads += [given[name] for name in LEADS if name in given]
        if "id" in given:
            self.page.anchors.add(given["id"])
        if tag in LOADED and not (tag == "link" and SAID & set(given.get("rel", "").split())):
            self.page.loads.append(given.get(LOADED[tag], ""))
        self.page.loads += _URL.findall(given.get("style", ""))


def read(html: str) -> Page:
    """Parse a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


class Site:
    """A built site and the address it stands at, which may be that of a folder on disk."""

    def __init__(self, output: Path, home: str) -> None:
        self.output = output
        self.home = home
        self.pages = {path: read(path.read_text("utf-8")) for path in sorted(output.rglob("*.html"))}

    def address(self, file: Path) -> str:
        """Return the address of a file."""
        path = file.relative_to(self.output).as_posix()
        return urljoin(self.home, path if self.home.startswith("file:") else path.removesuffix("index.html"))

    def references(self) -> Iterator[tuple[Path, str]]:
        """Yield (file, address that it refers to), for all that the site says in any of its files."""
        for file, page in self.pages.items():
            yield from ((file, urljoin(self.address(file), to)) for to in (*page.leads, *page.loads))
        for file in self.output.rglob("*.css"):
            yield from ((file, urljoin(self.address(file), to)) for to in _URL.findall(file.read_text("utf-8")))
        for name in ("feed.xml", "sitemap.xml"):
            for element in ElementTree.parse(self.output / name).iter():
                said = [*element.attrib.values(), element.text or ""]
                yield from ((self.output / name, text.strip()) for text in said if text.strip().startswith("http"))
        yield from self._api()
        yield from self._scripts()

    def _api(self) -> Iterator[tuple[Path, str]]:
        for file in (self.output / "api").rglob("*.json"):
            for key, text in _strings(json.loads(file.read_text("utf-8"))):
                if key == "page":
                    yield file, urljoin(self.home, text)
                elif text.startswith(self.home):
                    yield file, text
        index = self.output / "api" / "v1" / "index.json"
        known = json.loads(index.read_text("utf-8"))
        entries = [path for kind in known["entries"].values() for path in kind.values()]
        for path in (*known["documents"], *entries, *known["schemas"], known["feed"]):
            yield index, urljoin(self.address(index), path)

    def _scripts(self) -> Iterator[tuple[Path, str]]:
        """Yield what scripts make links of, and where the search leads."""
        data = self.output / "assets" / "data"
        graph = data / "graph.js"
        for node in _data(graph)["nodes"]:
            yield graph, urljoin(self.home, node["address"])
        compare = data / "methods-compare.js"
        for method in _data(compare)["methods"].values():
            for cell in method["cells"].values():
                yield from ((compare, urljoin(self.home, to)) for _, to in cell if to not in ("", "tex"))
        search = self.output / "search" / "search_index.json"
        for found in json.loads(search.read_text("utf-8"))["docs"]:
            yield search, urljoin(self.home, found["location"])

    def broken(self) -> list[str]:
        """Return what leads nowhere, as ``file: address``; addresses elsewhere are not followed."""
        found: dict[str, None] = {}
        for file, address in self.references():
            # On a disk no server adds a file's name to a link; scripts add it to theirs.
            named = self.home.startswith("file:") and file.suffix == ".html"
            if address.startswith(self.home) and not self._stands(address, named):
                found[f"{file.relative_to(self.output)}: {address.removeprefix(self.home)}"] = None
        return list(found)

    def _stands(self, address: str, named: bool) -> bool:
        place, anchor = urldefrag(address)
        path = unquote(urlsplit(place).path).removeprefix(unquote(urlsplit(self.home).path))
        if not named and (not path or path.endswith("/")):
            path += "index.html"
        file = self.output / path
        if not file.is_file():
            return False
        # Anchors that begin with two underscores are the theme's own controls.
        of_theme = not anchor or anchor.startswith("__")
        return of_theme or file not in self.pages or unquote(anchor) in self.pages[file].anchors

    def elsewhere(self) -> list[str]:
        """Return what the site would load from elsewhere, as ``file: address``."""
        found = []
        for file, page in self.pages.items():
            found += [(file, urljoin(self.address(file), to)) for to in page.loads]
        for file in self.output.rglob("*.css"):
            text = file.read_text("utf-8")
            found += [
                (file, urljoin(self.address(file), to)) for to in (*_URL.findall(text), *re.findall("@import.*", text))
            ]
        return [
            f"{file.relative_to(self.output)}: {address}"
            for file, address in found
            if not address.startswith((self.home, "data:")) or "@import" in address
        ]


def _data(file: Path) -> Any:
    """Return what a data file holds for the scripts."""
    return json.loads(file.read_text("utf-8").split(" = ", 1)[1].rstrip().rstrip(";"))


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name of the field it stands in, text) for every text."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
