"""The shape of every file in ``catalog/`` and ``taxonomy/``: the one schema, in code.

A YAML file is read by :mod:`unlearning_atlas.loading`, which hands sequences over as tuples; the models here are
strict, frozen and closed (an unknown key is a fault). A field that refers to something else, a term of the taxonomy,
another entry or a paper, says so with :class:`Ref`; the reference check, the graph and the editor schema are derived
from those marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints

from unlearning_atlas.faults import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

    from unlearning_atlas.papers import Paper


@dataclass(frozen=True, slots=True)
class Ref:
    """Marks a string that names something else.

    ``to`` is ``"term"``, ``"paper"``, ``"source"`` (a BibTeX key or a web address) or a kind of entry. For a term,
    ``axis`` names the taxonomy file's axis, ``under`` the term whose subtree it must lie in, and ``leaf`` asks for a
    term without children.
    """

    to: Literal["term", "paper", "source", "methods", "benchmarks", "metrics", "surveys"]
    axis: str = ""
    under: str = ""
    leaf: bool = False

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Carry the mark into the JSON Schema, where `schema.py` turns it into an enumeration."""
        mark = [self.to, self.axis, self.under, "leaf" if self.leaf else ""] if self.to == "term" else [self.to]
        return {**handler(schema), "x-ref": mark}


ID_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
KEY_PATTERN = r"^[a-z]+[0-9]{4}[a-z0-9]+$"
SOURCE_PATTERN = r"^(https?://[^\s]+|[a-z]+[0-9]{4}[a-z0-9]+)$"
URL_PATTERN = r"^https?://[^\s]+$"
MONTH_PATTERN = r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$"
DAY_PATTERN = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
AXIS_PATTERN = r"^[a-z]+(_[a-z]+)*$"
COMMIT_PATTERN = r"^[0-9a-f]{7,40}$"
LINE_PATTERN = r"^\S(.*\S)?$"
TEXT_PATTERN = r"\S"

Line = Annotated[str, StringConstraints(pattern=LINE_PATTERN)]
"""One line of text without spaces at its ends."""
Prose = Annotated[str, StringConstraints(pattern=TEXT_PATTERN)]
"""Plain text of any length: no Markdown, no HTML."""
Tex = Annotated[str, StringConstraints(pattern=TEXT_PATTERN)]
"""LaTeX without dollar signs."""
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Month = Annotated[str, StringConstraints(pattern=MONTH_PATTERN)]
Day = Annotated[str, StringConstraints(pattern=DAY_PATTERN)]
Commit = Annotated[str, StringConstraints(pattern=COMMIT_PATTERN)]
Url = Annotated[str, StringConstraints(pattern=URL_PATTERN)]
PaperKey = Annotated[str, StringConstraints(pattern=KEY_PATTERN), Ref("paper")]
SourceRef = Annotated[str, StringConstraints(pattern=SOURCE_PATTERN), Ref("source")]
Scalar = str | bool | int | float

MethodId = Annotated[Id, Ref("methods")]
BenchmarkId = Annotated[Id, Ref("benchmarks")]
MetricId = Annotated[Id, Ref("metrics")]
SurveyId = Annotated[Id, Ref("surveys")]

FamilyTerm = Annotated[Id, Ref("term", axis="family", leaf=True)]
ParadigmTerm = Annotated[Id, Ref("term", axis="paradigm")]
AccessTerm = Annotated[Id, Ref("term", axis="access_level")]
ForgetTerm = Annotated[Id, Ref("term", axis="objective", under="forget-side", leaf=True)]
RetainTerm = Annotated[Id, Ref("term", axis="objective", under="retain-side", leaf=True)]
InterventionTerm = Annotated[Id, Ref("term", axis="intervention")]
TargetTerm = Annotated[Id, Ref("term", axis="target")]
ModalityTerm = Annotated[Id, Ref("term", axis="modality")]
GroupTerm = Annotated[Id, Ref("term", axis="metric_group", leaf=True)]

Status = Literal["verified", "unverified"]
Need = Literal["required", "optional", "none"]


