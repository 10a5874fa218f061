"""YAML files to plain values that know where they stand.

One tree, composed by libyaml, gives both the values and the positions. Plain scalars follow YAML 1.2's core schema;
what YAML 1.1 readers would read as something else is a fault, so the files mean the same to every reader. Anchors, tags
and null have no use in this catalog and are faults too.
"""

from __future__ import annotations

import gc
import re
from contextlib import contextmanager
from math import isinf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import yaml
from pydantic import ValidationError

from unlearning_atlas import models
from unlearning_atlas.faults import Fault, did_you_mean, listing, suggest
from unlearning_atlas.references import Loc, fields, model_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=models.Model)

MAX_BYTES = 512 * 1024
MAX_DEPTH = 16
_MANY = 1000

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]
except ImportError:  # a PyYAML without libyaml: slower, and with its own words for syntax errors
    _Loader: Any = yaml.BaseLoader
else:

    class _Loader(CParser):  # type: ignore[no-redef]
        """libyaml's composer without any types: every scalar arrives as text, and no tag is worked out."""

        def resolve(self, kind: object, value: object, implicit: object) -> str:
            """Leave the tag out; where there is one, it is read off the events."""
            return ""

        def descend_resolver(self, current_node: object, current_index: object) -> None:
            """Do nothing before a node: there is nothing to resolve."""

        def ascend_resolver(self) -> None:
            """Do nothing after a node: there is nothing to resolve."""


