"""Checks of the catalog: small named rules, run all at once, every fault reported with its place and its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.lint import catalog_rules, entry_rules, file_rules
from unlearning_atlas.lint.engine import Rule, mended, run

if TYPE_CHECKING:
    from pathlib import Path

    from unlearning_atlas.faults import Fault

RULES: tuple[Rule, ...] = (*file_rules.RULES, *entry_rules.RULES, *catalog_rules.RULES)

__all__ = ["RULES", "Rule", "fix", "validate"]


def validate(root: Path | None = None) -> list[Fault]:
    """Return every fault of every file below a root (this package's own data by default), sorted by file and line."""
    from unlearning_atlas.catalog import read_catalog

    return run(read_catalog(root), RULES)


def fix(root: Path | None = None) -> list[str]:
    """Apply every mechanical repair to the files below a root; return the files that changed."""
    from unlearning_atlas.catalog import read_catalog
    from unlearning_atlas.files import write_text
    from unlearning_atlas.papers import FILE

    catalog = read_catalog(root)
    changed = []
    for file, document in catalog.documents.items():
        if document.text and (text := mended(document, RULES)) != document.text:
            write_text(catalog.root / file, text)
            changed.append(file)
    bibliography = catalog.root / FILE
    if bibliography.is_file():
        before = bibliography.read_text("utf-8")
        after = before
        for rule in RULES:
            if rule.fix is not None:
                after = rule.fix(FILE, after)
        if after != before:
            write_text(bibliography, after)
            changed.append(FILE)
    return changed
