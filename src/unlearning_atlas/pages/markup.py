"""Markup that is escaped by construction: text becomes :class:`Html` only through :func:`escape` or :func:`tag`.

What an entry says is hostile until proven otherwise. Nearly everything goes into raw HTML blocks, which Markdown leaves
alone, and even there no character is left that Markdown, HTML or a template language could read as its own.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Html(str):
    """Text that may stand in a page as it is."""

    __slots__ = ()


_SPECIAL = re.compile(r"""[&<>"`\\*_{}\[\]#|~^=$]|:(?=//)""")
# What would open a list, a definition, an admonition or a collapsed block at the start of a line.
_OPENING = re.compile(r"(?<=^ )[-+:!?%]|^[-+:!?%]|^ ?[0-9]+(?=[.)](?:\s|$))")
_VOID = frozenset(("br", "input"))
# Direction overrides can make a page show something other than what stands in the file.
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _references(match: re.Match[str]) -> str:
    return "".join(f"&#{ord(character)};" for character in match[0])


def _visible(text: str) -> str:
    return "".join(c for c in text if c not in _OVERRIDES and unicodedata.category(c) != "Cc")


def escape(text: str) -> Html:
    """Return text as one line that reads as itself in Markdown, in HTML and in a double-quoted attribute."""
    if isinstance(text, Html):
        return text
    line = _visible(re.sub(r"\s+", " ", text))
    return Html(_OPENING.sub(_references, _SPECIAL.sub(_references, line)))


def escape_lines(text: str) -> Html:
    """Do what :func:`escape` does and keep line breaks and indentation, for use in ``pre`` and ``code``."""
    return Html("&#10;".join(_SPECIAL.sub(_references, _visible(line)) for line in text.expandtabs(4).split("\n")))


def tag(element: str, /, *children: str, **attributes: str | bool) -> Html:
    """Return an element; children and attributes that are not :class:`Html` are escaped.

    An attribute's trailing underscore is dropped and its other underscores become hyphens; True stands for an attribute
    without a value, False and an empty text for none.
    """
    shown = []
    for key, value in attributes.items():
        key = key.removesuffix("_").replace("_", "-")
        if value is True:
            shown.append(f" {key}")
        elif value:
            shown.append(f' {key}="{escape(value)}"')
    if element in _VOID:
        return Html(f"<{element}{''.join(shown)}>")
    inner = "".join(map(escape, children))
    return Html(f"<{element}{''.join(shown)}>{inner}</{element}>")


def join(parts: Iterable[str], between: str = "") -> Html:
    """Join parts, escaping those that are not :class:`Html`; ``between`` is taken as it is."""
    return Html(between.join(map(escape, parts)))


def lines(parts: Iterable[str]) -> Html:
    """Join parts, one a line, for a long table that a reader of the Markdown may want to see."""
    return join(parts, "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], class_: str) -> Html:
    """Return a table in a frame that scrolls sideways when the page is too narrow."""
    header = tag("tr", *(tag("th", label) for label in head))
    body = lines(tag("tr", *(tag("td", value) for value in row)) for row in rows)
    return tag("div", tag("table", tag("thead", header), tag("tbody", body), class_=class_), class_="scroll")


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Return a list of (label, value); pairs without a value are left out, and an empty list is nothing."""
    rows = [join([tag("dt", label), tag("dd", value)]) for label, value in pairs if value]
    return tag("dl", *rows, class_="facts") if rows else Html("")


def bullets(items: Iterable[str], class_: str = "") -> Html:
    """Return a list, or nothing when there are no items."""
    found = [tag("li", item) for item in items]
    return tag("ul", *found, class_=class_) if found else Html("")


def folded(items: Sequence[str], most: int) -> Html:
    """Return items separated by commas, those beyond ``most`` in a block that unfolds; no items are nothing."""
    if len(items) <= most + 2:  # one or two are not worth a click
        return join(items, ", ")
    rest = tag("details", tag("summary", f"and {len(items) - most} more"), join(items[most:], ", "), class_="more")
    return join([join(items[:most], ", "), " ", rest])


def tex(latex: str, *, display: bool = False) -> Html:
    """Return LaTeX between delimiters, as ``pymdownx.arithmatex`` writes it; a script typesets it in the browser."""
    if display:
        return tag("div", escape_lines(f"\\[\n{latex.strip()}\n\\]"), class_="arithmatex")
    return tag("span", f"\\({latex}\\)", class_="arithmatex")


def pre(text: str, class_: str = "") -> Html:
    """Return text as it stands, in a block that the theme gives a copy button."""
    return tag("div", tag("pre", tag("code", escape_lines(text))), class_=f"highlight {class_}".strip())


def link(label: str, address: str) -> Html:
    """Return a link to a web address, or the bare label when the address is not one."""
    if not re.match(r"https?://[^\s]", address):
        return escape(label)
    return tag("a", label, href=address)


def heading(text: str, anchor: str, level: int = 2, *, searched: bool = True) -> str:
    """Return a Markdown heading with an anchor of its own, so that it stands in the page's table of contents.

    What follows an unsearched one stays out of the search index, up to the next heading.
    """
    return f"{'#' * level} {escape(text)} {{ #{anchor}{'' if searched else ' data-search-exclude'} }}"


def section(title: str, anchor: str, *blocks: str, searched: bool = True) -> list[str]:
    """Return a heading and its blocks, or nothing when every block is empty."""
    found = [block for block in blocks if block]
    return [heading(title, anchor, searched=searched), *found] if found else []


def folded_code(title: str, code: str) -> str:
    """Return Python source in a collapsed block, highlighted by the site's engine."""
    longest = max((len(run) for run in re.findall(r"~+", code)), default=0)
    fence = "~" * max(3, longest + 1)
    block = "\n".join([f"{fence} python", *code.rstrip().split("\n"), fence])
    indented = "\n".join(f"    {line}" if line else "" for line in block.split("\n"))
    return f'??? quote "{escape(title)}"\n\n{indented}'


def document(
    title: str, blocks: Iterable[str], *, description: str = "", hide: Sequence[str] = (), boost: int = 1
) -> str:
    """Return a Markdown file: metadata, the title as its first heading unless hidden, and the blocks.

    ``hide`` names parts of the theme that the page does without: ``navigation``, ``toc``. ``boost`` is by how much the
    page comes before others in a search.
    """
    # The theme writes both into its templates as they are, so they are escaped here; JSON is YAML.
    meta = {
        "title": escape(title),
        "description": escape(shortened(description)),
        "hide": list(hide),
        "search": {"boost": boost} if boost > 1 else {},
    }
    head = [f"{key}: {json.dumps(value)}" for key, value in meta.items() if value]
    body = "\n\n".join(block for block in blocks if block)
    return "\n".join(["---", *head, "---", "", body, ""])


def shortened(text: str, length: int = 160) -> str:
    """Return the beginning of a text, cut between words."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + "…"
