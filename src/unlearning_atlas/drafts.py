"""Drafts of entries: from a paper to a file that lacks only what a person can say.

The form of a draft is read off the models' JSON Schema, so a new field appears by itself. What is known is filled in;
every other value that an entry must have stands there empty, so that ``validate`` names its line, below a comment that
says what belongs there. Optional fields stand in comments. Nothing is written here: a draft holds the texts.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from unlearning_atlas import papers
from unlearning_atlas.faults import Fault, did_you_mean, listing, suggest
from unlearning_atlas.lint.file_rules import GUIDE, SCHEMA_OF, schema_line
from unlearning_atlas.loading import Document
from unlearning_atlas.models import ENTRY_MODELS, ID_PATTERN, KEY_PATTERN, TEXT_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from unlearning_atlas.catalog import Catalog
    from unlearning_atlas.papers import Paper

WIDTH = 118
LATER = frozenset(("superseded_by", "audited", "implementation"))
"""Fields that come into an entry later and by other means."""
LONGEST_ID = 60


class DraftError(ValueError):
    """No draft can be made. ``faults`` holds every reason, each with what to do."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be: its file and text, the paper, and the bibliography with the paper in it.

    ``notes`` tells the author what was taken from where.
    """

    kind: str
    id: str
    file: str
    text: str
    paper: Paper
    bibliography: str
    notes: tuple[str, ...]

    @property
    def files(self) -> dict[str, str]:
        """What to write, by file below the root; all of it or nothing."""
        return {self.file: self.text, papers.FILE: self.bibliography}

    def empty(self) -> list[Fault]:
        """Return the places that a person must fill in."""
        document = Document(self.file, self.text.encode())
        return [fault for fault in document.faults if fault.rule == "yaml-null"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a model as an author sees it.

    ``many`` says that it is a list, ``filled`` that the list may not be empty, ``prose`` that a text may have more than
    one line. ``choices`` are the terms or words that may stand there, ``axis`` names the taxonomy's axis they are of
    and ``refers`` the kind of entries whose ids they are; ``fields`` are those of a model nested in it.
    """

    key: str
    description: str
    required: bool
    many: bool
    filled: bool
    prose: bool
    type: str
    choices: tuple[str, ...]
    axis: str
    refers: str
    fields: tuple[Field, ...]


def fields_of(kind: str, catalog: Catalog) -> tuple[Field, ...]:
    """Return the fields of a kind of entry in the order in which they stand in a file."""
    schema = ENTRY_MODELS[kind].model_json_schema(by_alias=True)
    found = _fields(schema, schema.get("$defs", {}), catalog)
    return (*(field for field in found if field.key != "evidence"), *(f for f in found if f.key == "evidence"))


def _fields(schema: dict[str, Any], models: dict[str, Any], catalog: Catalog) -> tuple[Field, ...]:
    found = []
    for key, about in schema["properties"].items():
        if key in LATER:
            continue
        node = next((part for part in about.get("anyOf", ()) if part.get("type") != "null"), about)
        many = node.get("type") == "array"
        node = node.get("items", {}) if many else node
        reference = node.get("$ref", "")
        # A model that holds itself is not unfolded.
        inner = {name: model for name, model in models.items() if not reference.endswith(f"/{name}")}
        model = models.get(reference.rpartition("/")[2])
        mark = node.get("x-ref", [""])
        if mark[0] == "term":
            choices = catalog.allowed_terms(mark[1], under=mark[2], leaf=bool(mark[3]))
        elif mark[0] in ENTRY_MODELS:
            choices = sorted(catalog.known(mark[0]))
        else:
            choices = node.get("enum", [])
        found.append(
            Field(
                key=key,
                description=about.get("description", ""),
                required=key in schema.get("required", ()),
                many=many,
                filled=bool(about.get("minItems")),
                prose=node.get("pattern") == TEXT_PATTERN,
                type="object" if model else node.get("type", "string"),
                choices=tuple(choices),
                axis=mark[1] if mark[0] == "term" else "",
                refers=mark[0] if mark[0] in ENTRY_MODELS else "",
                fields=_fields(model, inner, catalog) if model else (),
            )
        )
    return tuple(found)


# The paper.


def name_in(title: str) -> str:
    """Return the name that a title gives to what it introduces, before a colon or in brackets; empty without one."""
    before, colon, _ = title.partition(":")
    words = before.split()
    if colon and (len(words) == 1 or (len(words) == 2 and any(_COINED.search(word) for word in words))):
        return before.strip()
    acronyms: list[str] = re.findall(r"\(([\w+-]*[A-Z][\w+-]*[A-Z][\w+-]*)\)", title)
    return acronyms[0] if len(acronyms) == 1 else ""


