"""The list of published addresses, ``published.txt``: read by a test, extended by ``python -m tests.site.published``.

Its first part holds addresses, with ``{kind}`` and ``{id}`` in those that every entry has; its second part the entries.
"""

from __future__ import annotations

from pathlib import Path

import unlearning_atlas
from unlearning_atlas.pages import render

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("published.txt")
HEAD = """\
# Addresses of the site that have been published. Others link to them, so a line is never removed or changed: a test
# fails when the site no longer has one of them. `python -m tests.site.published` adds those that are new.
"""
PATTERNS = ("{kind}/{id}/", "api/v1/{kind}/{id}.json")


def read() -> tuple[list[str], list[str]]:
    """Return (addresses and patterns, entries as kind/id) of the list."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    where = lines.index("entries:")
    return lines[:where], lines[where + 1 :]


def expected(lines: list[str], entries: list[str]) -> set[str]:
    """Return every address that the list stands for."""
    fixed = {line for line in lines if "{" not in line}
    patterns = [line for line in lines if "{" in line]
    pairs = [entry.split("/") for entry in entries]
    return fixed | {pattern.format(kind=kind, id=id_) for pattern in patterns for kind, id_ in pairs}


def built() -> set[str]:
    """Return every address of the site, but for what its scripts load, which others have no reason to link to."""
    paths = [path for path, _ in render(unlearning_atlas.load(CHECKOUT)) if not path.startswith("assets/")]
    pages = CHECKOUT / "site" / "pages"
    paths += [path.relative_to(pages).as_posix() for path in pages.rglob("*.md")]
    return {path.removesuffix("index.md") or "index.html" for path in paths}


def extend() -> None:
    """Add what is new to the list."""
    lines, entries = read()
    atlas = unlearning_atlas.load(CHECKOUT)
    ids = {f"{kind}/{id_}" for kind, found in atlas.collections.items() for id_ in found} | set(entries)
    fixed = built() - expected(list(PATTERNS), sorted(ids))
    both = (sorted({*lines, *fixed, *PATTERNS}), ["entries:"], sorted(ids))
    FILE.write_text(HEAD + "".join("\n" + "\n".join(part) + "\n" for part in both), "utf-8")


if __name__ == "__main__":
    extend()
