"""Rules about one entry, read with the rest of the catalog at hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from unlearning_atlas.faults import did_you_mean, listing, suggest
from unlearning_atlas.lint.engine import Loc, Problem, Rule, Subject
from unlearning_atlas.lint.tex import tex_problem
from unlearning_atlas.models import Benchmark, Method, Metric, Sourced
from unlearning_atlas.references import fields, models

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check_id(subject: Subject) -> Iterator[Problem]:
    if subject.entry.id != subject.id:
        tip = f"write 'id: {subject.id}', or rename the file to {subject.entry.id}.yaml"
        yield Problem(f"id {subject.entry.id!r} is not the file's name {subject.id!r}", ("id",), tip)


def _check_references(subject: Subject) -> Iterator[Problem]:
    catalog = subject.catalog
    papers, paper_lines, bib_faults = catalog.bibliography
    for loc, ref, value in catalog.references[subject.kind, subject.id]:
        if ref.to == "term":
            if (terms := catalog.terms.get(ref.axis)) is None:
                continue  # the axis' own file is at fault
            allowed = catalog.allowed_terms(ref.axis, under=ref.under, leaf=ref.leaf)
            if value not in allowed:
                known = value in terms
                what = f"term {value!r} can't stand here" if known else f"unknown {ref.axis} term {value!r}"
                near = did_you_mean(suggest(value, allowed))
                yield Problem(f"{what}{near}", loc, f"allowed: {listing(allowed)}")
        elif ref.to in ("paper", "source"):
            # Where the bibliography can't be read, what is missing may stand in the part that is broken.
            if "://" not in value and value not in papers and value not in paper_lines and not bib_faults:
                near = did_you_mean(suggest(value, papers))
                yield Problem(f"no paper {value!r} in references.bib{near}", loc, "add it to catalog/references.bib")
        elif value not in catalog.known(ref.to):
            near = did_you_mean(suggest(value, catalog.known(ref.to)))
            tip = f"write an id of catalog/{ref.to}/, or add that entry"
            yield Problem(f"no entry {value!r} in {ref.to}{near}", loc, tip)
    successor, others = subject.entry.superseded_by, catalog.known(subject.kind) - {subject.id}
    if successor is not None and successor not in others:
        near = did_you_mean(suggest(successor, others))
        tip = f"write another id of catalog/{subject.kind}/"
        yield Problem(f"no other entry {successor!r} in {subject.kind}{near}", ("superseded_by",), tip)


def _check_evidence_paths(subject: Subject) -> Iterator[Problem]:
    keys = [key for key in fields(type(subject.entry)) if key not in ("id", "evidence")]
    value = subject.document.value
    for number, evidence in enumerate(subject.entry.evidence):
        for position, path in enumerate(evidence.supports):
            loc = ("evidence", number, "supports", position)
            head, _, rest = path.partition(".")
            if head not in value:
                what = "is not filled in" if head in keys else "is not a field"
                near = "" if head in keys else did_you_mean(suggest(head, keys))
                yield Problem(f"{head!r} {what}{near}", loc, "name a field that this entry has")
            elif rest and rest not in _items(value[head]):
                allowed = listing(sorted(_items(value[head]))) or "none: name the whole field"
                yield Problem(f"{head} has no item {rest!r}", loc, f"items of {head}: {allowed}")


def _items(value: object) -> set[str]:
    """Name the items of a field's value: strings of a list, ids or names of its mappings, keys of a mapping."""
    if isinstance(value, dict):
        return set(value)
    if not isinstance(value, tuple):
        return set()
    found = {item for item in value if isinstance(item, str)}
    for item in value:
        if isinstance(item, dict):
            found |= {str(item[key]) for key in ("name", "target", "source", "setting") if key in item}
    return found


def _check_evidence_coverage(subject: Subject) -> Iterator[Problem]:
    supported = {path for evidence in subject.entry.evidence for path in evidence.supports}
    value = subject.document.value
    for name in subject.entry.required_evidence:
        if not value.get(name) or name in supported:
            continue
        items = _items(value[name])
        missing = sorted(item for item in items if f"{name}.{item}" not in supported)
        if not items or len(missing) == len(items):
            yield Problem(
                f"nothing supports {name!r}", ("evidence",), f"add an evidence item with supports: [{name}]", key=True
            )
        elif missing:
            yield Problem(f"nothing supports {listing(f'{name}.{item}' for item in missing)}", (name,), key=True)


def _check_verified(subject: Subject) -> Iterator[Problem]:
    for loc, item in models(subject.entry):
        if not isinstance(item, Sourced) or item.status != "verified":
            continue
        if item.checked is None:
            yield Problem("'verified' without the day it was read", (*loc, "status"), 'add checked: "YYYY-MM-DD"')
        if item.place is None:
            yield Problem(
                "'verified' without the place it stands at", (*loc, "status"), "add place: section, table or file"
            )
        if item.commit is None and re.match(r"https://(www\.)?(github|gitlab)\.com/[^/]+/[^/]+/?$", item.source):
            yield Problem("a repository was read, but not which commit", (*loc, "source"), 'add commit: "..."')


