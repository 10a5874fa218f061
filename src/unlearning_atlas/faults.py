"""What is wrong, where, and how to mend it: the one form in which every check of the catalog reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Fault(NamedTuple):
    """One fault in one file. Lines and columns count from 1; ``file`` is relative to the data's root."""

    file: str
    line: int
    column: int
    rule: str
    message: str
    tip: str

    def __str__(self) -> str:
        """Give ``file:line:column: rule: message; tip``."""
        return f"{self.file}:{self.line}:{self.column}: {self.rule}: {self.message}; {self.tip}"


class CatalogError(ValueError):
    """The catalog can't be used. ``faults`` holds every fault found, sorted by file and line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(faults))
        count = len(self.faults)
        super().__init__(f"{count} fault{'s' * (count != 1)} in the catalog:\n" + "\n".join(map(str, self.faults)))


_FEW = 30


class UnknownNameError(KeyError):
    """A name that does not exist, with the names that come close, or all of them where none does and they are few."""

    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        known = list(known)
        self.suggestions = suggest(str(name), known)
        all_ = f"; there are: {', '.join(known)}" if 0 < len(known) <= _FEW and not self.suggestions else ""
        super().__init__(f"unknown {what} {str(name)!r}{did_you_mean(self.suggestions)}{all_}")

    def __str__(self) -> str:
        """Give the plain sentence; KeyError would show it in quotes."""
        return str(self.args[0])


def suggest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three names that come close to ``name`` or hold it, the closest first."""
    from difflib import get_close_matches

    lowered = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower().replace("_", "-"), lowered, n=3, cutoff=0.6)
    close += [k for k in get_close_matches(name.lower(), lowered, n=3, cutoff=0.6) if k not in close]
    if len(name) > 2:
        close += [k for k in lowered if name.lower() in k and k not in close]
    return [lowered[match] for match in close[:3]]


def did_you_mean(suggestions: Sequence[str]) -> str:
    """Phrase suggestions as an insertion for a message; empty when there are none."""
    return f" (did you mean {' or '.join(map(repr, suggestions))}?)" if suggestions else ""


def listing(names: Iterable[str], most: int = 30) -> str:
    """Join names for a message and cut a long list."""
    names = list(names)
    more = f", ... ({len(names) - most} more)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