class Model(BaseModel):
    """Base of all models: strict, frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        defer_build=True,
        # What is written out names every field; what is read in may leave some out.
        json_schema_serialization_defaults_required=True,
    )


class Sourced(Model):
    """Something that was read somewhere, or is said to stand there."""

    source: SourceRef = Field(description="Where it stands: a BibTeX key of references.bib or a web address.")
    commit: Commit | None = Field(None, description="For a repository: the commit that was read, 7 to 40 hex digits.")
    place: Line | None = Field(None, description="Where in the source: section, equation, table, file or function.")
    status: Status = Field(
        description="'verified' only if the source was opened and says this; 'unverified' otherwise."
    )
    checked: Day | None = Field(None, description="When it was read there, as YYYY-MM-DD; needed for 'verified'.")
    audited: Day | None = Field(
        None, description="When a random sample had it read once more, by other eyes; written by 'audit --record'."
    )
    note: Prose | None = Field(None, description="What a reader must know to trust or doubt it.")


class Evidence(Sourced):
    """What stands behind one or more fields of the entry."""

    supports: tuple[Line, ...] = Field(
        min_length=1,
        description="The fields it supports: 'equation', or one item of a list or mapping, as in 'benchmarks.tofu'.",
    )
    basis: Literal["stated", "derived"] = Field(
        "stated",
        description="'stated' when the source says it; 'derived' when it is our conclusion from what stands there.",
    )


class Remark(Model):
    """A sentence about the entry; without a source it is the editors' own judgement and is shown as such."""

    text: Prose = Field(description="One plain sentence.")
    source: SourceRef | None = Field(None, description="Who says so; absent: the judgement of the catalog's editors.")
    place: Line | None = Field(None, description="Where in the source.")


class Symbol(Model):
    """One symbol of an equation."""

    symbol: Tex = Field(description="The symbol in LaTeX, without dollar signs.")
    meaning: Line = Field(description="What it stands for.")


class Equation(Model):
    """The mathematics of an entry."""

    latex: Tex = Field(description="LaTeX for display, without dollar signs, as a | block.")
    symbols: tuple[Symbol, ...] = Field(min_length=1, description="Every symbol that needs a word.")
    reduction: Prose | None = Field(
        None, description="What the equation leaves open: sum or mean, over which tokens, over which batch."
    )


class PublicCode(Sourced):
    """A public implementation and where it departs from the paper. ``source`` is the repository's address."""

    official: bool = Field(description="True for the authors' own code, false for a port.")
    variant: Line | None = Field(None, description="Which variant of the method it computes.")
    deviations: tuple[Remark, ...] = Field((), description="Where it departs from the paper, one sentence each.")


class Link(Model):
    """A relation to another method."""

    type: Literal["extends", "combines", "fixes", "attacks", "reduces-to", "variant-of"] = Field(
        description="How this method relates to the target."
    )
    target: MethodId = Field(description="The other method's id.")
    note: Line | None = Field(None, description="In what way.")
    source: SourceRef | None = Field(None, description="Who says so; absent: it follows from the equations.")


class Objective(Model):
    """What is optimised on either side."""

    forget: tuple[ForgetTerm, ...] = Field(min_length=1, description="What removes: terms below 'forget-side'.")
    retain: tuple[RetainTerm, ...] = Field(min_length=1, description="What keeps the rest: terms below 'retain-side'.")


class Needs(Model):
    """What must be at hand to run the method."""

    forget_set: Need = Field(description="Examples of what is to be forgotten.")
    retain_set: Need = Field(description="Examples of what is to be kept.")
    reference_model: Need = Field(description="A frozen copy of the model before unlearning.")
    auxiliary_model: Need = Field(description="Any further model: assistant, teacher, classifier, judge.")
    extra_data: Need = Field(description="Data beyond forget and retain set: refusals, paraphrases, corpora.")


class Hyperparameters(Sourced):
    """Hyper-parameters as one source gives them."""

    setting: Line = Field(description="For which benchmark, model or configuration.")
    values: dict[str, Scalar] = Field(min_length=1, description="Name and value, as the source names them.")


class Cost(Model):
    """What the method costs beyond serving the model."""

    training: Line | None = Field(None, description="Per step, in forward (F) and backward (B) passes, or in words.")
    inference: Line | None = Field(None, description="What is added to each query.")


