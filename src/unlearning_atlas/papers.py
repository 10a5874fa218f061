"""The bibliography: ``catalog/references.bib``, parsed with bibtexparser and kept as it was written."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from unlearning_atlas.faults import CatalogError, Fault

if TYPE_CHECKING:
    from pathlib import Path

    from bibtexparser.library import Library
    from bibtexparser.model import Entry

FILE = "catalog/references.bib"
SHIPPED = "papers.json"

TRIAGE = ("method", "benchmark", "metric", "attack", "analysis", "survey", "application")
"""What a paper without an entry can be waiting as."""

_STOP_WORDS = frozenset(
    """
    a an and are as at by can do does for from how in into is it its of on or s the their to toward towards via we what
    when which who why will with you your
    """.split()
)


@dataclass(frozen=True, slots=True)
class Paper:
    """One record of the bibliography. ``bibtex`` is the record as it stands in the file.

    ``code`` is the address of the authors' code as far as known, ``month`` the month of the first version (1 to 12).
    ``triage`` says what a paper that has no entry yet would be, one of :data:`TRIAGE`; it stands in ``keywords``.
    """

    key: str
    title: str
    authors: tuple[str, ...]
    year: int
    venue: str
    arxiv: str
    doi: str
    url: str
    code: str
    month: int | None
    triage: str
    bibtex: str

    @property
    def citation(self) -> str:
        """The short form: first author's last name, others, year."""
        first, *rest = (name.split()[-1] for name in self.authors)
        others = "" if not rest else f" and {rest[0]}" if len(rest) == 1 and rest != ["others"] else " et al."
        return f"{first}{others} {self.year}"


def split_bibliography(text: str) -> Library:
    """Split BibTeX into blocks; what can't be read is among them, and nothing is said about it on standard error."""
    from bibtexparser.entrypoint import parse_string

    logger = logging.getLogger("bibtexparser.splitter")
    before, logger.disabled = logger.disabled, True
    try:
        return parse_string(text)
    finally:
        logger.disabled = before


def parse_bibliography(text: str, file: str = FILE) -> tuple[dict[str, Paper], dict[str, int], list[Fault]]:
    """Parse BibTeX; return the papers by key, the line of each, and every fault of the file itself."""
    library = split_bibliography(text)
    faults = []
    for block in library.failed_blocks:
        line = (block.start_line or 0) + 1
        said = getattr(block.error, "abort_reason", "") or str(block.error) or type(block.error).__name__
        reason = said.strip().splitlines()[0].rstrip(".")
        faults.append(Fault(file, line, 1, "bibtex", f"not readable: {reason}", "check its braces, commas and key"))
    papers: dict[str, Paper] = {}
    lines: dict[str, int] = {}
    for entry in library.entries:
        line = (entry.start_line or 0) + 1
        lines[entry.key] = line
        fields = {field.key.lower(): _plain(str(field.value)) for field in entry.fields}
        missing = [name for name in ("title", "author", "year") if not fields.get(name)]
        tip = "add title, author and year" if missing else "correct it"
        if missing:
            what = f"no {' and no '.join(missing)}"
        elif not _BRACED.match(entry.raw or ""):
            what, tip = "the record stands in round brackets", "write it in braces, as @misc{...}"
        elif not re.fullmatch("[0-9]{4}", fields["year"]):
            what = f"year {fields['year']!r} is not a number of four digits"
        elif fields.get("month") and not re.fullmatch("[1-9]|1[0-2]", fields["month"]):
            what = f"month {fields['month']!r} is not a number from 1 to 12"
        elif fields.get("keywords") and fields["keywords"] not in TRIAGE:
            what = f"keywords {fields['keywords']!r} is none of {', '.join(TRIAGE)}"
        elif not all(_natural(name) for name in _names(fields["author"])):
            what = "an author without a name"
        elif wrong := next((name for name in ("url", "code") if not _ADDRESS.match(fields.get(name, "http://"))), ""):
            what = f"{wrong} {fields[wrong]!r} does not begin with https://"
        else:
            what = ""
        if what:
            faults.append(Fault(file, line, 1, "bibtex-field", f"{entry.key}: {what}", tip))
            continue
        papers[entry.key] = _paper(entry, fields)
    return papers, lines, faults


