"""Data and API: what lies where, how to ask for it, what every field means, and how to cite it."""

from __future__ import annotations

import io
from collections import Counter
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import yaml

from unlearning_atlas import api
from unlearning_atlas.audit import FOLDER, OUTCOMES, audits, error_rate
from unlearning_atlas.pages import parts
from unlearning_atlas.pages.markup import Html, bullets, document, escape, heading, join, link, pre, table, tag
from unlearning_atlas.pages.view import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from unlearning_atlas.pages.view import View

_REFERS = {
    "paper": "BibTeX key",
    "source": "BibTeX key or web address",
    **{kind: f"id of a {label.lower()}" for kind, label in FOLDERS.items()},
}
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
_LOCAL = ("http://127.0.0.1", "http://localhost")


def render(view: View, sizes: Mapping[str, int]) -> str:
    """Return the page as Markdown; ``sizes`` holds the bytes of the API's files by their path below the site."""
    site = view.survey.site_url
    blocks = [
        parts.subnav(view, "data/"),
        "# Data and API",
        tag(
            "p",
            "All that this site shows is data: one catalog, to be had as static files that need no key and no "
            "package, or in Python. Both hold the same.",
            class_="lead",
        ),
        heading("What lies where", "files"),
        *_addresses(view, sizes),
        heading("Ask over the web", "web"),
        *_web(view, site),
        heading("Ask in Python", "python"),
        tag("p", "With the package, terms stand for everything below them, and names that come close are offered."),
        pre(_session(view)),
        heading("How far to trust it", "trust"),
        *_trust(view),
        heading("Addresses stay", "stable"),
        _promise(view),
        heading("Fields", "fields", searched=False),
        *_fields(view),
        heading("Licence and citation", "cite"),
        *_licence(view),
    ]
    description = "The catalog of LLM unlearning as JSON, CSV, BibTeX and in Python."
    return document("Data and API", blocks, description=description, hide=["navigation"])


def _file(view: View, sizes: Mapping[str, int], path: str, label: str = "") -> Html:
    size = f" {_size(sizes[path])}" if not label else ""
    return join([tag("a", label or path, href=f"{view.up}{api.FOLDER}/{path}"), tag("span", size, class_="quiet")])


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e6:.1f} MB" if bytes_ >= 1e6 else f"{max(1, round(bytes_ / 1e3))} kB"


def _addresses(view: View, sizes: Mapping[str, int]) -> Iterator[str]:
    yield tag("p", "Addresses are relative to ", tag("code", f"{view.survey.site_url}{api.FOLDER}/"), ".")
    lists = {f"{kind}.{form}" for kind in FOLDERS for form in ("json", "csv")}
    others = ((path, what) for path, what in api.DOCUMENTS.items() if path not in lists)
    yield table(["File", "What it holds"], [[_file(view, sizes, path), escape(what)] for path, what in others], "data")
    kinds = []
    for kind, label in FOLDERS.items():
        first = next(iter(view.atlas.collections[kind]), None)
        one = _file(view, sizes, f"{kind}/{first}.json") if first else Html("")
        kinds.append([escape(f"{label}s"), *(_file(view, sizes, f"{kind}.{form}") for form in ("json", "csv")), one])
    yield table(
        ["Entries", "Full records", "A line each: id, name and facets", "One of them, by its id"], kinds, "data"
    )
    schemas = sorted(path for path in sizes if path.startswith("schema/"))
    of_files = [path for path in schemas if not path.endswith("-record.schema.json")]
    of_records = [path for path in schemas if path.endswith("-record.schema.json")]
    yield tag("p", "JSON Schemas, of the catalog’s YAML files: ", _schemas(view, sizes, of_files, ".schema.json"), ".")
    yield tag("p", "And of the records here: ", _schemas(view, sizes, of_records, "-record.schema.json"), ".")
    yield tag(
        "p",
        "New entries also come as ",
        tag("a", "an Atom feed", href=Html(f"{view.up}feed.xml")),
        "; the ",
        tag("a", "changelog", href=Html(f"{view.up}changelog/")),
        " has every change.",
    )


def _schemas(view: View, sizes: Mapping[str, int], paths: Iterable[str], ending: str) -> Html:
    names = ((path, path.removeprefix("schema/").removesuffix(ending)) for path in paths)
    return join((_file(view, sizes, path, name) for path, name in names), ", ")