class Coverage(Model):
    """A survey that covers the method."""

    survey: SurveyId = Field(description="The survey's id, which is its BibTeX key.")
    status: Literal["seen", "inferred"] = Field(
        description="'seen': the method is known to stand in the survey; 'inferred': it is our placement in its tree."
    )
    note: Line | None = Field(None, description="How it is known.")


class Result(Sourced):
    """A number somebody reports."""

    benchmark: BenchmarkId = Field(description="On which benchmark.")
    split: Line | None = Field(None, description="On which split.")
    model: Line = Field(description="Which model was unlearned.")
    metric: MetricId = Field(description="Which metric.")
    value: float | int = Field(description="The number, in the metric's own range.")


class Trial(Sourced):
    """An attack that somebody tried on models that the method had unlearned."""

    attack: MetricId = Field(description="Which attack of this catalog.")
    outcome: Literal["broken", "weakened", "withstood"] = Field(
        description="Against the model before unlearning. 'broken': most of what had been removed came back, or was "
        "told to have been there; 'weakened': a part of it; 'withstood': next to nothing."
    )
    setting: Line | None = Field(None, description="On which benchmark and model.")
    finding: Prose = Field(description="What came of it, in one or two sentences of our own.")


class Implementation(Model):
    """The reference implementation in ``reference_impls/<id>.py``, with hyphens of the id as underscores."""

    status: Literal["faithful", "simplified"] = Field(
        description="'faithful': the mathematics of the paper in full; 'simplified': something is left out."
    )
    differences: tuple[Line, ...] = Field((), description="Where it differs from the paper or the official code.")


class Entry(Model):
    """What every catalog entry has."""

    kind: ClassVar[str]
    required_evidence: ClassVar[tuple[str, ...]] = ("paper", "introduced")

    id: Id = Field(description="Lower-case words joined by hyphens; equals the file's name. Never changes.")
    name: Line = Field(description="The name the field uses.")
    aliases: tuple[Line, ...] = Field((), description="Other names and abbreviations in use.")
    summary: Prose = Field(description="Two to four plain sentences of our own.")
    paper_key: PaperKey = Field(alias="paper", description="BibTeX key of the paper that introduced it.")
    introduced: Month = Field(description="Month of the first public version, as YYYY-MM.")
    superseded_by: Id | None = Field(None, description="The entry that replaces this one. Entries are never deleted.")
    evidence: tuple[Evidence, ...] = Field(min_length=1, description="What stands behind the fields above.")

    _papers: Callable[[], Mapping[str, Paper]] | None = PrivateAttr(None)

    def bind(self, papers: Callable[[], Mapping[str, Paper]]) -> None:
        """Give the entry what returns the bibliography that :attr:`paper` looks in; it is read when first needed."""
        self._papers = papers

    @property
    def paper(self) -> Paper:
        """The paper that introduced it.

        Raises RuntimeError on an entry that no atlas has loaded, UnknownNameError when the bibliography lacks it.
        """
        if self._papers is None:
            raise RuntimeError(f"{self.id} was not loaded by an atlas: use unlearning_atlas.load()")
        papers = self._papers()
        if self.paper_key not in papers:
            raise UnknownNameError("paper", self.paper_key, papers)
        return papers[self.paper_key]