_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?$")
# Numbers to one version of YAML and text, or another number, to the other.
_AMBIGUOUS = re.compile(
    r"[-+]?(0[0-9_]+|0o[0-7]+|0b[01_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*_[0-9_]*|\.[0-9]+([eE][-+]?[0-9]+)?"
    r"|[0-9]+\.?[0-9]*[eE][-+]?[0-9]+|[0-9]+\.|[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?|\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?$"
)
_NUMBER_START = frozenset("+-.0123456789")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_BOOLEAN_WORDS = frozenset(
    form for word in ("yes", "no", "on", "off", "y", "n") for form in (word, word.capitalize(), word.upper())
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_PROPERTY = re.compile(r"(?:^|[\s\[{,])(?:&[^\s&]|!)", re.MULTILINE)
"""Where an anchor or a tag may stand: a cheap look before the events are read a second time."""


class Fix(NamedTuple):
    """A mechanical repair: replace the text between two offsets."""

    start: int
    end: int
    text: str


class Document:
    """A YAML file: its text, its value, the faults met on the way, and where each part of the value stands.

    ``value`` holds dict, tuple, str, int, float and bool only; it is None when the file could not be read at all.
    """

    __slots__ = ("faults", "file", "fixes", "root", "text", "value")

    def __init__(self, file: str, content: bytes) -> None:
        self.file = file
        self.text = ""
        self.root: yaml.Node | None = None
        self.value: Any = None
        self.faults: list[Fault] = []
        self.fixes: list[Fix] = []
        if self._decode(content) and self._compose():
            assert self.root is not None
            self.value = _Builder(self).build(self.root, 1)

    def fault(self, rule: str, message: str, tip: str, at: tuple[int, int] = (1, 1)) -> None:
        """Record a fault at (line, column)."""
        self.faults.append(Fault(self.file, *at, rule, message, tip))

    def position(self, loc: Sequence[str | int], *, key: bool = False) -> tuple[int, int]:
        """Return (line, column) of the value at a path, or of its key; of the nearest enclosing part if absent."""
        node = self.node(loc, key=key)
        return (node.start_mark.line + 1, node.start_mark.column + 1) if node else (1, 1)

    def node(self, loc: Sequence[str | int], *, key: bool = False) -> yaml.Node | None:
        """Follow a path of keys and indices through the tree as far as it goes."""
        node: yaml.Node | None = self.root
        key_node = None
        for part in loc:
            if isinstance(node, yaml.MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == part), None)
                if pair is None:
                    break
                key_node, node = pair
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = key_node = node.value[part]
            else:
                break
        return key_node if key and key_node is not None else node

    def _decode(self, content: bytes) -> bool:
        if len(content) > MAX_BYTES:
            size, limit = len(content) // 1024, MAX_BYTES // 1024
            self.fault("file-size", f"the file has {size} KiB, more than {limit}", "keep one entry in one file")
            return False
        try:
            self.text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            at = (before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
            self.fault("file-encoding", f"byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8", at)
            return False
        if self.text.startswith("\ufeff"):
            # libyaml does not count the mark, so with it every offset would be off by one.
            self.text = self.text[1:]
            self.fault("file-encoding", "the file begins with a byte order mark", "run 'unlearning-atlas fix'")
        if not self.text.strip():
            self.fault("file-empty", "the file is empty", "fill it in, or delete it")
            return False
        return True

    def _compose(self) -> bool:
        # libyaml's composer recurses in C and overflows the stack; its event stream does not.
        if sum(map(self.text.count, ("[", "{", "- ", "? "))) > _MANY and self._depth() > MAX_DEPTH:
            self.fault("yaml-depth", f"nested more than {MAX_DEPTH} levels deep", "an entry needs far fewer")
            return False
        try:
            self.root = yaml.compose(self.text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            problem = error.problem or "not YAML"
            if "escape" in problem:
                tip = "a backslash in double quotes starts an escape: write LaTeX as a | block"
            elif "tab" in problem or "cannot start any token" in problem:
                tip = "indent with spaces, and quote text that begins with @, `, % or a tab"
            elif "mapping values are not allowed" in problem:
                tip = "quote text that holds ': '"
            elif "another document" in problem:
                tip = "keep one document in a file: remove the second '---'"
            else:
                tip = "check the indentation, quotes and brackets around this place"
            self.fault("yaml-syntax", problem, tip, at)
            return False
        except yaml.reader.ReaderError as error:
            before = self.text.encode()[: error.position].decode(errors="ignore")  # libyaml counts bytes
            at = (before.count("\n") + 1, len(before) - before.rfind("\n"))
            self.fault("yaml-syntax", "a control character that YAML forbids", "remove or retype it", at)
            return False
        if self.root is None:
            self.fault("file-empty", "the file holds comments only", "fill it in, or delete it")
            return False
        if ("&" in self.text or "!" in self.text) and _PROPERTY.search(self.text):
            self._properties()
        return True

    def _properties(self) -> None:
        """Report anchors and tags, which the composed tree no longer shows."""
        for event in yaml.parse(self.text, Loader=_Loader):
            mark = event.start_mark
            at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            if getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent):
                self.fault("yaml-alias", "anchors and aliases are not used here", "write the value out", at)
            if tag := getattr(event, "tag", None):
                tip = "remove the tag and write the plain value"
                self.fault("yaml-tag", f"tag {tag!r} is not used here", tip, at)

    def _depth(self) -> int:
        """Return how deep the text nests, without building anything; 0 where it is no YAML."""
        depth = deepest = 0
        try:
            for event in yaml.parse(self.text, Loader=_Loader):
                if isinstance(event, yaml.CollectionStartEvent):
                    depth += 1
                    deepest = max(deepest, depth)
                elif isinstance(event, yaml.CollectionEndEvent):
                    depth -= 1
        except yaml.YAMLError:
            pass
        return deepest


class _Builder:
    """One walk over a composed tree: values out, faults recorded."""

    __slots__ = ("control", "document", "seen")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.seen: set[int] = set()
        # Only an escape in double quotes makes a control character that does not stand in the text itself.
        self.control = _CONTROL.search(document.text) is not None

    def build(self, node: yaml.Node, depth: int) -> Any:
        if id(node) in self.seen:
            self._fault(node, "yaml-alias", "anchors and aliases are not used here", "write the value out again")
            return ""
        self.seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if depth > MAX_DEPTH:
            self._fault(node, "yaml-depth", f"nested more than {MAX_DEPTH} levels deep", "an entry needs far fewer")
            return ()
        if isinstance(node, yaml.SequenceNode):
            return tuple([self.build(item, depth + 1) for item in node.value])
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                self._fault(key_node, "yaml-key", "a key must be a word", "write it as 'key: value'")
                continue
            if key_node.style == "" and key in _BOOLEAN_WORDS:
                self._boolean_word(key_node)
            if key in mapping:
                first = self._line_of_key(node, key)
                self._fault(
                    key_node,
                    "yaml-duplicate-key",
                    f"key {key!r} stands here again (first on line {first})",
                    "keep one: YAML readers would silently drop the other",
                )
            mapping[key] = self.build(value_node, depth + 1)
        return mapping

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        if node.style != "":
            if (self.control or node.style == '"') and _CONTROL.search(text):
                self._control(node, text)
            return text
        if text[:1] in _NUMBER_START:
            if _INT.match(text):
                return int(text) if len(text) < 20 else text
            if _FLOAT.match(text):
                if isinf(float(text)):
                    self._fault(node, "yaml-number", f"{text} is too large for a number", "check the exponent")
                return float(text)
            return self._ambiguous(node, text) if _AMBIGUOUS.match(text) else text
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if text in _NULLS:
            self._fault(
                node,
                "yaml-null",
                "the value is empty",
                "leave the key out: what is not known is absent; quote real text",
            )
        elif text in _BOOLEAN_WORDS:
            self._boolean_word(node)
        elif self.control and _CONTROL.search(text):
            self._control(node, text)
        return text

    def _fault(self, node: yaml.Node, rule: str, message: str, tip: str) -> None:
        self.document.fault(rule, message, tip, (node.start_mark.line + 1, node.start_mark.column + 1))

    def _replace(self, node: yaml.Node, text: str) -> None:
        self.document.fixes.append(Fix(node.start_mark.index, node.end_mark.index, text))

    def _boolean_word(self, node: yaml.ScalarNode) -> None:
        text = node.value
        self._fault(
            node,
            "yaml-boolean-word",
            f"{text} is a truth value to YAML 1.1 readers and text to others",
            f'write true or false, or "{text}" in quotes if you mean the word',
        )

    def _ambiguous(self, node: yaml.ScalarNode, text: str) -> str | float:
        mantissa, mark, exponent = text.lower().partition("e")
        number = mark and re.fullmatch(r"[-+]?(0|[1-9][0-9]*)\.?[0-9]*", mantissa)
        if number and re.fullmatch(r"[-+]?[0-9]+", exponent) and not isinf(float(text)):
            whole, _, fraction = mantissa.partition(".")
            sign = "" if exponent[0] in "+-" else "+"
            plain = f"{whole}.{fraction or '0'}e{sign}{exponent}"
            self._replace(node, plain)
            self._fault(
                node, "yaml-number", f"{text} is text to some YAML readers and a number to others", f"write {plain}"
            )
            return float(plain)  # where text is wanted, `parse` finds a number and asks for quotes instead
        self._replace(node, f'"{text}"')
        self._fault(
            node,
            "yaml-number",
            f"{text} is a number or a date to some YAML readers and text to others",
            f'write "{text}" in quotes if it is text, or a plain decimal number',
        )
        return text

    def _control(self, node: yaml.ScalarNode, text: str) -> None:
        found = _CONTROL.search(text)
        assert found is not None
        name = {"\t": "a TAB", "\b": "a backspace", "\f": "a form feed", "\r": "a carriage return"}.get(
            found[0], f"control character U+{ord(found[0]):04X}"
        )
        if node.style == '"':
            tip = r'in double quotes "\t", "\b", "\f" and "\r" are escapes: write LaTeX such as \theta as a | block'
        else:
            tip = "use spaces"
        self._fault(node, "yaml-control", f"the text holds {name}", tip)

    @staticmethod
    def _line_of_key(node: yaml.Node, key: str) -> int:
        first = next(pair[0] for pair in node.value if pair[0].value == key)
        return int(first.start_mark.line) + 1


def read(path: Path, file: str) -> Document:
    """Read a YAML file; ``file`` is the name it gets in messages. An unreadable file gives a document with a fault."""
    try:
        content = path.read_bytes()
    except OSError as error:
        document = Document(file, b"")
        document.faults = [Fault(file, 1, 1, "file-unreadable", f"can't be read: {error.strerror}", "check the file")]
        return document
    return Document(file, content)


def parse(document: Document, model: type[M]) -> M | None:
    """Validate a document's value against a model; return None, with every fault recorded, when it does not fit."""
    if document.value is None:
        return None
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        met = set()
        empty = {(fault.line, fault.column): fault for fault in document.faults if fault.rule == "yaml-null"}
        for detail in error.errors(include_url=False, include_context=True):
            loc = _real_loc(document, detail["loc"], absent=detail["type"] == "missing")
            fault = empty.get(document.position(loc)) if detail["input"] == "" else None
            if fault is not None and detail["type"] != "extra_forbidden":
                _ask(document, model, loc, fault)  # one fault is enough for one empty value
                continue
            if (loc, detail["type"] == "missing") not in met:  # a union reports once for each of its members
                met.add((loc, detail["type"] == "missing"))
                _translate(document, model, loc, detail)
        return None


def _real_loc(document: Document, loc: Loc, *, absent: bool) -> Loc:
    """Drop what pydantic puts into a location besides the file's own keys and indices."""
    value = document.value
    real: list[str | int] = []
    for part in loc:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            if absent and part == loc[-1]:
                real.append(part)
            break
        real.append(part)
    return tuple(real)


_FORMS = {
    models.ID_PATTERN: "lower-case words joined by hyphens, such as grad-diff",
    models.KEY_PATTERN: "a BibTeX key: last name, year and first word of the title, such as zhang2024negative",
    models.SOURCE_PATTERN: "a BibTeX key such as zhang2024negative, or an address that begins with https://",
    models.MONTH_PATTERN: 'a month in quotes, such as "2024-04"',
    models.DAY_PATTERN: 'a day in quotes, such as "2026-11-23"',
    models.AXIS_PATTERN: "lower-case words joined by underscores, such as access_level",
    models.COMMIT_PATTERN: 'a commit in quotes: 7 to 40 hexadecimal digits, such as "1207bbe"',
    models.URL_PATTERN: "an address that begins with http:// or https://",
    models.LINE_PATTERN: "one line of text without spaces at its ends",
    models.TEXT_PATTERN: "some text",
}
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
}