def _web(view: View, site: str) -> Iterator[str]:
    ids = list(view.atlas.methods)
    if not ids:
        return
    id_ = _example(view)
    base = f"{site}{api.FOLDER}"
    yield tag("p", "From the shell, with curl and jq:")
    yield _code("shell", f"curl -s {base}/methods/{id_}.json | jq -r .paper.bibtex")
    yield tag("p", "In Python, with nothing but the standard library:")
    access = _access(view)
    yield _code(
        "python",
        f"""import json
from urllib.request import urlopen

with urlopen("{base}/methods.json") as answer:
    methods = json.load(answer)
for method in methods:
    if "{access}" in method["access_level"]:
        print(method["id"], method["introduced"], method["paper"]["citation"])""",
    )
    found = view.atlas.methods.where(access_level=access).values()
    yield pre("\n".join(f"{method.id} {method.introduced} {method.paper.citation}" for method in found), "answer")
    yield tag("p", "As a data frame: how many papers of each kind a year has brought.")
    yield _code(
        "python",
        f"""import pandas as pd

papers = pd.read_json("{base}/papers.json")
print(papers.pivot_table(index="year", columns="kind", values="key", aggfunc="count", fill_value=0))""",
    )


def _example(view: View) -> str:
    """Return the id of the method that the examples ask for: NPO, or the one that most others refer to."""
    methods = view.atlas.methods
    return "npo" if "npo" in methods else max(methods, key=lambda id_: len(view.survey.referring.get(id_, ())))


def _access(view: View) -> str:
    """Return the access level that the fewest methods get by with, so that an answer is short."""
    counts = view.atlas.methods.facets()["access_level"]
    return min((term for term in counts if counts[term]), key=lambda term: counts[term])


def _code(language: str, text: str) -> str:
    return f"~~~ {language}\n{text}\n~~~"


def _session(view: View) -> str:
    """Return a session with the package, its answers as this catalog gives them."""
    shown = [">>> import unlearning_atlas as ua", ">>> atlas = ua.load()"]
    for question in _questions(view):
        printed = io.StringIO()
        with redirect_stdout(printed):
            answer = eval(question, {"atlas": view.atlas})  # made below of ids and terms, which are plain words
        shown += [f">>> {question}", printed.getvalue().rstrip() if answer is None else repr(answer)]
    return "\n".join(shown)


def _questions(view: View) -> Iterator[str]:
    methods = view.atlas.methods
    yield "atlas"
    if not methods:
        return
    id_ = _example(view)
    method = methods[id_]
    yield f'atlas.methods["{id_}"].paper.title'
    if method.equation:
        yield f'print(atlas.methods["{id_}"].equation.latex)'
    yield f'list(atlas.methods.where(family="{method.family}", implementation="faithful"))'
    columns = '["id", "introduced", "family"]'
    yield f'print(atlas.methods.where(access_level="{_access(view)}").sort("introduced").to_markdown({columns}))'
    yield f'atlas.lineage("{id_}")["descendants"]'
    for task, board in view.atlas.measured.items():
        if id_ in board.methods:
            yield f'round(atlas.measured["{task}"].methods["{id_}"].average("forget"), 3)'
            break


def _trust(view: View) -> Iterator[str]:
    """Yield the counts of evidence by status, and what the audits have found."""
    about = tag("a", "evidence", href=Html(f"{view.up}about/#evidence"))
    entries = (entry for entries in view.atlas.collections.values() for entry in entries.values())
    statuses = Counter(item.status for entry in entries for item in entry.evidence)
    yield tag(
        "p",
        *("Entries rest on ", f"{statuses.total():,} pieces of ", about, ": "),
        f"{statuses['verified']:,} were read in the source, {statuses['unverified']:,} were not yet. An audit draws "
        "claims at random, whatever their status, and somebody who did not write them opens each source. What is found "
        "wrong is mended there and then, so a rate says how the catalog was when it was drawn.",
    )
    done = audits(view.atlas.root)
    rows = []
    for found in done:
        outcomes = found["outcomes"]
        rate = error_rate(outcomes)
        counts = [escape(str(outcomes[name])) for name in OUTCOMES]
        share = "" if rate is None else f"{rate:.0%}"
        rows.append([escape(found["day"]), escape(f"{found['size']}, seed {found['seed']}"), *counts, escape(share)])
    if rows:
        head = ["Day", "Claims", *(name.capitalize() for name in OUTCOMES), "Wrong of those checked"]
        yield table(head, rows, "data")
        yield bullets(join([tag("b", name.capitalize()), f": {meaning}."]) for name, meaning in OUTCOMES.items())
        command = f"unlearning-atlas audit --sample 100 --seed {1 + max(found['seed'] for found in done)}"
        yield tag("p", tag("code", command), " draws the next; ", tag("code", FOLDER), " keeps each claim and outcome.")


