"""The command line. Data goes to standard output, messages to standard error.

Exit codes: 0 for success, 1 when the catalog has faults or a command could not do its work, 2 for wrong usage.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from unlearning_atlas.faults import CatalogError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from unlearning_atlas.atlas import Atlas, Collection
    from unlearning_atlas.drafts import Draft
    from unlearning_atlas.faults import Fault

# Pydantic looks for plug-ins of every installed package when it builds its first validator; none concerns this command.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

app = typer.Typer(
    name="unlearning-atlas",
    help="An executable survey of machine unlearning for large language models.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
site_app = typer.Typer(help="Build or serve the site.", no_args_is_help=True)
app.add_typer(site_app, name="site")
new_app = typer.Typer(help="Begin an entry or an implementation.", no_args_is_help=True)
app.add_typer(new_app, name="new")

Root = Annotated[
    Path | None,
    typer.Option(
        "--root", help="Folder that holds catalog/ and taxonomy/.", show_default="this package's own", metavar="DIR"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Facet = list[str] | None


class Kind(StrEnum):
    """A kind of entry."""

    methods = "methods"
    benchmarks = "benchmarks"
    metrics = "metrics"
    surveys = "surveys"
    open_problems = "open_problems"


class ReportFormat(StrEnum):
    """How faults are printed."""

    text = "text"
    github = "github"
    json = "json"


class GraphFormat(StrEnum):
    """How the graph is printed."""

    graphml = "graphml"
    dot = "dot"
    mermaid = "mermaid"
    json = "json"


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _fail(message: str, code: int = 1) -> NoReturn:
    _say(f"error: {message}")
    raise typer.Exit(code)


def _refused(error: OSError) -> str:
    """Say which file the system refused and why, without its number."""
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _load(root: Path | None) -> Atlas:
    from unlearning_atlas.atlas import load

    return load(root)


def _facet(text: str) -> Any:
    return typer.Option(help=f"{text} Repeat it for any of several.", metavar="TERM")


@app.command("list")
def list_(
    family: Annotated[Facet, _facet("Family, as in the tree of the survey.")] = None,
    paradigm: Annotated[Facet, _facet("When the knowledge entered and is removed.")] = None,
    access_level: Annotated[Facet, _facet("Access to the model that the method needs.")] = None,
    objective: Annotated[Facet, _facet("What is optimised, on the forget or the retain side.")] = None,
    intervention: Annotated[Facet, _facet("What is changed.")] = None,
    target: Annotated[Facet, _facet("What is to be forgotten.")] = None,
    modality: Annotated[Facet, _facet("Text, vision-language or code.")] = None,
    benchmark: Annotated[Facet, _facet("Benchmark that a method's authors report on.")] = None,
    without: Annotated[Facet, _facet("What a method does not require, such as retain_set.")] = None,
    attack: Annotated[Facet, _facet("For methods: an attack that was tried on them.")] = None,
    withstood: Annotated[Facet, _facet("For methods: an attack that they withstood whoever tried it.")] = None,
    implementation: Annotated[Facet, _facet("faithful, simplified or none.")] = None,
    knowledge: Annotated[Facet, _facet("For benchmarks: fictitious or real.")] = None,
    metric: Annotated[Facet, _facet("For benchmarks: a metric they use.")] = None,
    survey: Annotated[Facet, _facet("For methods: a survey that is known to cover them.")] = None,
    method: Annotated[Facet, _facet("For open problems: a method that bears on them.")] = None,
    form: Annotated[Facet, _facet("For surveys: survey or position.")] = None,
    role: Annotated[Facet, _facet("For metrics: measure or attack.")] = None,
    group: Annotated[Facet, _facet("For metrics: their group.")] = None,
    kind: Annotated[Kind, typer.Option(help="What to list.")] = Kind.methods,
    sort: Annotated[str, typer.Option(help="Column to sort by.", metavar="COLUMN")] = "id",
    reverse: Annotated[bool, typer.Option("--reverse", help="Sort downwards.")] = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_bibtex: Annotated[bool, typer.Option("--bibtex", help="Print the papers' BibTeX.")] = False,
    root: Root = None,
) -> None:
    """List entries; every option narrows the list, and a term stands for everything below it."""
    if as_json + as_csv + as_markdown + as_bibtex > 1:
        _fail("--json, --csv, --markdown and --bibtex exclude each other", 2)
    facets = {
        **{"family": family, "paradigm": paradigm, "access_level": access_level, "objective": objective},
        **{"intervention": intervention, "target": target, "modality": modality, "benchmark": benchmark},
        **{"implementation": implementation, "knowledge": knowledge, "metric": metric, "role": role, "group": group},
        **{"survey": survey, "method": method, "form": form, "without": without},
        **{"attack": attack, "withstood": withstood},
    }
    atlas = _load(root)
    entries: Collection[Any] = atlas.collections[kind.value]
    entries = entries.select({name: terms for name, terms in facets.items() if terms}).sort(sort, reverse=reverse)
    if as_json:
        _print_json(entries.to_records())
    elif as_csv:
        print(entries.to_csv(), end="")
    elif as_bibtex:
        print(entries.to_bibtex(), end="")
    elif as_markdown:
        print(entries.to_markdown(), end="")
    else:
        _table(atlas, kind.value, entries)


_COLUMNS = {
    "methods": ("family", "access_level", "benchmarks", "implementation"),
    "benchmarks": ("paradigm", "target", "knowledge"),
    "metrics": ("role", "group"),
    "surveys": ("form", "scope"),
    "open_problems": ("question",),
}


def _table(atlas: Atlas, kind: str, entries: Collection[Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from unlearning_atlas.exports import cell

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("id", "name", "since", *_COLUMNS[kind]):
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in ("id", "since"))
    for record in entries.to_records():
        table.add_row(
            record["id"], record["name"], record["introduced"], *(cell(record[column]) for column in _COLUMNS[kind])
        )
    total = len(atlas.collections[kind])
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    _say(f"{len(entries)} of {total} {kind.replace('_', ' ')}")


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="An entry of any kind.")],
    kind: Annotated[Kind | None, typer.Option(help="When two kinds share the id.")] = None,
    as_json: AsJson = False,
    root: Root = None,
) -> None:
    """Show one entry in full."""
    atlas = _load(root)
    found, entry = (kind.value, atlas.collections[kind.value][id_]) if kind else atlas.find(id_)
    if as_json:
        data = json.loads(entry.model_dump_json(by_alias=True, exclude_defaults=True))
        _print_json({"kind": found, **data})
        return
    from rich.console import Console

    from unlearning_atlas.terminal import describe

    Console(width=None if sys.stdout.isatty() else 120).print(describe(atlas, found, entry))


@app.command()
def compare(
    ids: Annotated[list[str], typer.Argument(metavar="ID ID...", help="Two or more methods.")],
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    root: Root = None,
) -> None:
    """Set methods side by side."""
    try:
        comparison = _load(root).compare(*ids)
    except ValueError as error:
        if isinstance(error, CatalogError):
            raise
        _fail(str(error), 2)
    if as_json:
        _print_json(comparison.to_records())
    elif as_markdown:
        print(comparison.to_markdown(), end="")
    else:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_lines=False, pad_edge=False)
        table.add_column("", style="bold", no_wrap=True)
        for id_ in comparison.ids:
            table.add_column(id_, overflow="fold", ratio=1)
        for label, values in comparison.rows:
            table.add_row(label, *map(Text, values))
        Console(width=None if sys.stdout.isatty() else 160).print(table)


@app.command()
def cite(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Entries of any kind.")],
    as_json: AsJson = False,
    root: Root = None,
) -> None:
    """Print the BibTeX of the papers that introduced the entries."""
    atlas = _load(root)
    papers = {(paper := atlas.find(id_)[1].paper).key: paper for id_ in ids}
    if as_json:
        from dataclasses import asdict

        _print_json([asdict(paper) for paper in papers.values()])
    else:
        print("\n\n".join(paper.bibtex for paper in papers.values()))


@app.command()
def graph(
    format_: Annotated[GraphFormat, typer.Option("--format", help="Format.")] = GraphFormat.json,
    root: Root = None,
) -> None:
    """Print the whole catalog as a graph of terms, entries, papers and implementations."""
    from unlearning_atlas.graph import export

    print(export(_load(root), format_.value), end="")


@app.command()
def validate(
    format_: Annotated[
        ReportFormat, typer.Option("--format", help="text, github (annotations) or json.")
    ] = ReportFormat.text,
    root: Root = None,
) -> None:
    """Check every file of the catalog; every fault of every file is reported in one run."""
    from unlearning_atlas.lint import validate as validate_

    faults = validate_(_root(root))
    if format_ is ReportFormat.json:
        _print_json([_as_dict(fault) for fault in faults])
    elif format_ is ReportFormat.github:
        for fault in faults:
            print(_annotation(fault))
    else:
        for fault in faults:
            print(fault)
    if faults:
        files = len({fault.file for fault in faults})
        _say(f"{len(faults)} fault{'s' * (len(faults) != 1)} in {files} file{'s' * (files != 1)}")
        raise typer.Exit(1)
    _say("no faults")


def _root(root: Path | None) -> Path | None:
    if root is not None and not (root / "catalog").is_dir():
        _fail(f"no folder 'catalog' in {root}", 2)
    return root


def _as_dict(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in ("file", "line", "column", "rule", "message", "tip")}


def _annotation(fault: Fault) -> str:
    """Write a fault as a workflow command of GitHub Actions."""

    def escape(text: str, *, value: bool = False) -> str:
        text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        return text.replace(":", "%3A").replace(",", "%2C") if value else text

    place = f"file={escape(fault.file, value=True)},line={fault.line},col={fault.column}"
    return f"::error {place},title={escape(fault.rule, value=True)}::{escape(f'{fault.message}; {fault.tip}')}"


@app.command()
def fix(root: Root = None) -> None:
    """Mend what can be mended mechanically: quotes, key order, white space, schema lines."""
    from unlearning_atlas.lint import fix as fix_

    changed = fix_(_root(root))
    for file in changed:
        print(file)
    _say(f"{len(changed)} file{'s' * (len(changed) != 1)} changed" if changed else "nothing to mend")


@app.command()
def diff(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Folder with the state to compare with.")],
    head: Annotated[
        Path | None,
        typer.Argument(metavar="HEAD", help="Folder with the new state.", show_default="this package's own"),
    ] = None,
) -> None:
    """Print what differs between two states of the catalog, entry by entry and field by field, as Markdown."""
    from unlearning_atlas.changes import compare as compare_
    from unlearning_atlas.changes import markdown
    from unlearning_atlas.files import find_root

    for folder in (base, head):
        _root(folder)
    print(markdown(compare_(base, head or find_root())), end="")


@contextmanager
def _drafting() -> Iterator[None]:
    """Say every reason why no draft can be made."""
    from unlearning_atlas.drafts import DraftError

    try:
        yield
    except DraftError as error:
        for fault in error.faults:
            _say(f"error: {fault}")
        raise typer.Exit(1) from None
    except OSError as error:
        _fail(_refused(error))


def _read_input(path: Path) -> str:
    """Read a text file that a user names."""
    from unlearning_atlas.drafts import DraftError

    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise DraftError([f"{path} is not UTF-8; save it as UTF-8"]) from None


def _checkout(root: Path | None) -> Path:
    from unlearning_atlas.drafts import DraftError
    from unlearning_atlas.files import find_root
    from unlearning_atlas.papers import SHIPPED

    folder = _root(root) or find_root()
    if (folder / SHIPPED).is_file():
        raise DraftError(["the installed package is no place for a draft; clone the repository, or name a --root"])
    return folder


def _write_draft(folder: Path, draft: Draft) -> None:
    from unlearning_atlas.files import write_together

    write_together(folder, draft.files)
    for file in draft.files:
        print(file)
    for note in draft.notes:
        _say(f"note: {note}")
    _say(f"""