_COINED = re.compile(r"[A-Z0-9].*[A-Z]|[a-z][A-Z]")
"""What words of a dictionary don't have: a capital behind the first letter."""


def mint_id(name: str) -> str:
    """Turn a name into an id: lower-case ASCII words joined by hyphens; empty where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def normal(name: str) -> str:
    """Return what two spellings of one name share."""
    return re.sub(r"[\W_]", "", name.lower())


@dataclass(frozen=True, slots=True)
class _Record:
    raw: str
    paper: Paper
    note: str


def _look_up(catalog: Catalog, arxiv: str, key: str, faults: list[str]) -> _Record | None:
    """Find a record of the bibliography by arXiv id or key."""
    found = catalog.bibliography[0]
    if key and key in found:
        return _Record(found[key].bibtex, found[key], f"{key} from {papers.FILE}")
    if key:
        near = did_you_mean(suggest(key, found))
        faults.append(f"no paper {key!r} in {papers.FILE}{near}; give its record with --bibtex FILE")
        return None
    wanted = re.sub(r"^(https?://)?(www\.)?(arxiv\.org/(abs|pdf|html)/|arxiv:)", "", arxiv.strip(), flags=re.IGNORECASE)
    wanted = re.sub(r"(\.pdf)?(v[0-9]+)?$", "", wanted)
    for paper in found.values():
        if paper.arxiv == wanted:
            return _Record(paper.bibtex, paper, f"{paper.key} from {papers.FILE}")
    if _ARXIV.fullmatch(wanted):
        faults.append(
            f"no paper with arXiv id {wanted} among the {len(found)} of {papers.FILE}; save the record that "
            f"https://arxiv.org/bibtex/{wanted} shows to a file and give --bibtex FILE"
        )
    else:
        faults.append(f"{arxiv!r} is not an arXiv id; write it as 2404.05868")
    return None


_ARXIV = re.compile(r"[0-9]{4}\.[0-9]{4,5}|[a-z-]+(\.[A-Z]{2})?/[0-9]{7}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _read(catalog: Catalog, text: str, file: str, faults: list[str]) -> _Record | None:
    """Read one record as publishers write it, and bring it to the form of the bibliography; its words stay."""
    if bad := unprintable(text, line_breaks=True):
        faults.append(f"{file} holds {bad}; remove it")
        return None
    blocks = papers.split_bibliography(text)
    if len(blocks.entries) != 1 or blocks.failed_blocks:
        faults += [str(fault) for fault in papers.parse_bibliography(text, file)[2] if fault.rule == "bibtex"]
        if not blocks.failed_blocks:
            keys = listing(entry.key for entry in blocks.entries)
            held = f"{len(blocks.entries)} records ({keys})" if keys else "no BibTeX record"
            faults.append(f"{file} holds {held}; give one record, as in @misc{{key, title = {{...}}, ...}}")
        return None
    raw = "\n".join(line.rstrip() for line in (blocks.entries[0].raw or "").strip().splitlines())
    raw = re.sub(r"^(@\s*\w+\s*)\((.*)\)$", r"\1{\2}", raw, flags=re.DOTALL)  # BibTeX allows round brackets too
    raw = papers.with_field(raw, "keywords", None)  # here the field says what a paper waits for
    for name, value in papers.fields_as_written(raw).items():
        month = value.strip('{}" ')[:3].lower()
        if name == "month" and month in _MONTHS:
            raw = papers.with_field(raw, name, str(_MONTHS.index(month) + 1))
        elif value[:1] not in ("{", '"') and not value.isdigit():
            faults.append(f"{file}: {name} = {value or 'nothing'} is a name without its text; write {name} = {{...}}")
        elif papers.is_joined(value):
            faults.append(f"{file}: {name} = {value} is put together of parts; write {name} = {{...}}")
        elif name in ("author", "title"):
            raw = papers.with_field(raw, name, papers.without_accents(value[1:-1]))
    # Many sources name the arXiv id in the journal or the address only.
    named = _NAMED_ARXIV.search(raw)
    if named and "eprint" not in papers.fields_as_written(raw):
        raw = papers.with_field(raw, "eprint", named[1])
    if papers.fields_as_written(raw).get("eprint", "").strip('{}" ') == (named[1] if named else None):
        raw = papers.with_field(raw, "archiveprefix", "arXiv")
    found, _, wrong = papers.parse_bibliography(raw, file)
    faults += [f"{fault.file}: {fault.message}; {fault.tip}" for fault in wrong]
    if faults or not found:
        return None
    (paper,) = found.values()
    return _known_or_new(catalog, raw, paper, faults)


_NAMED_ARXIV = re.compile(r"(?:arxiv\.org/(?:abs|pdf)/|arxiv:\s*|abs/|eprint\s*=\s*[{\"])([0-9]{4}\.[0-9]{4,5})", re.I)


def _known_or_new(catalog: Catalog, raw: str, paper: Paper, faults: list[str]) -> _Record | None:
    """Give the paper its key, or the record that the bibliography has of it."""
    known = catalog.bibliography[0]
    for other in known.values():
        if (paper.arxiv and paper.arxiv == other.arxiv) or (paper.doi and paper.doi.lower() == other.doi.lower()):
            return _Record(other.bibtex, other, f"{other.key} was in {papers.FILE} already, its record is kept")
        if normal(paper.title) == normal(other.title):
            return _Record(other.bibtex, other, f"{other.key} was in {papers.FILE} already, its record is kept")
    wanted = papers.mint_key(paper.authors, paper.title, papers.first_year(paper))
    if not re.match(KEY_PATTERN, wanted):
        faults.append(f"no key can be made of {paper.citation!r}: write the first author's last name in Latin letters")
        return None
    key = wanted
    for letter in "abcdefgh":
        if key not in known:
            break
        other = known[key]
        alike = SequenceMatcher(None, normal(paper.title), normal(other.title)).ratio()
        if alike > 0.6 and not (paper.arxiv and other.arxiv):
            faults.append(
                f"{key} in {papers.FILE} looks like the same paper, {other.title!r}; "
                f"take that with --paper {key}, or add an arXiv id or a DOI to tell them apart"
            )
            return None
        key = wanted + letter
    raw = re.sub(r"^@(\w+)\s*\{[^,]*,", lambda found: f"@{found[1].lower()}{{{key},", raw)
    found, _, wrong = papers.parse_bibliography(raw)
    faults += [f"{fault.message}; {fault.tip}" for fault in wrong]
    return _Record(raw, found[key], f"{key} is new in {papers.FILE}") if key in found else None


# The entry.


def draft(
    catalog: Catalog,
    kind: str,
    *,
    bibtex: str = "",
    file: str = "the BibTeX",
    arxiv: str = "",
    key: str = "",
    id_: str = "",
    another: bool = False,
    place: str = "",
    values: Mapping[str, Any] | None = None,
) -> Draft:
    """Return the draft of an entry.

    Args:
        catalog: what is there already.
        kind: a kind of entry.
        bibtex: the paper's record; or one of ``arxiv`` and ``key``.
        file: what messages call the record.
        arxiv: the arXiv id of a paper in the bibliography.
        key: its BibTeX key.
        id_: the id; by default it is made of the name in the paper's title.
        another: the paper has an entry of this kind and introduces another one.
        place: where in the paper the evidence stands.
        values: further values by key, nested as in an entry.

    Raises:
        DraftError: with every fault of the input at once, among them what would be there twice.
    """
    faults: list[str] = []
    values = dict(values or {})
    if catalog.bibliography[2]:
        raise DraftError([f"mend {papers.FILE} first", *map(str, catalog.bibliography[2])])
    if sum(map(bool, (bibtex, arxiv, key))) != 1:
        faults.append("say which paper: one of --bibtex FILE, --arxiv ID and --paper KEY")
        record = None
    else:
        record = _read(catalog, bibtex, file, faults) if bibtex else _look_up(catalog, arxiv, key, faults)
    notes = [record.note] if record else []
    if record:
        faults += _taken_paper(catalog, kind, record.paper, another=another)
    id_, name = _name(kind, record, id_.strip(), str(values.get("name", "")), faults, notes)
    faults += _taken_names(catalog, kind, [text for text in (id_, name, *values.get("aliases", ())) if text])
    if faults or record is None:
        raise DraftError(faults)
    target = f"catalog/{kind}/{id_}.yaml"
    known = _known(kind, id_, name, record.paper, place)
    text = _entry(kind, target, known | {k: v for k, v in values.items() if k not in known or not known[k]}, catalog)
    raw = record.raw if kind == "open_problems" else papers.with_field(record.raw, "keywords", None)
    before = (catalog.root / papers.FILE).read_text("utf-8")
    bibliography = papers.with_record(before, record.paper.key, raw)
    _hold_together(text, target, bibliography, catalog, record.paper.key)
    return Draft(kind, id_, target, text, record.paper, bibliography, tuple(notes))


def _taken_paper(catalog: Catalog, kind: str, paper: Paper, *, another: bool) -> Iterator[str]:
    if another or kind == "open_problems":
        return
    for file, document in catalog.documents.items():
        if (
            file.startswith(f"catalog/{kind}/")
            and isinstance(document.value, dict)
            and document.value.get("paper") == paper.key
        ):
            yield (
                f"{file} is the entry of {paper.citation}, {paper.title!r}; correct it there, "
                "or say --another and --id if the paper introduces one more"
            )
            return


def _taken_names(catalog: Catalog, kind: str, names: Sequence[str]) -> Iterator[str]:
    owner = {normal(id_): id_ for id_ in catalog.known(kind)}
    for id_, entry in catalog.entries[kind].items():
        for name in (entry.name, *entry.aliases):
            owner.setdefault(normal(name), id_)
    met = set()
    for name in names:
        if (taken := owner.get(normal(name))) and taken not in met:
            met.add(taken)
            yield f"{name!r} is already a name of catalog/{kind}/{taken}.yaml; correct it there, or choose another name"


def _name(
    kind: str, record: _Record | None, id_: str, name: str, faults: list[str], notes: list[str]
) -> tuple[str, str]:
    """Return id and name, the name empty where nothing gives one."""
    if kind == "surveys" and record:
        if id_ not in ("", record.paper.key):
            faults.append(f"a survey's id is its BibTeX key, {record.paper.key}; leave --id out")
        return record.paper.key, name
    name = name or (name_in(record.paper.title) if record and kind != "open_problems" else "")
    if not id_ and record:
        id_ = mint_id(name)
        if id_ and len(id_) <= LONGEST_ID:
            notes.append(f"id {id_}, made of its name; it never changes later, --id chooses another now")
        else:
            word = mint_id(" ".join(record.paper.title.split()[:3])) or "its-name"
            faults.append(f"{record.paper.title!r} gives no name; choose an id, as in --id {word}")
    elif id_ and not re.match(ID_PATTERN, id_):
        tip = f", such as {minted}" if (minted := mint_id(id_)) else ""
        faults.append(f"--id {id_!r} is not an id; write lower-case words joined by hyphens{tip}")
    elif len(id_) > LONGEST_ID:
        faults.append(f"--id {id_!r} is too long; take at most {LONGEST_ID} characters")
    return id_, name


def _known(kind: str, id_: str, name: str, paper: Paper, place: str) -> dict[str, Any]:
    """Return what an entry can say without its author."""
    known: dict[str, Any] = {"id": id_, "paper": paper.key, "name": name or None}
    year = papers.first_year(paper)
    if paper.month and (paper.arxiv or paper.year == year):
        known["introduced"] = f"{year}-{paper.month:02d}"
    model = ENTRY_MODELS[kind]
    needed = {info.alias or name for name, info in model.model_fields.items() if info.is_required()}
    supports = [key for key in model.required_evidence if key in needed]
    known["evidence"] = [{"supports": supports, "source": paper.key, "place": place or None, "status": "unverified"}]
    if paper.code and "code" in model.model_fields:
        known["code"] = [{"source": paper.code, "status": "unverified", "official": True}]
        known["evidence"].append({"supports": ["code"], "source": paper.code, "place": None, "status": "unverified"})
    return known


def _hold_together(text: str, file: str, bibliography: str, catalog: Catalog, key: str) -> None:
    """Make sure that the texts say what they should, whatever the input held. Raises DraftError."""
    odd = [str(fault) for fault in Document(file, text.encode()).faults if fault.rule != "yaml-null"]
    before = catalog.bibliography[0]
    after, _, wrong = papers.parse_bibliography(bibliography)
    odd += [str(fault) for fault in wrong]
    if after.keys() != {*before, key} or any(after[name].title != paper.title for name, paper in before.items()):
        odd.append("the record would change others in the bibliography; check its braces")
    if odd:
        raise DraftError(odd)


def _entry(kind: str, file: str, values: Mapping[str, Any], catalog: Catalog) -> str:
    what = SCHEMA_OF[kind].replace("-", " ")
    lines = [
        schema_line(file),
        f"{GUIDE} A new {what}. Fill in what is empty. Take '{GUIDE} ' away from an optional field that is known,",
        f"{GUIDE} leave it where not; once nothing is empty, 'unlearning-atlas fix' removes all that has this mark.",
    ]
    for field in fields_of(kind, catalog):
        lines += _lines(field, values, catalog, 0)
    return "\n".join(lines) + "\n"


def _lines(field: Field, values: Mapping[str, Any], catalog: Catalog, indent: int) -> list[str]:
    """Write a field with its value, or its empty place with what belongs there; an optional one as a comment.

    A value of None asks for an optional field.
    """
    value = values.get(field.key)
    if value not in (None, [], (), {}):
        return _filled(field, value, catalog, indent)
    pad = " " * indent
    asked = field.required or field.key in values
    about = _about(field, catalog, asked=asked, top=not indent)
    key = f"{pad}{field.key}:"
    head, body = [], [f"{key}  {GUIDE} {about}"]
    if not indent or len(body[0]) > WIDTH:
        first = f"{pad}{GUIDE} "
        head = textwrap.wrap(
            about,
            WIDTH,
            initial_indent=first,
            subsequent_indent=f"{first}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        body = [key]
    body += _nested(field, {}, catalog, indent)
    return [*head, *(body if asked else (f"{pad}{GUIDE} {line[indent:]}" for line in body))]


def _nested(field: Field, values: Mapping[str, Any], catalog: Catalog, indent: int) -> list[str]:
    """Write the fields of one mapping below a field; what is given comes first in a list's item, then what must be."""
    start = indent + (4 if field.many else 2)
    order = field.fields
    if field.many:
        rank = {key: number for number, key in enumerate(values)}
        order = tuple(sorted(order, key=lambda child: (rank.get(child.key, len(rank)), not child.required)))
    lines = [line for child in order for line in _lines(child, values, catalog, start)]
    if field.many and lines:
        dash = next(number for number, line in enumerate(lines) if not line.lstrip().startswith(GUIDE))
        lines[dash] = f"{' ' * (start - 2)}- {lines[dash][start:]}"
    return lines