def _promise(view: View) -> Html:
    changelog = tag("a", "changelog", href=Html(f"{view.up}changelog/"))
    return bullets(
        [
            join(
                ["What was once published at an address stays there, for pages and files alike. A test holds the list."]
            ),
            join(
                [
                    "An id never changes and an entry is never deleted. One that is replaced keeps its page and its "
                    "record, whose field ",
                    tag("code", "superseded_by"),
                    " names its successor; the ",
                    changelog,
                    " says when.",
                ]
            ),
            join(
                [
                    "Below ",
                    tag("code", f"{api.FOLDER}/"),
                    " records may gain fields. None goes or changes its meaning: that would need a next version, "
                    "beside this one.",
                ]
            ),
            "Equal catalogs give equal bytes, keys in alphabetical order, so two states can be compared line by line.",
        ]
    )


def _fields(view: View) -> Iterator[str]:
    """Yield a folded table of fields for every kind of record, and one for the parts that records share."""
    yield tag(
        "p",
        "Records have the names of the Python attributes. Every field is in every record: what is not known, or is "
        "called absent below, is ",
        tag("code", "null"),
        ", and what there is none of is an empty list.",
    )
    schemas = api.record_schemas()
    parts_: dict[str, dict[str, Any]] = {}
    titles = {kind[:-1].replace("_", "-"): label for kind, label in FOLDERS.items()}
    titles |= {"paper": "Paper", "axis": "Axis of the taxonomy", "board": "Measurements on a task", "index": "Index"}
    for name, title in titles.items():
        schema = schemas[name]
        parts_ |= schema.get("$defs", {})
        yield tag("details", tag("summary", title), *_table(view, schema), id=f"record-{name}", class_="fields")
    yield heading("Parts of records", "parts", 3, searched=False)
    for name in sorted(parts_):
        yield tag("details", tag("summary", name), *_table(view, parts_[name]), id=_part(name), class_="fields")


def _part(name: str) -> str:
    return f"part-{name.lower()}"


def _table(view: View, schema: dict[str, Any]) -> Iterator[Html]:
    yield tag("p", schema.get("description", "").split("\n\n")[0].replace("``", ""))
    rows = [
        [tag("code", name), _type(view, part), escape(part.get("description", ""))]
        for name, part in schema["properties"].items()
    ]
    yield table(["Field", "Value", "What it says"], rows, "data fields")


def _type(view: View, part: dict[str, Any]) -> Html:
    """Say in words what a part of a JSON Schema lets pass."""
    if mark := part.get("x-ref"):
        if mark[0] != "term":
            return escape(_REFERS[mark[0]])
        return join(["term of ", tag("a", mark[1].replace("_", " "), href=f"{view.up}taxonomy/#{mark[1]}")])
    if "$ref" in part:
        name = part["$ref"].rsplit("/", 1)[1]
        return tag("a", name, href=f"#{_part(name)}")
    if "anyOf" in part:
        kinds = [_type(view, one) for one in part["anyOf"] if one.get("type") != "integer" or len(part["anyOf"]) < 3]
        return join(dict.fromkeys(kinds), " or ")
    if values := part.get("enum") or ([part["const"]] if "const" in part else []):
        return join((tag("code", value) for value in values), " or ")
    if "prefixItems" in part:
        return join(["pair of ", join((_type(view, one) for one in part["prefixItems"]), " and ")])
    if part.get("type") == "array":
        return join(["list of: ", _type(view, part["items"])])
    if part.get("type") == "object":
        inner = part.get("additionalProperties")
        return (
            join(["names with values, each: ", _type(view, inner)])
            if isinstance(inner, dict) and inner
            else escape("names with values")
        )
    return escape(_TYPES.get(part.get("type", ""), "any value"))


def _licence(view: View) -> Iterator[str]:
    data = link("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
    yield tag("p", "The catalog, the taxonomy and these files are licensed under ", data, ", the code under MIT.")
    file = view.atlas.root / "CITATION.cff"
    if file.is_file():
        yield tag(
            "p",
            "When you use the catalog, please cite it, and cite the papers of what you use: ",
            tag("code", "unlearning-atlas cite <id>"),
            " prints them, and so does the field ",
            tag("code", "paper.bibtex"),
            ".",
        )
        address = view.survey.repo_url or view.survey.site_url
        yield pre(_bibtex(yaml.safe_load(file.read_text("utf-8")), "" if address.startswith(_LOCAL) else address))


def _bibtex(citation: dict[str, Any], address: str) -> str:
    """Return BibTeX for what a CITATION.cff says."""
    authors = (
        f"{{{one['name']}}}" if "name" in one else f"{one['family-names']}, {one['given-names']}"
        for one in citation["authors"]
    )
    fields = {
        "title": f"{{{citation['title']}}}",
        "author": " and ".join(authors),
        "version": citation["version"],
        "year": str(citation["date-released"])[:4],
        "url": address,
    }
    lines = [f"  {name:<7} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join(["@software{unlearning_atlas,", *lines, "}"])