class Method(Entry):
    """An unlearning method: one file in ``catalog/methods/``."""

    kind: ClassVar[str] = "methods"
    required_evidence: ClassVar[tuple[str, ...]] = (
        *("paper", "introduced", "family", "paradigm", "access_level", "objective", "benchmarks"),
        *("equation", "needs", "code", "cost"),
    )

    family: FamilyTerm = Field(description="Its leaf in the tree of taxonomy/families.yaml.")
    paradigm: tuple[ParadigmTerm, ...] = Field(min_length=1, description="When the knowledge entered and is removed.")
    access_level: tuple[AccessTerm, ...] = Field(min_length=1, description="What access to the model it needs.")
    objective: Objective = Field(description="What is optimised to forget and what keeps the rest.")
    intervention: tuple[InterventionTerm, ...] = Field(min_length=1, description="What it changes.")
    target: tuple[TargetTerm, ...] = Field(min_length=1, description="What its authors remove with it.")
    modality: tuple[ModalityTerm, ...] = Field(min_length=1, description="On which kind of model it was shown.")
    benchmarks: tuple[BenchmarkId, ...] = Field(description="Benchmarks of this catalog that its authors report on.")
    equation: Equation | None = Field(None, description="The objective or the edit.")
    needs: Needs = Field(description="What must be at hand.")
    hyperparameters: tuple[Hyperparameters, ...] = Field((), description="Defaults, each with where it was read.")
    cost: Cost | None = Field(None, description="What it costs.")
    strengths: tuple[Remark, ...] = Field((), description="What speaks for it.")
    limitations: tuple[Remark, ...] = Field((), description="When and how it fails.")
    relations: tuple[Link, ...] = Field((), description="Relations to other methods of the catalog.")
    code: tuple[PublicCode, ...] = Field((), description="Public implementations, the official one first.")
    surveys: tuple[Coverage, ...] = Field((), description="Surveys that cover it.")
    reported_results: tuple[Result, ...] = Field(
        (), description="Published numbers; a note says when the run is not its authors'."
    )
    robustness: tuple[Trial, ...] = Field((), description="Attacks that were tried on it, and what came of them.")
    implementation: Implementation | None = Field(None, description="This project's own runnable implementation.")

    @property
    def outcomes(self) -> dict[str, str]:
        """Attack → the worst that came of it for the method, whoever tried it."""
        worst: dict[str, str] = {}
        for outcome in ("withstood", "weakened", "broken"):
            worst |= {trial.attack: outcome for trial in self.robustness if trial.outcome == outcome}
        return worst


class Split(Model):
    """A part of a benchmark's data."""

    name: Line = Field(description="Its name in the data.")
    role: Literal["forget", "retain", "utility", "holdout", "training", "evaluation"] = Field(
        description="What it is for."
    )
    size: Annotated[int, Field(ge=1)] | None = Field(None, description="How many units; absent when not known.")
    unit: Line | None = Field(None, description="What is counted: questions, documents, tokens.")


class Data(Model):
    """Where a benchmark's data lie."""

    url: Url | None = Field(None, description="Address of the data.")
    licence: Line | None = Field(None, description="Licence as stated there.")


class Benchmark(Entry):
    """A benchmark: one file in ``catalog/benchmarks/``."""

    kind: ClassVar[str] = "benchmarks"
    required_evidence: ClassVar[tuple[str, ...]] = (
        *("paper", "introduced", "task", "paradigm", "modality", "target", "knowledge"),
        *("splits", "metrics", "base_models", "data", "code"),
    )

    task: Line = Field(description="What the model is asked to do.")
    paradigm: tuple[ParadigmTerm, ...] = Field(min_length=1, description="Which paradigm it tests.")
    modality: tuple[ModalityTerm, ...] = Field(min_length=1, description="Kind of input and output.")
    target: tuple[TargetTerm, ...] = Field(min_length=1, description="What is to be forgotten.")
    knowledge: Literal["fictitious", "real"] = Field(
        description="'fictitious': invented, so nobody knew it before; 'real': known from pretraining."
    )
    splits: tuple[Split, ...] = Field((), description="Its parts with exact sizes.")
    metrics: tuple[MetricId, ...] = Field(min_length=1, description="Metrics of this catalog that it defines or uses.")
    base_models: tuple[Line, ...] = Field((), description="Models its authors unlearn.")
    data: Data | None = Field(None, description="Where the data lie.")
    code: tuple[PublicCode, ...] = Field((), description="Public implementations, the official one first.")
    known_faults: tuple[Remark, ...] = Field((), description="Known errors and traps.")


class Range(Model):
    """The values a metric can take; an absent end is open."""

    minimum: float | int | None = Field(None, description="Smallest possible value.")
    maximum: float | int | None = Field(None, description="Largest possible value.")
    unit: Line | None = Field(None, description="Unit, when it is not a plain number.")


class Direction(Model):
    """Which way is good after unlearning."""

    forget: Literal["lower", "higher", "match-retrained"] | None = Field(None, description="On the forget set.")
    retain: Literal["lower", "higher", "match-retrained"] | None = Field(
        None, description="On retained data and general ability."
    )


class Variant(Sourced):
    """A definition in use that disagrees with the entry's."""

    text: Prose = Field(description="How it differs, in one or two sentences.")