def _about(field: Field, catalog: Catalog, *, asked: bool, top: bool) -> str:
    """Say what a field is and what may stand there."""
    text = field.description if asked else f"Optional. {field.description}"
    many = "Any" if field.many else "One"
    if field.axis:
        where = catalog.file_of.get(("axis", field.axis), "taxonomy/")
        text += f" {many} of: {', '.join(field.choices)}" + (f"; see {where}." if where not in text else ".")
    elif field.refers and asked and top:
        text += f" Ids of catalog/{field.refers}/: {', '.join(field.choices)}."
    elif field.refers:
        text += f" {'Ids' if field.many else 'An id'} of catalog/{field.refers}/."
    elif not all(repr(choice) in text for choice in field.choices):
        text += f" {many} of: {', '.join(field.choices)}."
    elif field.type == "boolean":
        text += " Write true or false."
    if field.many and field.type != "object":
        text += " A list, as in [one, two]" + ("." if field.filled or not asked else ", or [] for none.")
    return text


def _filled(field: Field, value: Any, catalog: Catalog, indent: int) -> list[str]:
    pad = " " * indent
    key = f"{pad}{field.key}:"
    if field.type == "object":
        items = value if field.many else [value]
        return [key, *(line for item in items for line in _nested(field, item, catalog, indent))]
    if field.many:
        items = [scalar(item, flow=True) for item in value]
        flow = f"{key} [{', '.join(items)}]"
        return [flow] if len(flow) <= WIDTH + 2 else [key, *(f"{pad}  - {scalar(item)}" for item in value)]
    lines = clean(value).split("\n") if isinstance(value, str) else []
    if field.prose and (len(lines) > 1 or field.key in _BLOCKS):
        return [f"{key} |", *(f"{pad}  {line}".rstrip() for line in lines)]
    return [f"{key} {scalar(value)}"]