Next:
  1. Fill in {draft.file}: {len(draft.empty())} places are empty, each below a comment that says what belongs there.
     'unlearning-atlas validate' names the ones that are left.
  2. 'unlearning-atlas fix' then removes the comments.
  3. 'unlearning-atlas show {draft.id}' and 'make site' show the entry.
  4. git switch -c {draft.id}, git add catalog, git commit, and open a pull request.""")


def _new_entry(kind: str) -> Callable[..., None]:
    """Return the command that begins an entry of a kind."""
    what = kind[:-1].replace("_", " ")

    def new(
        bibtex: Annotated[
            Path | None, typer.Option(help="File with the paper's BibTeX record.", metavar="FILE")
        ] = None,
        arxiv: Annotated[str, typer.Option(help="arXiv id of a paper in the bibliography.", metavar="ID")] = "",
        paper: Annotated[str, typer.Option(help="BibTeX key of a paper in the bibliography.", metavar="KEY")] = "",
        id_: Annotated[
            str, typer.Option("--id", help="Id of the entry.", metavar="ID", show_default="from the title")
        ] = "",
        another: Annotated[
            bool, typer.Option("--another", help="The paper introduces one more than has an entry.")
        ] = False,
        root: Root = None,
    ) -> None:
        from unlearning_atlas.catalog import read_catalog
        from unlearning_atlas.drafts import draft

        with _drafting():
            folder = _checkout(root)
            text = _read_input(bibtex) or " " if bibtex else ""
            made = draft(
                read_catalog(folder),
                kind,
                bibtex=text,
                file=str(bibtex),
                arxiv=arxiv,
                key=paper,
                id_=id_,
                another=another,
            )
            _write_draft(folder, made)

    new.__doc__ = (
        f"Write the draft of a new {what}, with what its paper says filled in, and its paper into the bibliography."
    )
    return new


for _kind in Kind:
    new_app.command(_kind.value[:-1].replace("_", "-"))(_new_entry(_kind.value))


@new_app.command("from-issue")
def new_from_issue(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The issue's body, as GitHub renders a filled-in form.")],
    root: Root = None,
) -> None:
    """Write the draft of an entry from a filled-in issue form."""
    from unlearning_atlas import forms
    from unlearning_atlas.catalog import read_catalog
    from unlearning_atlas.drafts import draft

    with _drafting():
        folder = _checkout(root)
        catalog = read_catalog(folder)
        filled = forms.read(_read_input(file), catalog)
        _write_draft(folder, draft(catalog, filled.kind, **filled.options))


@new_app.command("implementation")
def new_implementation(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A method of the catalog.")], root: Root = None
) -> None:
    """Write the beginning of a reference implementation and of its test; once there, say what its entry says of it."""
    from unlearning_atlas import skeleton
    from unlearning_atlas.catalog import read_catalog
    from unlearning_atlas.files import write_together

    with _drafting():
        folder = _checkout(root)
        catalog = read_catalog(folder)
        file = folder / f"reference_impls/{id_.replace('-', '_')}.py"
        if id_ in catalog.known("methods") and file.is_file():
            print(skeleton.described(_read_input(file)))
            _say(f"This is what the header of {file.name} says; put it into catalog/methods/{id_}.yaml.")
            return
        files = skeleton.implementation(catalog, id_)
        write_together(folder, files)
    for name in files:
        print(name)
    _say(f"""