class Metric(Entry):
    """A measure or an attack: one file in ``catalog/metrics/``."""

    kind: ClassVar[str] = "metrics"
    required_evidence: ClassVar[tuple[str, ...]] = (
        "paper",
        "introduced",
        "role",
        "group",
        "definition",
        "range",
        "direction",
    )

    role: Literal["measure", "attack"] = Field(description="A measure reads the model; an attack tries to get it back.")
    group: GroupTerm = Field(description="Its leaf in taxonomy/metric_groups.yaml.")
    definition: Equation | None = Field(None, description="The definition in LaTeX.")
    range: Range = Field(description="The values it can take.")
    direction: Direction = Field(description="Which way is good after unlearning.")
    needs: tuple[Line, ...] = Field(min_length=1, description="What must be at hand to compute it.")
    failure_modes: tuple[Remark, ...] = Field((), description="When it misleads.")
    variants: tuple[Variant, ...] = Field((), description="Disagreeing definitions in use.")


class Statement(Sourced):
    """Something that a paper says."""

    text: Prose = Field(description="What it says, in one or two sentences of our own.")


class Survey(Entry):
    """A survey or a position paper: one file in ``catalog/surveys/``, named by its BibTeX key.

    Which methods it covers stands with the methods, as ``surveys``.
    """

    kind: ClassVar[str] = "surveys"
    required_evidence: ClassVar[tuple[str, ...]] = ("paper", "introduced", "form", "scope")

    form: Literal["survey", "position"] = Field(
        description="'survey': sorts the work of others; 'position': argues for a view."
    )
    scope: Line = Field(description="What it covers.")
    modality: tuple[ModalityTerm, ...] = Field(min_length=1, description="Which kinds of model it covers.")
    definition: Equation | None = Field(None, description="How it defines unlearning, as an objective.")
    statements: tuple[Statement, ...] = Field((), description="What it says, each with where it stands.")


class Attempt(Model):
    """What has been tried on an open problem, and which entries bear on it."""

    text: Prose = Field(description="What was tried and what came of it, in one or two sentences.")
    source: SourceRef | None = Field(None, description="Who says so; absent: the judgement of the catalog's editors.")
    place: Line | None = Field(None, description="Where in the source.")
    methods: tuple[MethodId, ...] = Field((), description="Methods that bear on it.")
    benchmarks: tuple[BenchmarkId, ...] = Field((), description="Benchmarks that bear on it.")
    metrics: tuple[MetricId, ...] = Field((), description="Metrics and attacks that bear on it.")


class OpenProblem(Entry):
    """A question that the field has not answered: one file in ``catalog/open_problems/``.

    ``paper`` is a paper that poses it, ``introduced`` the month of that paper.
    """

    kind: ClassVar[str] = "open_problems"

    question: Line = Field(description="The question in one sentence.")
    posed_by: tuple[Statement, ...] = Field(min_length=1, description="Who names it, and how.")
    attempts: tuple[Attempt, ...] = Field((), description="What has been tried, with the entries that bear on it.")


class Term(Model):
    """A term of an axis, with its narrower terms."""

    id: Id = Field(description="Lower-case words joined by hyphens; unique within the axis.")
    label: Line = Field(description="What a reader sees.")
    definition: Prose = Field(description="What belongs here, in our own words.")
    source: SourceRef | None = Field(None, description="Whose distinction it is; absent: our own.")
    place: Line | None = Field(None, description="Where in the source.")
    status: Status | None = Field(None, description="Whether the source was read for this; needed with a source.")
    strengths: tuple[Remark, ...] = Field((), description="What speaks for what belongs here.")
    limitations: tuple[Remark, ...] = Field((), description="When and how what belongs here fails.")
    children: tuple[Term, ...] = Field((), description="Narrower terms.")


class Axis(Model):
    """An axis of the taxonomy: one file in ``taxonomy/``."""

    axis: Annotated[str, StringConstraints(pattern=AXIS_PATTERN)] = Field(
        description="The axis' name in queries and entries."
    )
    label: Line = Field(description="What a reader sees.")
    question: Line = Field(description="The question that a term of this axis answers.")
    terms: tuple[Term, ...] = Field(min_length=1, description="The tree of terms, broadest first.")


ENTRY_MODELS: dict[str, type[Entry]] = {model.kind: model for model in (Method, Benchmark, Metric, Survey, OpenProblem)}
"""Kind of entry (the folder's name below ``catalog/``) to its model."""
