"""Rules about the catalog as a whole: the vocabulary, the bibliography, and what entries share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from unlearning_atlas.faults import did_you_mean, suggest
from unlearning_atlas.lint.engine import Problem, Rule
from unlearning_atlas.models import ENTRY_MODELS
from unlearning_atlas.papers import FILE, first_year, mint_key, parse_bibliography, split_bibliography, with_field
from unlearning_atlas.references import axes, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.catalog import Catalog


def _check_bibtex(catalog: Catalog) -> Iterator[Problem]:
    """Report what bibtexparser could not read."""
    for fault in catalog.bibliography[2]:
        yield Problem(fault.message, tip=fault.tip, line=fault.line, file=fault.file)


def _check_keys(catalog: Catalog) -> Iterator[Problem]:
    papers, lines, _ = catalog.bibliography
    for key, paper in papers.items():
        wanted = mint_key(paper.authors, paper.title, first_year(paper))
        if key.rstrip("abcdefgh") != wanted.rstrip("abcdefgh") and key != wanted:
            tip = f"call it {wanted}, with a letter behind it if that is taken"
            yield Problem(
                f"key {key!r} does not follow from author, year and title", tip=tip, line=lines[key], file=FILE
            )


def _check_orphans(catalog: Catalog) -> Iterator[Problem]:
    papers, lines, _ = catalog.bibliography
    used = {value for _, _, value in _paper_references(catalog)}
    if catalog.faults:
        return  # an entry that could not be read may be the one that cites it
    for key, paper in papers.items():
        if key not in used and not paper.triage:
            yield Problem(f"nothing cites {key!r}", line=lines[key], file=FILE)


def _owners(catalog: Catalog) -> dict[str, str]:
    """Name the entry that each paper has; posing an open problem is no entry of a paper."""
    return {
        entry.paper_key: f"{kind}/{id_}"
        for kind, entries in catalog.entries.items()
        if kind != "open_problems"
        for id_, entry in entries.items()
    }


def _check_triage(catalog: Catalog) -> Iterator[Problem]:
    papers, lines, _ = catalog.bibliography
    owner = _owners(catalog)
    for key, paper in papers.items():
        if paper.triage and key in owner:
            message = f"{key}: keywords = {{{paper.triage}}}, but {owner[key]} is its entry"
            yield Problem(message, line=lines[key], file=FILE)


def _fix_triage(file: str, text: str, catalog: Catalog) -> str:
    if file != FILE:
        return text
    owner = _owners(catalog)
    for key, paper in parse_bibliography(text)[0].items():
        if paper.triage and key in owner:
            text = text.replace(paper.bibtex, with_field(paper.bibtex, "keywords", None), 1)
    return text


def _paper_references(catalog: Catalog) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    """Yield (file, place, key) for every paper that an entry or a term names."""
    for owner, references in catalog.references.items():
        for loc, ref, value in references:
            if ref.to in ("paper", "source") and "://" not in value:
                yield catalog.file_of[owner], loc, value
    for name, axis in catalog.axes.items():
        for loc, _, value in walk(axis):
            if "://" not in value:
                yield catalog.file_of["axis", name], loc, value


def _check_same_paper(catalog: Catalog) -> Iterator[Problem]:
    papers, lines, _ = catalog.bibliography
    met: dict[str, str] = {}
    for key, paper in papers.items():
        for mark in filter(None, (paper.arxiv, re.sub(r"\W", "", paper.title.lower()))):
            if met.setdefault(mark, key) != key:
                message = f"{key!r} is the same paper as {met[mark]!r}"
                yield Problem(message, tip="keep one and cite that", line=lines[key], file=FILE)
                break


def _check_arxiv(catalog: Catalog) -> Iterator[Problem]:
    papers, lines, _ = catalog.bibliography
    for key, paper in papers.items():
        if paper.arxiv and not re.fullmatch(r"[0-9]{2}(0[1-9]|1[0-2])\.[0-9]{4,5}|[a-z-]+/[0-9]{7}", paper.arxiv):
            yield Problem(f"{key}: {paper.arxiv!r} is not an arXiv id", line=lines[key], file=FILE)
        elif paper.arxiv and first_year(paper) > paper.year:
            message = f"{key}: published {paper.year}, before its arXiv id {paper.arxiv}"
            yield Problem(message, tip="check year and eprint", line=lines[key], file=FILE)
        years = [int(year) for year in re.findall(r"\b(?:19|20)[0-9]{2}\b", paper.venue)]
        # Proceedings may appear in the year after the conference, never before it.
        if years and not max(years) <= paper.year <= max(years) + 1:
            message = f"{key}: published {paper.year}, but the venue is {paper.venue!r}"
            yield Problem(message, tip="write the year of the venue", line=lines[key], file=FILE)


def _check_bib_order(catalog: Catalog) -> Iterator[Problem]:
    keys = list(catalog.bibliography[1])
    for key, wanted in zip(keys, sorted(keys), strict=True):
        if key != wanted:
            yield Problem(f"{key!r} stands where {wanted!r} should", line=catalog.bibliography[1][key], file=FILE)
            return


def _fix_bib_order(file: str, text: str, _catalog: Catalog) -> str:
    if file != FILE:
        return text
    library = split_bibliography(text)
    if library.failed_blocks or len(library.blocks) != len(library.entries):
        return text  # nothing may be lost: a file with comments or faults is sorted by hand
    ordered = sorted(library.entries, key=lambda entry: str(entry.key))
    return "\n\n".join((entry.raw or "").strip() for entry in ordered) + "\n"


def _check_terms(catalog: Catalog) -> Iterator[Problem]:
    for name, axis in catalog.axes.items():
        file = catalog.file_of["axis", name]
        met: set[str] = set()
        for loc, term in _terms_with_loc(axis.terms, ("terms",)):
            if term.id in met:
                tip = "make term ids unique in an axis"
                yield Problem(f"term {term.id!r} stands twice in {name}", (*loc, "id"), tip, file=file)
            met.add(term.id)
        papers, paper_lines, bib_faults = catalog.bibliography
        for loc, _, value in walk(axis):
            if "://" not in value and value not in papers and value not in paper_lines and not bib_faults:
                near = did_you_mean(suggest(value, papers))
                tip = "add it to catalog/references.bib"
                yield Problem(f"no paper {value!r} in references.bib{near}", loc, tip, file=file)
        for loc, term in _terms_with_loc(axis.terms, ("terms",)):
            if (term.source is None) != (term.status is None):
                what = "a source but no status" if term.source else "a status but no source"
                yield Problem(
                    f"term {term.id!r} has {what}", loc, "give both, or neither for a term of our own", file=file
                )


def _check_axes(catalog: Catalog) -> Iterator[Problem]:
    if any(document.faults for file, document in catalog.documents.items() if file.startswith("taxonomy/")):
        return  # an axis that could not be read may be the one that is missing
    for axis in sorted(axes() - set(catalog.axes)):
        near = did_you_mean(suggest(axis, catalog.axes))
        yield Problem(f"no axis {axis!r}{near}", tip=f"add a file with 'axis: {axis}'", file="taxonomy", line=1)


def _terms_with_loc(terms: tuple, loc: tuple) -> Iterator[tuple]:  # type: ignore[type-arg]
    for number, term in enumerate(terms):
        yield (*loc, number), term
        yield from _terms_with_loc(term.children, (*loc, number, "children"))


def _check_names(catalog: Catalog) -> Iterator[Problem]:
    for kind, entries in catalog.entries.items():
        met: dict[str, str] = {}
        for id_, entry in entries.items():
            for loc, name in (
                (("id",), entry.id),
                (("name",), entry.name),
                *((("aliases", number), alias) for number, alias in enumerate(entry.aliases)),
            ):
                owner = met.setdefault(re.sub(r"[\W_]", "", name.lower()) or name, id_)
                if owner != id_:
                    file = catalog.file_of[kind, id_]
                    tip = "keep the name with one of them; different things need different names"
                    yield Problem(f"{name!r} is already a name of {owner!r}", loc, tip, file=file)


def _check_files(catalog: Catalog) -> Iterator[Problem]:
    for folder, wanted in (("taxonomy", "axis"), *((f"catalog/{kind}", "entry") for kind in ENTRY_MODELS)):
        for path in sorted((catalog.root / folder).glob("*")):
            if path.suffix != ".yaml":
                file = path.relative_to(catalog.root).as_posix()
                yield Problem(f"not the file of an {wanted}", tip="end its name in .yaml, or move it away", file=file)


def _check_cycles(catalog: Catalog) -> Iterator[Problem]:
    """Lineage has no cycles: following 'extends', 'combines', 'fixes' and 'variant-of' never leads back."""
    older = {
        id_: [link.target for link in getattr(entry, "relations", ()) if link.type not in ("attacks", "reduces-to")]
        for id_, entry in catalog.entries["methods"].items()
    }
    done: set[str] = set()

    def visit(id_: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if id_ in path:
            yield (*path[path.index(id_) :], id_)
        elif id_ not in done:
            for target in older.get(id_, ()):
                yield from visit(target, (*path, id_))
            done.add(id_)

    for start in older:
        for cycle in visit(start, ()):
            file = catalog.file_of["methods", cycle[0]]
            yield Problem(f"lineage runs in a circle: {' -> '.join(cycle)}", ("relations",), file=file, key=True)


RULES = (
    Rule("bibtex", "catalog", "references.bib can be read whole.", _check_bibtex, "correct the record"),
    Rule("bibtex-key", "catalog", "A key is made of author, year and title.", _check_keys, "rename the key"),
    Rule(
        "bibtex-orphan",
        "catalog",
        "Every record is cited somewhere, or waits for an entry.",
        _check_orphans,
        "cite it in an entry, or say with 'keywords' what entry it waits for",
    ),
    Rule(
        "bibtex-triage",
        "catalog",
        "Only papers without an entry say what they wait for.",
        _check_triage,
        "run 'unlearning-atlas fix'",
        _fix_triage,
    ),
    Rule("bibtex-twice", "catalog", "One paper has one record.", _check_same_paper, "keep one"),
    Rule(
        "bibtex-arxiv",
        "catalog",
        "arXiv ids look like one, and arXiv id, year and venue agree.",
        _check_arxiv,
        "correct it",
    ),
    Rule(
        "bibtex-order",
        "catalog",
        "Records stand in the order of their keys.",
        _check_bib_order,
        "run 'unlearning-atlas fix'",
        _fix_bib_order,
    ),
    Rule("term", "catalog", "Terms are unique and have their source.", _check_terms, "correct the term"),
    Rule("axis-missing", "catalog", "Every axis that entries need is there.", _check_axes, "add its file"),
    Rule("name-taken", "catalog", "No two entries of a kind share a name.", _check_names, "choose another name"),
    Rule("stray-file", "catalog", "The data folders hold data only.", _check_files, "move it away"),
    Rule("lineage", "catalog", "Lineage has no cycles.", _check_cycles, "remove one of the relations"),
)
