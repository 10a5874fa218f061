"""What a lint rule is, and how all rules are run over a catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from unlearning_atlas.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from unlearning_atlas.catalog import Catalog
    from unlearning_atlas.loading import Document
    from unlearning_atlas.models import Entry

Loc = tuple[str | int, ...]


class Subject(NamedTuple):
    """What an entry rule looks at: the entry, its kind and id (the file's stem), its document, and everything else."""

    kind: str
    id: str
    entry: Entry
    document: Document
    catalog: Catalog


class Problem(NamedTuple):
    """What a check found: where in the value (or on which line), what is wrong and, if it differs, how to mend it."""

    message: str
    loc: Loc = ()
    tip: str = ""
    line: int = 0
    column: int = 1
    file: str = ""
    key: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One named rule.

    ``check`` takes a ``Document`` (scope "file"), a :class:`Subject` (scope "entry") or a ``Catalog`` (scope "catalog")
    and yields problems. ``fix`` takes a file's name, its text and the catalog as it was read, and returns the mended
    text; a rule without a mechanical repair has none.
    """

    name: str
    scope: Literal["file", "entry", "catalog"]
    description: str
    check: Callable[[Any], Iterable[Problem]]
    tip: str
    fix: Callable[[str, str, Catalog], str] | None = None


def run(catalog: Catalog, rules: Sequence[Rule]) -> list[Fault]:
    """Return every fault of a catalog, those met while reading it included, sorted by file and line."""
    faults = list(catalog.faults)
    by_scope = {scope: [rule for rule in rules if rule.scope == scope] for scope in ("file", "entry", "catalog")}
    for document in catalog.documents.values():
        for rule in by_scope["file"]:
            faults += [_fault(rule, problem, document) for problem in rule.check(document)]
    for kind, entries in catalog.entries.items():
        for id_, entry in entries.items():
            document = catalog.documents[catalog.file_of[kind, id_]]
            subject = Subject(kind, id_, entry, document, catalog)
            for rule in by_scope["entry"]:
                faults += [_fault(rule, problem, document) for problem in rule.check(subject)]
    for rule in by_scope["catalog"]:
        for problem in rule.check(catalog):
            faults.append(_fault(rule, problem, catalog.documents.get(problem.file)))
    return sorted(faults)


def _fault(rule: Rule, problem: Problem, document: Document | None) -> Fault:
    file = problem.file or (document.file if document else "")
    if problem.line or document is None:
        line, column = problem.line or 1, problem.column
    else:
        line, column = document.position(problem.loc, key=problem.key)
    return Fault(file, line, column, rule.name, problem.message, problem.tip or rule.tip)


def mended(document: Document, catalog: Catalog, rules: Sequence[Rule]) -> str:
    """Return a file's text with every mechanical repair applied."""
    text = document.text
    for fix in sorted(document.fixes, reverse=True):
        text = text[: fix.start] + fix.text + text[fix.end :]
    for rule in rules:
        if rule.fix is not None:
            text = rule.fix(document.file, text, catalog)
    return text