Next:
  1. Write the header, the loss and the formula of the test; each place that is left raises NotImplementedError.
  2. 'unlearning-atlas new implementation {id_}' then prints what to put into catalog/methods/{id_}.yaml.
  3. .venv/bin/python -m pytest tests/lab/methods -k {id_.replace("-", "_")}
  4. 'unlearning-atlas run {id_}', then 'unlearning-atlas bench --tune --methods {id_}'.""")


@app.command()
def schema(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a schema is stale.")] = False,
    root: Root = None,
) -> None:
    """Write what is made from the models and the taxonomy: JSON Schemas and, in a checkout, GitHub's issue forms."""
    from unlearning_atlas import files, forms
    from unlearning_atlas.catalog import read_catalog
    from unlearning_atlas.schema import schemas

    catalog = read_catalog(_root(root))
    if faults := [fault for fault in catalog.faults if fault.file.startswith("taxonomy/")]:
        raise CatalogError(faults)  # its terms would be missing from what is written
    texts = schemas(catalog) | (forms.forms(catalog) if (catalog.root / ".github").is_dir() else {})
    changed = files.stale(catalog.root, texts)
    if check and changed:
        _fail(f"stale: {', '.join(changed)}; run 'unlearning-atlas schema'")
    if not check:
        files.write_together(catalog.root, {file: texts[file] for file in changed})
        for file in changed:
            print(file)