_BLOCKS = frozenset(("summary", "latex"))
"""Written as a block even where one line would do: more lines will follow, or backslashes."""


def scalar(value: str | float, *, flow: bool = False) -> str:
    """Write one value so that every YAML reader reads it back, in quotes where it needs them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    text = " ".join(clean(value).split())
    doubled = text.replace("'", "''")
    for form in (text, f'"{text}"', f"'{doubled}'"):
        document = Document("", f"key: {f'[{form}]' if flow else form}\n".encode())
        number = form == text and not text[:1].isalpha()
        if not document.faults and document.value == {"key": (text,) if flow else text} and not number:
            return form
    raise DraftError([f"{text!r} can't be written as YAML; use plain characters"])


def clean(text: str) -> str:
    """Return text with plain line breaks and no space at line ends. Raises DraftError for what can't be seen."""
    text = "\n".join(line.rstrip() for line in text.expandtabs(2).splitlines()).strip()
    if bad := unprintable(text, line_breaks=True):
        raise DraftError([f"the text {text[:30]!r} holds {bad}; remove it"])
    return text


def unprintable(text: str, *, line_breaks: bool = False) -> str:
    """Name the first character that can't be seen, and could hide what a text says; empty where there is none."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn") and not (
            line_breaks and character in "\r\n\t"
        ):
            return f"the invisible character U+{ord(character):04X}"
    return ""