_BRACED = re.compile(r"@\s*\w+\s*\{")


def _paper(entry: Entry, fields: dict[str, str]) -> Paper:
    arxiv = fields.get("eprint", "") if fields.get("archiveprefix", "").lower() == "arxiv" else ""
    url = fields.get("url") or (f"https://arxiv.org/abs/{arxiv}" if arxiv else "")
    if not url and fields.get("doi"):
        url = f"https://doi.org/{fields['doi']}"
    return Paper(
        key=entry.key,
        title=fields["title"],
        authors=tuple(map(_natural, _names(fields["author"]))),
        year=int(fields["year"]),
        venue=fields.get("booktitle") or fields.get("journal") or ("arXiv" if arxiv else ""),
        arxiv=arxiv,
        doi=fields.get("doi", ""),
        url=url,
        code=fields.get("code", ""),
        month=int(fields["month"]) if fields.get("month") else int(arxiv[2:4]) if _DATED.match(arxiv) else None,
        triage=fields.get("keywords", ""),
        bibtex=(entry.raw or "").strip(),
    )


def _plain(value: str) -> str:
    """Drop the braces that protect capitals and fold white space; the file is UTF-8, so no accents need decoding."""
    return " ".join(value.replace("{", "").replace("}", "").replace(r"\&", "&").replace(r"\%", "%").split())


def _names(field: str) -> list[str]:
    return re.split(r"\s+and\s+", field)


def _natural(name: str) -> str:
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}".strip() if comma else name.strip()


def with_field(raw: str, name: str, value: str | None) -> str:
    """Return a readable record with one field set, or removed where the value is None; the rest stays as written."""
    key, *fields = _parts(raw)
    for start, end in fields:
        field, equals, _ = raw[start:end].partition("=")
        if equals and field.strip().lower() == name:
            last = start + len(raw[start:end].rstrip())
            return raw[: start - 1] + raw[last:] if value is None else f"{raw[:start]}{field}= {{{value}}}{raw[last:]}"
    if value is None:
        return raw
    start, end = next((part for part in reversed(fields) if raw[slice(*part)].strip()), key)
    last = start + len(raw[start:end].rstrip())
    return f"{raw[:last]},\n  {name} = {{{value}}}{raw[last:]}"


def fields_as_written(raw: str) -> dict[str, str]:
    """Map each field of a readable record, in lower case, to its value with whatever encloses it."""
    written = (raw[start:end].partition("=") for start, end in _parts(raw)[1:])
    return {name.strip().lower(): value.strip() for name, equals, value in written if equals}


def is_joined(value: str) -> bool:
    """Say whether a field's value as written is several texts, joined by ``#``."""
    depth, quoted = 0, False
    for place, mark in enumerate(value):
        if place and value[place - 1] == "\\":
            continue
        depth += (mark == "{") - (mark == "}")
        quoted ^= mark == '"' and depth == 0
        if mark == "#" and depth == 0 and not quoted:
            return True
    return False


def _parts(raw: str) -> list[tuple[int, int]]:
    """Return the bounds of a record's key and of its fields: what stands between the commas outside of any braces."""
    start = raw.index("{") + 1
    depth, quoted = 1, False
    found = []
    for place in range(start, len(raw)):
        mark = raw[place] if raw[place - 1] != "\\" else ""
        depth += (mark == "{") - (mark == "}")
        quoted ^= mark == '"' and depth == 1
        if depth == 0 or (mark == "," and depth == 1 and not quoted):
            found.append((start, place))
            start = place + 1
        if depth == 0:
            break
    return found


def with_record(text: str, key: str, raw: str) -> str:
    """Return a bibliography with a record put where the order of keys wants it, or in place of the one of that key."""
    entries = split_bibliography(text).entries
    for entry in entries:
        if entry.key == key:
            return text.replace((entry.raw or "").strip(), raw, 1)
    before = next((entry.start_line for entry in entries if entry.key > key), None)
    if before is None:
        return f"{text.rstrip()}\n\n{raw}\n".lstrip()
    lines = text.split("\n")
    return "\n".join([*lines[:before], raw, "", *lines[before:]])