def _check_repository(subject: Subject) -> Iterator[Problem]:
    for number, code in enumerate(getattr(subject.entry, "code", ())):
        if "://" not in code.source:
            yield Problem("public code needs an address, not a paper", ("code", number, "source"))


_MARKUP = re.compile(r"</?[a-zA-Z!][^>]*>|\]\(|`|\$|\*\*|\{\{|&[a-z]+;")
_PLAIN_TEXT = frozenset({"text", "summary", "note", "place", "meaning", "reduction", "name", "training", "inference"})


def _check_plain_text(subject: Subject) -> Iterator[Problem]:
    yield from _markup(subject.document.value, ())


def _markup(value: object, loc: Loc) -> Iterator[Problem]:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(item, str):
                yield from _markup(item, (*loc, key))
            elif key in _PLAIN_TEXT and (found := _MARKUP.search(item)):
                yield Problem(f"{key} holds markup: {found[0]!r}", (*loc, key))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _markup(item, (*loc, number))


def _check_tex(subject: Subject) -> Iterator[Problem]:
    for loc, item in models(subject.entry):
        for key in ("latex", "symbol"):
            if key in type(item).model_fields and (found := tex_problem(getattr(item, key))):
                yield Problem(f"{key}: {found[0]}", (*loc, key), found[1])


def _check_introduced(subject: Subject) -> Iterator[Problem]:
    paper = subject.catalog.bibliography[0].get(subject.entry.paper_key)
    if paper and (match := re.match(r"([0-9]{2})([0-9]{2})\.", paper.arxiv)):
        month = f"20{match[1]}-{match[2]}"
        if subject.entry.introduced > month and subject.kind != "open_problems":
            message = f"introduced {subject.entry.introduced} is later than its paper's arXiv id {paper.arxiv}"
            yield Problem(message, ("introduced",), f'write "{month}", or the month of an earlier version')
    elif paper and int(subject.entry.introduced[:4]) > paper.year:
        message = f"introduced {subject.entry.introduced} is later than its paper, published {paper.year}"
        yield Problem(message, ("introduced",), "write the month of the first public version")


def _check_relations(subject: Subject) -> Iterator[Problem]:
    if not isinstance(subject.entry, Method):
        return
    for number, link in enumerate(subject.entry.relations):
        target = subject.catalog.entries["methods"].get(link.target)
        loc = ("relations", number, "target")
        if link.target == subject.id:
            yield Problem("a method can't relate to itself", loc, "name the other method")
        elif target and target.introduced > subject.entry.introduced and link.type not in ("attacks", "reduces-to"):
            message = f"{link.type} {link.target!r}, which is newer ({target.introduced})"
            yield Problem(message, loc, "write the relation once, in the newer method's entry")


def _check_results(subject: Subject) -> Iterator[Problem]:
    if not isinstance(subject.entry, Method):
        return
    for number, result in enumerate(subject.entry.reported_results):
        metric = subject.catalog.entries["metrics"].get(result.metric)
        if not isinstance(metric, Metric):
            continue
        low, high = metric.range.minimum, metric.range.maximum
        if (low is not None and result.value < low) or (high is not None and result.value > high):
            span = f"{'-inf' if low is None else low} to {'inf' if high is None else high}"
            yield Problem(
                f"{result.value} is outside the range of {result.metric}: {span}", ("reported_results", number, "value")
            )


def _check_trials(subject: Subject) -> Iterator[Problem]:
    if not isinstance(subject.entry, Method):
        return
    for number, trial in enumerate(subject.entry.robustness):
        attack = subject.catalog.entries["metrics"].get(trial.attack)
        if isinstance(attack, Metric) and attack.role != "attack":
            yield Problem(f"{trial.attack!r} is no attack but a {attack.role}", ("robustness", number, "attack"))


_KEPT_ON_DATA = frozenset({"nll-on-retain", "activation-anchoring", "preference-on-retain"})
"""Terms of the retain side that are computed on data to be kept."""
_INSIDE = frozenset({"weights", "activations"})
"""What nobody can change who sees no more of the model than its scores; terms below count as well."""