def _info(model: type[models.Model], loc: Loc) -> FieldInfo | None:
    """Return what a model says of the field at a place, or None where it has no such field."""
    owner = model_at(model, loc[:-1])
    return next((i for a, i in owner.model_fields.items() if (i.alias or a) == loc[-1]), None) if owner else None


def _ask(document: Document, model: type[models.Model], loc: Loc, fault: Fault) -> None:
    """Where an empty value may not be left out, say what belongs there."""
    info = _info(model, loc)
    if fault in document.faults and info is not None and info.is_required():
        asking = fault._replace(
            rule="missing-value", message=f"{'.'.join(map(str, loc))} is empty", tip=f"fill it in: {info.description}"
        )
        document.faults[document.faults.index(fault)] = asking


def _translate(document: Document, model: type[models.Model], loc: Loc, detail: ErrorDetails) -> None:
    """Say what pydantic found in the words of the file's author."""
    kind, got = detail["type"], detail["input"]
    name = ".".join(map(str, loc))
    at = document.position(loc)
    if kind == "missing":
        info = _info(model, loc)
        where = ".".join(map(str, loc[:-1])) or "the entry"
        tip = f"add it: {info.description}" if info and info.description else "add it"
        document.fault("missing-key", f"{where} has no {str(loc[-1])!r}", tip, document.position(loc[:-1]))
    elif kind == "extra_forbidden":
        owner = model_at(model, loc[:-1])
        allowed = list(fields(owner)) if owner else []
        near = did_you_mean(suggest(str(loc[-1]), allowed))
        at = document.position(loc, key=True)
        document.fault("unknown-key", f"unknown key {name!r}{near}", f"allowed here: {listing(allowed)}", at)
    elif kind == "literal_error":
        allowed = [part.strip("'") for part in detail.get("ctx", {})["expected"].replace(" or ", ", ").split(", ")]
        near = did_you_mean(suggest(str(got), allowed))
        document.fault("not-allowed", f"{name} can't be {_show(got)}{near}", f"allowed: {listing(allowed)}", at)
    elif kind == "string_pattern_mismatch":
        form = _FORMS[detail.get("ctx", {})["pattern"]]
        document.fault("wrong-form", f"{name} can't be {_show(got)}", f"write {form}", at)
    elif kind == "too_short" and got:
        pass  # its items are at fault, and each of them is reported
    elif kind == "too_short":
        document.fault(
            "too-short", f"{name} is empty", "give at least one, or leave the key out if it may be absent", at
        )
    elif kind == "string_type" and isinstance(got, (int, float)) and not isinstance(got, bool):
        node = document.node(loc)
        written = node.value if isinstance(node, yaml.ScalarNode) else str(got)
        what = "an arXiv id read as a number" if re.fullmatch(r"[0-9]{4}\.[0-9]{4,5}", written) else "a number"
        tip = f'write it in quotes: "{written}"'
        document.fault("wrong-type", f"{name} must be text (got {what}: {written})", tip, at)
        if isinstance(node, yaml.ScalarNode):
            start = node.start_mark.index
            document.fixes = [fix for fix in document.fixes if fix.start != start]
            document.fixes.append(Fix(start, node.end_mark.index, f'"{written}"'))
    elif kind in _TYPES:
        wanted = _TYPES[kind]
        document.fault("wrong-type", f"{name or 'the file'} must be {wanted} (got {_show(got)})", _how(wanted), at)
    else:
        document.fault("wrong-value", f"{name}: {detail['msg'].lower()} (got {_show(got)})", "correct the value", at)


def _how(wanted: str) -> str:
    if wanted == "a list":
        return "write '[one]', or one '- item' a line"
    if wanted == "keys with values":
        return "write 'key: value' lines below it, indented"
    return f"write {wanted}"


def _show(value: object) -> str:
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@contextmanager
def bulk() -> Iterator[None]:
    """Switch the garbage collector off while very many objects are made: it would scan them over and over."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
