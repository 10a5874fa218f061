"""Rules about a file's text, whatever stands in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from unlearning_atlas.lint.engine import Problem, Rule
from unlearning_atlas.loading import Document, parse
from unlearning_atlas.models import ENTRY_MODELS
from unlearning_atlas.references import fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.catalog import Catalog

SCHEMA_OF = {kind: kind[:-1].replace("_", "-") for kind in ENTRY_MODELS}
"""Kind of entry to the name of its JSON Schema."""


def schema_line(file: str) -> str:
    """Return the first line that tells editors which schema a file follows."""
    folder = file.split("/")[-2]
    if folder == "taxonomy":
        return "# yaml-language-server: $schema=../catalog/schema/axis.schema.json"
    return f"# yaml-language-server: $schema=../schema/{SCHEMA_OF[folder]}.schema.json"


def _check_schema_line(document: Document) -> Iterator[Problem]:
    wanted = schema_line(document.file)
    if document.text and document.text.split("\n", 1)[0].rstrip() != wanted:
        yield Problem("the first line does not name the schema", tip=f"begin the file with: {wanted}", line=1)


def _fix_schema_line(file: str, text: str, _catalog: Catalog) -> str:
    if not file.endswith(".yaml"):
        return text
    first, _, rest = text.partition("\n")
    return f"{schema_line(file)}\n{rest if first.startswith('# yaml-language-server:') else text}"


def _check_whitespace(document: Document) -> Iterator[Problem]:
    if not document.text:
        return
    for number, line in enumerate(document.text.split("\n"), 1):
        if line != line.rstrip():
            what = "a carriage return" if line.endswith("\r") else "spaces"
            yield Problem(f"the line ends with {what}", line=number, column=len(line.rstrip()) + 1)
    if not document.text.endswith("\n") or document.text.endswith("\n\n"):
        last = document.text.rstrip("\n").count("\n") + 1
        yield Problem("the file must end with exactly one line break", line=last)


def _fix_whitespace(_file: str, text: str, _catalog: Catalog) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n") + "\n"


GUIDE = "#:"
"""What begins each comment that guides the author of a draft; a finished entry does without."""
_GUIDE_COMMENT = re.compile(rf"^ *{GUIDE}.*\n| +{GUIDE} .*$", re.MULTILINE)


def _finished(document: Document) -> str:
    """Return a file's text without the guide of a draft; unchanged while a value is empty or does not fit."""
    text = document.text
    if GUIDE not in text or document.faults:
        return text
    without = _GUIDE_COMMENT.sub("", text)
    # In a | block the mark would be text.
    return without if Document(document.file, without.encode()).value == document.value else text


def _check_guide(document: Document) -> Iterator[Problem]:
    lines, wanted = document.text.split("\n"), _finished(document).split("\n")
    for number, line in enumerate(lines, 1):
        if number > len(wanted) or line != wanted[number - 1]:
            yield Problem("the entry is complete, but the guide of its draft still stands here", line=number)
            return


def _fix_guide(file: str, text: str, _catalog: Catalog) -> str:
    if GUIDE not in text or not file.startswith("catalog/") or not file.endswith(".yaml"):
        return text
    document = Document(file, text.encode())
    parse(document, ENTRY_MODELS[file.split("/")[-2]])
    return _finished(document)


def _key_order(document: Document) -> tuple[list[str], list[str]]:
    """Return the top-level keys as they stand and as they should."""
    if not isinstance(document.value, dict) or document.file.startswith("taxonomy/"):
        return [], []
    model = ENTRY_MODELS[document.file.split("/")[-2]]
    rank = {key: number for number, key in enumerate(key for key in fields(model) if key != "evidence")}
    present = [key for key in document.value if key in rank or key == "evidence"]
    return present, sorted(present, key=lambda key: rank.get(key, len(rank)))


def _check_key_order(document: Document) -> Iterator[Problem]:
    present, wanted = _key_order(document)
    for key, expected in zip(present, wanted, strict=True):
        if key != expected:
            yield Problem(f"key {key!r} stands where {expected!r} should", loc=(key,), key=True)
            return


def _with_comments(lines: list[str], start: int) -> int:
    """Return the line where a key's block begins: the comments right above a key belong to it."""
    while start and lines[start - 1].startswith("#") and not lines[start - 1].startswith("# yaml-language-server:"):
        start -= 1
    return start


def _fix_key_order(file: str, text: str, _catalog: Catalog) -> str:
    document = Document(file, text.encode())
    present, wanted = _key_order(document)
    root = document.root
    if present == wanted or document.faults or not isinstance(root, yaml.MappingNode) or root.flow_style:
        return text
    lines = text.split("\n")
    starts = [_with_comments(lines, key.start_mark.line) for key, _ in root.value]
    if any(line.rstrip() in ("---", "...") for line in lines[starts[0] :]):
        return text  # a marker of documents belongs to no key
    blocks = {
        key.value: lines[start:end]
        for (key, _), start, end in zip(root.value, starts, [*starts[1:], len(lines)], strict=True)
    }
    order = wanted + [key for key in blocks if key not in wanted]
    return "\n".join([*lines[: starts[0]], *(line for key in order for line in blocks[key])]).rstrip("\n") + "\n"


RULES = (
    Rule(
        "draft-guide",
        "file",
        f"The comments that guide the author of a draft, marked with {GUIDE}, go when nothing is empty any more.",
        _check_guide,
        "run 'unlearning-atlas fix'",
        _fix_guide,
    ),
    Rule(
        "schema-line",
        "file",
        "The first line names the JSON Schema, so editors complete and check while typing.",
        _check_schema_line,
        "run 'unlearning-atlas fix'",
        _fix_schema_line,
    ),
    Rule(
        "white-space",
        "file",
        "No spaces or carriage returns at line ends; one line break ends the file.",
        _check_whitespace,
        "run 'unlearning-atlas fix'",
        _fix_whitespace,
    ),
    Rule(
        "key-order",
        "file",
        "Keys stand in the schema's order, evidence last, so two entries can be read side by side.",
        _check_key_order,
        "run 'unlearning-atlas fix'",
        _fix_key_order,
    ),
)