def mint_key(authors: tuple[str, ...], title: str, year: int) -> str:
    """Make the key of a paper: first author's last name, year of the first version, first telling word of the title."""
    words = (_ascii(word.split(":")[0]) for word in title.split())
    word = next((word for word in words if word and word not in _STOP_WORDS), "untitled")
    return f"{_ascii(authors[0].split()[-1])}{year}{word}"


def first_year(paper: Paper) -> int:
    """Return the year of the first public version: the arXiv id's, or the year of publication."""
    return 2000 + int(paper.arxiv[:2]) if _DATED.match(paper.arxiv) else paper.year


_ADDRESS = re.compile(r"https?://")

_DATED = re.compile(r"[0-9]{2}(0[1-9]|1[0-2])\.")
"""The beginning of an arXiv id since 2007: two digits of the year, two of the month."""

_WITHOUT_DECOMPOSITION = str.maketrans(
    {"ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ß": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "ı": "i"}
)


def _ascii(text: str) -> str:
    text = text.translate(_WITHOUT_DECOMPOSITION)
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", plain)


def without_accents(text: str) -> str:
    """Return text with LaTeX's accents and special letters as the characters they stand for."""

    def accented(found: re.Match[str]) -> str:
        letter = {"\\i": "i", "\\j": "j"}.get(found["letter"], found["letter"])
        return unicodedata.normalize("NFC", letter + _ACCENTS[found["accent"]])

    text = _ACCENTED.sub(accented, text)
    return _LETTER.sub(lambda found: _LETTERS[found["braced"] or found["bare"]], text)


_ACCENTS = {
    **{"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307"},
    **{"c": "\u0327", "v": "\u030c", "H": "\u030b", "u": "\u0306", "k": "\u0328", "r": "\u030a"},
}
_LETTERS = {
    **{"ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ"},
    **{"aa": "å", "AA": "Å", "i": "ı"},
}
_ACCENTED = re.compile(
    r"""(?P<open>\{)?\\(?P<accent>['`"^~=.](?=[\s{\\a-zA-Z])|[cvHukr](?=[\s{]))\s*(?P<brace>\{)?"""
    r"""(?P<letter>[a-zA-Z]|\\[ij](?![a-zA-Z]))(?(brace)\})(?(open)\})"""
)
_LETTER = re.compile(
    r"\{\\(?P<braced>ss|ae|AE|oe|OE|aa|AA|[oOlLi])\s*\}|\\(?P<bare>ss|ae|AE|oe|OE|aa|AA|[oOlLi])(?![a-zA-Z])\s?"
)


def read_bibliography(root: Path) -> tuple[dict[str, Paper], dict[str, int], list[Fault]]:
    """Parse ``references.bib`` below a root as :func:`parse_bibliography` does; not to be readable is a fault too."""
    try:
        text = (root / FILE).read_text("utf-8")
    except UnicodeDecodeError:
        return {}, {}, [Fault(FILE, 1, 1, "file-encoding", "the file is not UTF-8", "save it as UTF-8")]
    except OSError as error:
        reason = f"can't be read: {error.strerror}"
        return {}, {}, [Fault(FILE, 1, 1, "file-unreadable", reason, "restore the file")]
    return parse_bibliography(text)


def read_papers(root: Path) -> dict[str, Paper]:
    """Return the papers below a root: from the compiled file a wheel ships, else from ``references.bib``.

    Raises CatalogError when the bibliography has faults.
    """
    if (root / SHIPPED).is_file():
        records = json.loads((root / SHIPPED).read_text("utf-8"))
        return {record["key"]: Paper(**record | {"authors": tuple(record["authors"])}) for record in records}
    papers, _, faults = read_bibliography(root)
    if faults:
        raise CatalogError(faults)
    return papers


def compile_papers(root: Path) -> str:
    """Return the text of the file that :func:`read_papers` reads in an installed package."""
    return json.dumps([asdict(paper) for paper in read_papers(root).values()], ensure_ascii=False)