@app.command()
def audit(
    sample: Annotated[int, typer.Option(help="How many claims to draw.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Decides which.", min=0)] = 0,
    record: Annotated[
        Path | None, typer.Option(help="Carry the outcomes of a filled worksheet into the entries.", metavar="FILE")
    ] = None,
    day: Annotated[
        str | None,
        typer.Option(help="With --record: the day of the check.", metavar="YYYY-MM-DD", show_default="today"),
    ] = None,
    root: Root = None,
) -> None:
    """Draw a random sample of claims with their sources, to be checked by a person; or record what came of it."""
    from datetime import UTC, date, datetime

    from unlearning_atlas import audit as audit_
    from unlearning_atlas.catalog import read_catalog
    from unlearning_atlas.files import find_root

    folder = _root(root) or find_root()
    if record is None:
        print(audit_.worksheet(audit_.draw(read_catalog(folder), sample, seed), seed), end="")
        return
    try:
        when = date.fromisoformat(day) if day else datetime.now(UTC).date()
    except ValueError:
        _fail(f"--day must be a day, written YYYY-MM-DD (got {day!r})", 2)
    try:
        kept, outcomes, changed = audit_.record(folder, _read_input(record), when.isoformat())
    except ValueError as error:
        _fail(str(error))
    rate = audit_.error_rate(outcomes)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    _say(f"{counts}; error rate {'unknown' if rate is None else f'{rate:.0%}'}")
    _say(f"{len(changed)} entries changed; the worksheet is kept in {kept.relative_to(folder)}")


