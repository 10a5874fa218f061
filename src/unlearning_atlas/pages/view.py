"""What every page needs of the catalog: names, links and the relations that point the other way."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import yaml

from unlearning_atlas.catalog import walk_terms
from unlearning_atlas.pages.markup import Html, escape, join, link, tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unlearning_atlas.atlas import Atlas
    from unlearning_atlas.history import History
    from unlearning_atlas.models import Axis, Entry, Link, Method, Result

FOLDERS = {
    "methods": "Method",
    "benchmarks": "Benchmark",
    "metrics": "Metric",
    "surveys": "Survey",
    "open_problems": "Open problem",
}
"""Kind of entry, which is also its folder on the site, to what one of it is called."""

_REPOSITORY = re.compile(r"https://github\.com/([^/]+/[^/]+?)(?:\.git)?/?$")


def anchor(axis: str, term: str = "") -> Html:
    """Return the anchor of an axis or a term on the taxonomy page; two hyphens stand in neither name."""
    # The models allow nothing but letters, digits, hyphens and underscores in either.
    return Html(f"{axis}--{term}" if term else axis)


class Survey:
    """The catalog with everything that takes a pass over all entries, made once for all pages."""

    def __init__(self, atlas: Atlas, repo_url: str = "", site_url: str = "", history: History | None = None) -> None:
        self.atlas = atlas
        self.repo_url = repo_url.rstrip("/")
        self.site_url = site_url
        self.history = history

    @cached_property
    def referring(self) -> dict[str, list[tuple[str, Link]]]:
        """Method → (id of another method, its relation to this one)."""
        found = defaultdict(list)
        for id_, method in self.atlas.methods.items():
            for relation in method.relations:
                found[relation.target].append((id_, relation))
        return dict(found)

    @cached_property
    def results(self) -> dict[tuple[str, str], list[tuple[str, Result]]]:
        """(Kind, id) of a benchmark or a metric → (id of a method, a number it reports there)."""
        found: dict[tuple[str, str], list[tuple[str, Result]]] = defaultdict(list)
        for id_, method in self.atlas.methods.items():
            for result in method.reported_results:
                found["benchmarks", result.benchmark].append((id_, result))
                found["metrics", result.metric].append((id_, result))
        return dict(found)

    @cached_property
    def numbers(self) -> dict[tuple[str, str], Counter[str]]:
        """(Kind, id) of a benchmark or a metric → id of a method → how many numbers it reports there."""
        return {key: Counter(id_ for id_, _ in found) for key, found in self.results.items()}

    @cached_property
    def covered_by(self) -> dict[tuple[str, str], list[str]]:
        """(Survey, "seen" or "inferred") → the methods it covers in that way."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for id_, method in self.atlas.methods.items():
            for item in method.surveys:
                found[item.survey, item.status].append(id_)
        return dict(found)

    @cached_property
    def posed_by(self) -> dict[str, list[str]]:
        """Survey → the open problems that name it among those who pose them."""
        found = defaultdict(list)
        for id_, problem in self.atlas.open_problems.items():
            named = {item.source for item in problem.posed_by} | {problem.paper_key}
            for survey in sorted(named & set(self.atlas.surveys)):
                found[survey].append(id_)
        return dict(found)

    @cached_property
    def names(self) -> dict[str, dict[str, str]]:
        """Kind → id → name."""
        return {kind: {id_: e.name for id_, e in entries.items()} for kind, entries in self.atlas.collections.items()}

    @cached_property
    def short(self) -> dict[str, str]:
        """Method → the shortest of its names, for where there is little room."""
        return {id_: min((m.name, *m.aliases), key=len) for id_, m in self.atlas.methods.items()}

    @cached_property
    def above(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Axis → term → the terms above it."""
        return {name: {term.id: above for term, above in walk_terms(axis.terms)} for name, axis in self.taxonomy}

    @cached_property
    def taxonomy(self) -> list[tuple[str, Axis]]:
        """The axes in the order in which a reader should meet them."""
        first = ("family", "paradigm", "access_level", "objective", "intervention", "target", "modality")
        axes = self.atlas.taxonomy
        return [(name, axes[name]) for name in sorted(axes, key=lambda n: (first.index(n) if n in first else 99, n))]

    @cached_property
    def terms_of(self) -> dict[str, list[str]]:
        """Method → what it is found by, as ``facet:term``, terms above the named ones included."""
        return self.found_by("methods")

    def found_by(self, kind: str) -> dict[str, list[str]]:
        """Return, for each entry of a kind, what it is found by; see :attr:`terms_of`."""
        entries = self.atlas.collections[kind]
        found: dict[str, list[str]] = {id_: [] for id_ in entries}
        for facet, terms in entries.facets().items():
            for term, count in terms.items():
                if count:
                    for id_ in entries.select({facet: term}):
                        found[id_].append(f"{facet}:{term}")
        return found

    @cached_property
    def gaps(self) -> dict[str, str]:
        """Method → why a small transformer cannot show it, for those of which that is so."""
        path = self.atlas.root / "reference_impls" / "gaps.yaml"
        if not path.is_file():
            return {}
        with path.open("rb") as file:  # from a file, a message on its YAML names the file
            found: dict[str, str] = yaml.safe_load(file) or {}
        return found

    def code(self, method: Method) -> str:
        """Return the source of a method's reference implementation, or nothing when the file is not there."""
        path = self.atlas.root / "reference_impls" / f"{method.id.replace('-', '_')}.py"
        return path.read_text("utf-8") if path.is_file() else ""


@dataclass(frozen=True, slots=True)
class View:
    """The survey as seen from one page. ``up`` leads from the page to the site's root: ``../../`` for an entry."""

    survey: Survey
    up: str

    @property
    def atlas(self) -> Atlas:
        """The catalog."""
        return self.survey.atlas

    def entry(self, kind: str, id_: str) -> Html:
        """Return a link to an entry's page."""
        return tag("a", self.survey.names[kind][id_], href=f"{self.up}{kind}/{id_}/")

    def entries(self, kind: str, ids: Iterable[str]) -> Html:
        """Return links to entries, separated by commas."""
        return join((self.entry(kind, id_) for id_ in ids), ", ")

    def term(self, axis: str, term: str) -> Html:
        """Return a link to a term's definition."""
        label = self.atlas.taxonomy.label(axis, term)
        return tag("a", label, href=Html(f"{self.up}taxonomy/#{anchor(axis, term)}"))

    def terms(self, axis: str, terms: Iterable[str]) -> Html:
        """Return links to terms, separated by commas."""
        return join((self.term(axis, term) for term in terms), ", ")

    def filtered(self, label: str, facet: str, term: str) -> Html:
        """Return a link to the table of methods, narrowed to a term."""
        return tag("a", label, href=Html(f"{self.up}methods/?{facet}={term}"))

    def source(self, source: str, commit: str | None = None) -> Html:
        """Return a link to a paper in its short form, to a repository at a commit, or to a web address."""
        if repository := _REPOSITORY.match(source):
            return link(repository[1], f"https://github.com/{repository[1]}{f'/tree/{commit}' if commit else ''}")
        if "://" in source:
            return link(source.split("://", 1)[1].rstrip("/"), source)
        paper = self.atlas.papers[source]
        return link(paper.citation, paper.url)

    def edit(self, entry: Entry) -> Html:
        """Return a link to the entry's file in the repository's editor, or the file's name without a repository."""
        file = f"catalog/{entry.kind}/{entry.id}.yaml"
        if not self.survey.repo_url:
            return join(["This entry is ", tag("code", file), "."])
        address = f"{self.survey.repo_url}/edit/main/{file}"
        return join([link("Edit this entry", address), escape(" in "), tag("code", file), "."])
