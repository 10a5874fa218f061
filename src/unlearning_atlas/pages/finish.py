"""What is left to do on a page that the engine has built: its head, its weight, and its links when read from disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape, unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

CARDS = "assets/social"
"""Where the preview pictures lie below the site's root."""
_WAYS = (
    ("the home page", ""),
    ("all methods", "methods/"),
    ("benchmarks", "benchmarks/"),
    ("metrics and attacks", "metrics/"),
    ("the changelog", "changelog/"),
)
"""Where the page for a wrong address leads."""
_LINK = re.compile(r'((?:xlink:)?href|action)="([^"]*)"')
_FOLDER = re.compile(r"((?:\.\.?/)*(?:[\w-]+/)*)((?:[?#].*)?)")
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_DESCRIPTION = re.compile(r'<meta name="description" content="(.*?)"')
_DIALOG = 'data-md-component="search" role="dialog"'
_REFERENCE = re.compile(r"&#([0-9]+);")
_HARMLESS = frozenset("!#$%()*+,-./:;=?@[\\]^_`{|}~")
"""What Markdown and templates would have read as theirs, and HTML, once it is built, does not."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How pages are finished.

    ``address`` is where the site will stand, with a slash at its end; ``cards`` are the preview pictures there are, as
    paths below :data:`CARDS` without their extension; ``offline`` is for a site that is read from disk.
    """

    address: str
    cards: Collection[str]
    offline: bool = False

    def apply(self, html: str, path: str) -> str:
        """Return a page as it is published; ``path`` is the file's, below the site's root."""
        html = without_references(without_indentation(html))
        # The theme gives its dialog no name, which a screen reader would say.
        html = html.replace(_DIALOG, f'{_DIALOG} aria-label="Search"')
        if path == "404.html":
            html = self._lost(html)
        html = html.replace("</head>", f"{self._head(html, path)}\n</head>", 1)
        return with_file_names(html) if self.offline else html

    def _lost(self, html: str) -> str:
        """Return the page for a wrong address with ways on; they are absolute, as it stands at any depth."""
        root = urlsplit(self.address).path
        ways = ", ".join(f'<a href="{escape(root + folder)}">{label}</a>' for label, folder in _WAYS)
        told = f"<p>Nothing stands at this address. Search above, or go on from {ways}.</p>"
        return re.sub(r"<h1>[^<]*</h1>", lambda _: f"<h1>Not found</h1>\n{told}", html, count=1)

    def _head(self, html: str, path: str) -> str:
        """Return the search's guard, the link to the feed, and what other sites show of the page when it is shared."""
        if self.offline or path == "404.html":
            return ""  # on a disk nobody shares it, and the page for a wrong address stands at any depth
        folder = path.removesuffix("index.html")
        card = folder.rstrip("/") if folder.rstrip("/") in self.cards else "home"
        title, description = _TITLE.search(html), _DESCRIPTION.search(html)
        # Relative: the theme asks the place that an alternate link leads to for its list of pages.
        up = "../" * path.count("/")
        # On a disk the theme itself waits until the search is asked for.
        guard = f'<script src="{up}assets/search-when-asked.js"></script>'
        feed = f'<link rel="alternate" type="application/atom+xml" title="New entries" href="{up}feed.xml">'
        shown = {
            "og:type": "website",
            "og:site_name": "Unlearning Atlas",
            "og:title": unescape(title[1].strip()) if title else "",
            "og:description": unescape(description[1]) if description else "",
            "og:url": self.address + folder,
            "og:image": f"{self.address}{CARDS}/{card}.png" if card in self.cards else "",
            "twitter:card": "summary_large_image",
        }
        metas = (f'<meta property="{name}" content="{escape(value)}">' for name, value in shown.items() if value)
        return "\n".join([guard, feed, *metas])


def without_indentation(html: str) -> str:
    """Drop the templates' indentation and blank lines, a quarter of a page, and leave preformatted text alone."""
    parts = re.split(r"(?s)(<pre\b.*?</pre>)", html)
    parts[::2] = (re.sub(r"\s*\n\s*", "\n", part) for part in parts[::2])
    return "".join(parts)


def without_references(html: str) -> str:
    """Write the characters that need no reference in HTML as themselves."""
    return _REFERENCE.sub(lambda found: c if (c := chr(int(found[1]))) in _HARMLESS else found[0], html)


def with_file_names(html: str) -> str:
    """Make every relative link to a folder one to the folder's page: on a disk no server adds the file's name."""

    def named(match: re.Match[str]) -> str:
        attribute, shown = match.groups()
        # Any character of an address may be written as a reference.
        found = _FOLDER.fullmatch(unescape(shown))
        return f'{attribute}="{escape(f"{found[1]}index.html{found[2]}")}"' if found and found[1] else match[0]

    return _LINK.sub(named, html)