@app.command()
def coverage(as_json: AsJson = False, root: Root = None) -> None:
    """Count what the catalog covers: papers by kind, entries by leaf and term, evidence by status."""
    from unlearning_atlas.literature import counts

    found = counts(_load(root))
    if as_json:
        _print_json(found)
        return
    for heading, rows in found.items():
        print(heading.replace("_", " "))
        for label, value in rows.items():
            print(f"  {label:<42}{' of '.join(map(str, value)) if isinstance(value, list) else value:>12}")


def _check_range(name: str, text: str) -> None:
    """Refuse numbers that no method can work with, before minutes are spent on training."""
    try:
        number = float(text)
    except ValueError:
        return  # the implementation says what form the value must have
    if name in ("steps", "batch_size") and number < 1:
        _fail(f"{name} must be at least 1 (got {text})", 2)
    if name == "learning_rate" and not 0 < number < float("inf"):
        _fail(f"learning_rate must be a number above 0 (got {text})", 2)


@contextmanager
def _installed() -> Iterator[None]:
    """Say what to install when the lab, or what it needs for a Hugging Face model, is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = "hf" if error.name == "transformers" else "lab"
        how = f"pip install 'unlearning-atlas[{extra}]', or in a checkout 'make .venv/.dev'"
        _fail(f"{error.name} is not installed; the lab needs it: {how}")


@app.command()
def run(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A method with a reference implementation.")],
    task: Annotated[str, typer.Option(help="What to learn and unlearn: authors, passages or hazard.")] = "authors",
    seed: Annotated[int, typer.Option(help="Decides the data, the weights and the order.", min=0, max=2**32 - 1)] = 0,
    model: Annotated[
        str | None,
        typer.Option(help="Folder of a Hugging Face causal language model to take in place of the built-in one."),
    ] = None,
    hyperparameter: Annotated[
        list[str] | None,
        typer.Option(
            "--hyperparameter", "-p", help="Replace one of the lab's values; repeat it.", metavar="NAME=VALUE"
        ),
    ] = None,
    as_json: AsJson = False,
    root: Root = None,
) -> None:
    """Run a reference implementation on a small model and measure what it forgets and what it keeps."""
    from unlearning_atlas.files import find_root

    with _installed():
        from unlearning_atlas.lab.runner import run as run_
        from unlearning_atlas.lab.training import DivergedError
    values = {}
    for text in hyperparameter or ():
        name, equals, value = text.partition("=")
        if not equals:
            _fail(f"--hyperparameter needs NAME=VALUE (got {text!r})", 2)
        values[name.strip().replace("-", "_")] = value.strip()
    for name, value in values.items():
        _check_range(name, value)
    from unlearning_atlas.terminal import progress_bar, show_run

    try:
        with _installed(), progress_bar() as progress:
            result = run_(
                id_,
                root=_root(root) or find_root(),
                task=task,
                seed=seed,
                model=model,
                hyperparameters=values,
                progress=progress,
            )
    except KeyboardInterrupt:
        _fail("interrupted; models that were trained are kept", 130)
    except DivergedError as error:
        _fail(f"{id_} has diverged: {error}")
    except ValueError as error:
        _fail(str(error), 2)
    if as_json:
        _print_json(result.to_dict())
    else:
        show_run(result)


@app.command()
def bench(
    methods: Annotated[
        list[str] | None, typer.Option("--methods", "-m", help="Only this method; repeat it.", metavar="ID")
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option("--tasks", "-t", help="Only this task; repeat it.", metavar="NAME")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0 on.", min=1)] = 3,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes; 0 is one per core.", min=0)] = 0,
    backend: Annotated[str, typer.Option(help="Of joblib: loky, or dask or ray where installed.")] = "loky",
    tune: Annotated[
        bool, typer.Option("--tune", help="Search hyper-parameters first where no search is kept.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: measure again and compare with what is committed.")
    ] = False,
    tolerance: Annotated[float, typer.Option(help="Largest difference that --check lets pass.", min=0.0)] = 0.05,
    root: Root = None,
) -> None:
    """Measure methods on tasks and seeds, in parallel; what is already measured is not done again."""
    from unlearning_atlas.files import find_root
    from unlearning_atlas.terminal import show_progress

    with _installed():
        from unlearning_atlas.lab import bench as bench_
    folder = _root(root) or find_root()
    if backend not in bench_.BACKENDS:
        _fail(f"--backend must be one of {', '.join(bench_.BACKENDS)} (got {backend!r})", 2)
    todo = bench_.jobs(folder, methods, tasks, tuple(range(seeds)))
    processes = jobs or os.cpu_count() or 1
    try:
        if check:
            if wrong := bench_.check(folder, todo, tolerance=tolerance):
                _say("\n".join(wrong))
                _fail(f"{len(wrong)} figures do not come out within {tolerance:g}")
            _say(f"{len(todo)} results come out again within {tolerance:g}")
            return
        if tune:
            searches = bench_.untuned(folder, todo)
            with show_progress("searches", len(searches)) as advance:
                bench_.tune_all(folder, searches, processes=processes, backend=backend, on_result=advance)
        left = len(bench_.unfinished(folder, todo))
        with show_progress("runs", left) as advance:
            failed = bench_.bench(folder, todo, processes=processes, backend=backend, on_result=advance)
    except KeyboardInterrupt:
        _fail("interrupted; what was measured is kept, and the next run goes on there", 130)
    except (ImportError, ValueError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"cannot write the measurements: {error}; what was written before stays, and the next run goes on there")
    if failed:
        _say("\n".join(failed))
        _fail(f"{len(failed)} runs have failed; the others are kept")
    _say(f"{len(todo)} results, {left} of them measured now")


@site_app.command("build")
def site_build(
    offline: Annotated[
        bool, typer.Option("--offline", help="Build the site that is read from disk, into site/_offline.")
    ] = False,
    root: Root = None,
) -> None:
    """Write the pages from the catalog and build the site into site/_build."""
    from unlearning_atlas.site import SiteError, build

    try:
        folder = build(_root(root), offline=offline)
    except SiteError as error:
        _fail(str(error))
    _say(f"built {folder}")


@site_app.command("serve")
def site_serve(
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8000, root: Root = None
) -> None:
    """Build the site and serve it on this machine until interrupted."""
    from unlearning_atlas.site import SiteError, serve

    try:
        serve(_root(root), port)
    except SiteError as error:
        _fail(str(error))


def main() -> None:
    """Run the command line and turn expected failures into a message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # the catalog is UTF-8, whatever the locale; odd names of files pass
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app()
    except UnknownNameError as error:
        _say(f"error: {error}")
        sys.exit(2)
    except CatalogError as error:
        _say(f"error: {error}")
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _say(f"error: {_refused(error)}")
        sys.exit(1)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
