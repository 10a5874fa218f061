"""Checks of the catalog: small named rules, run all at once, every fault reported with its place and its remedy."""

from __future__ import annotations

import contextlib
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
    from unlearning_atlas.loading import bulk

    with bulk():
        return run(read_catalog(root), RULES)


def fix(root: Path | None = None) -> list[str]:
    """Apply every mechanical repair to the files below a root; return the files that changed."""
    from unlearning_atlas.catalog import read_catalog
    from unlearning_atlas.files import write_text
    from unlearning_atlas.papers import FILE

    catalog = read_catalog(root)
    changed = []

    def write(file: str, after: str) -> None:
        if after.encode() != (catalog.root / file).read_bytes():
            write_text(catalog.root / file, after)
            changed.append(file)

    for file, document in catalog.documents.items():
        # What is no YAML, or says a thing twice, needs a person: moving its lines about could lose something.
        if document.value is not None and all(fault.rule != "yaml-duplicate-key" for fault in document.faults):
            write(file, mended(document, catalog, RULES))
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = (catalog.root / FILE).read_bytes().decode()
        for rule in RULES:
            if rule.fix is not None:
                text = rule.fix(FILE, text, catalog)
        write(FILE, text)
    return changed