def _check_agreement(subject: Subject) -> Iterator[Problem]:
    """Look for fields of one method, or of a method and what it names, that can't both be true."""
    method, catalog = subject.entry, subject.catalog
    if not isinstance(method, Method):
        return
    needs, retain = method.needs, set(method.objective.retain)
    if needs.retain_set == needs.extra_data == "none" and (term := next(iter(sorted(retain & _KEPT_ON_DATA)), "")):
        yield Problem(
            f"keeps the rest by {term!r} but needs no data for it",
            ("needs", "retain_set"),
            "name the data it needs, or correct objective.retain",
        )
    terms = catalog.terms.get("intervention", {})
    changed = {name for term in method.intervention if term in terms for name in (term, *terms[term][1])}
    # Where the weights stay, the model itself is the reference.
    if "kl-to-reference" in retain and needs.reference_model == "none" and "weights" in changed:
        tip = "name the reference model it needs, or correct objective.retain"
        yield Problem("keeps the rest by 'kl-to-reference' but needs no reference", ("needs", "reference_model"), tip)
    if set(method.access_level) <= {"logits", "text-api"}:
        for number, term in enumerate(method.intervention):
            if term in terms and _INSIDE & {term, *terms[term][1]}:
                what = f"changes {term!r} with no more access than {listing(method.access_level)}"
                yield Problem(what, ("intervention", number), "correct access_level or intervention")
    if "text-api" in method.access_level and len(method.access_level) == 1 and "output-logits" in method.intervention:
        tip = "correct access_level or intervention"
        yield Problem("changes 'output-logits' through a text API", ("intervention",), tip)
    known = catalog.terms.get("modality", {}).keys()
    for number, id_ in enumerate(method.benchmarks):
        benchmark = catalog.entries["benchmarks"].get(id_)
        if not isinstance(benchmark, Benchmark) or not {*benchmark.modality, *method.modality} <= known:
            continue
        if not set(benchmark.modality) & set(method.modality):
            what = f"reports on {id_!r}, whose modality is {listing(benchmark.modality)}"
            yield Problem(f"{what}, not {listing(method.modality)}", ("benchmarks", number), "correct one of the two")
    for number, result in enumerate(method.reported_results):
        if result.benchmark not in method.benchmarks:
            what = f"a number on {result.benchmark!r}, which 'benchmarks' does not name"
            yield Problem(what, ("reported_results", number, "benchmark"), "name the benchmark in both, or in neither")
    met: dict[tuple[str, bool], str] = {}
    for number, link in enumerate(method.relations):
        # That an equation contains another as a limit may be said besides how the one came from the other.
        first = met.setdefault((link.target, link.type == "reduces-to"), f"{link.type}, {number}")
        if first != f"{link.type}, {number}":
            what = f"a second relation to {link.target!r}: {link.type} besides {first.partition(',')[0]}"
            yield Problem(what, ("relations", number, "target"), "keep the one that says most")


def _check_implementation(subject: Subject) -> Iterator[Problem]:
    if not isinstance(subject.entry, Method):
        return
    file = f"reference_impls/{subject.id.replace('-', '_')}.py"
    exists = (subject.catalog.root / file).is_file()
    if subject.entry.implementation is not None and not exists:
        yield Problem(
            f"there is no {file}", ("implementation",), "add the file, or leave 'implementation' out", key=True
        )
    elif subject.entry.implementation is None and exists:
        yield Problem(f"{file} is not described", (), "add 'implementation' with its status and differences")


RULES = (
    Rule("id-file", "entry", "An entry's id is its file's name.", _check_id, "make them the same"),
    Rule(
        "reference", "entry", "Every term, paper and entry that is named exists.", _check_references, "correct the name"
    ),
    Rule(
        "evidence-field",
        "entry",
        "Evidence supports fields that are there.",
        _check_evidence_paths,
        "name a field that this entry has",
    ),
    Rule(
        "evidence-missing",
        "entry",
        "Every field that matters has evidence.",
        _check_evidence_coverage,
        "add evidence for it",
    ),
    Rule(
        "evidence-verified",
        "entry",
        "What is verified says where and when it was read, and at which commit.",
        _check_verified,
        "add what is missing, or write 'unverified'",
    ),
    Rule("code-address", "entry", "Public code has an address.", _check_repository, "write the repository's address"),
    Rule(
        "plain-text",
        "entry",
        "Prose is plain text: no Markdown, HTML or dollar signs.",
        _check_plain_text,
        "write plain words; mathematics belongs into an equation",
    ),
    Rule("tex", "entry", "LaTeX is balanced and uses macros that browsers can draw.", _check_tex, "correct the LaTeX"),
    Rule(
        "introduced",
        "entry",
        "An entry is not younger than its paper's arXiv id.",
        _check_introduced,
        "correct the month",
    ),
    Rule(
        "relation",
        "entry",
        "Relations point from the newer method to another, older one.",
        _check_relations,
        "turn it round",
    ),
    Rule(
        "result-range",
        "entry",
        "A reported value lies in its metric's range.",
        _check_results,
        "check the number, its unit and the metric",
    ),
    Rule(
        "attack",
        "entry",
        "What was tried on a method is an attack.",
        _check_trials,
        "name an entry of role 'attack', or move the number to reported_results",
    ),
    Rule(
        "agreement",
        "entry",
        "What a method needs, changes, reports and relates to can all be true at once.",
        _check_agreement,
        "correct one of the two",
    ),
    Rule(
        "implementation",
        "entry",
        "An entry and its file in reference_impls/ know of each other.",
        _check_implementation,
        "add the one that is missing",
    ),
)
