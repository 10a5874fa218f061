"""What importing costs, and which module may import which."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAVY = ("torch", "networkx", "bibtexparser", "typer", "rich", "pandas", "mkdocs")

LAYERS = (
    ("faults", "files", "measurements"),
    ("models",),
    ("references",),
    ("loading",),
    ("papers",),
    ("catalog",),
    ("index", "schema", "lint", "audit"),
    ("compiler", "drafts", "changes"),
    ("skeleton", "forms"),
    ("atlas",),
    ("graph", "exports", "literature", "history"),
    ("api",),
    ("pages", "terminal"),
    ("site",),
    ("cli",),
    ("__main__", "__init__"),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# A facade hands work down by a late import: the atlas offers graph, tables and comparisons as its own methods, the
# index compiles itself when it is stale. Only inside a function, so importing stays one-way.
LATE = {("atlas", "graph"), ("atlas", "exports"), ("atlas", "literature"), ("index", "compiler")}


def modules_after(code: str, root: Path) -> set[str]:
    script = f"import sys\n{code}\nprint('|'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=True)
    return set(done.stdout.strip().split("|"))


def test_importing_the_package_imports_next_to_nothing(small_root: Path) -> None:
    ours = {
        name for name in modules_after("import unlearning_atlas", small_root) if name.startswith("unlearning_atlas")
    }
    assert ours == {"unlearning_atlas"}


QUERY = """
import unlearning_atlas as ua
atlas = ua.load(sys.argv[1])
assert list(atlas.methods.where(access_level="weights-and-gradients", benchmark="authors-bench"))
assert atlas.methods.to_records()
assert atlas.lineage("beta-preference")["ancestors"]
"""


def test_queries_run_on_the_compiled_index_alone(small_root: Path) -> None:
    modules_after(QUERY, small_root)  # compiles the index
    modules = modules_after(QUERY, small_root)
    assert not modules & {*HEAVY, "pydantic", "yaml"}


def test_parsing_needs_nothing_heavy(small_root: Path) -> None:
    """Neither a cold load nor a full entry needs the bibliography's parser, the graph or the lab."""
    assert not modules_after(QUERY + "atlas.methods['alpha-ascent'].equation\n", small_root) & {*HEAVY}


def test_only_the_lab_loads_torch(small_root: Path) -> None:
    code = "from unlearning_atlas import lint, graph, exports, schema, cli, terminal, pages, site"
    assert "torch" not in modules_after(code, small_root)


def sources(checkout: Path) -> Iterator[tuple[str, Path]]:
    package = checkout / "src/unlearning_atlas"
    for file in sorted(package.rglob("*.py")):
        yield file.relative_to(package).with_suffix("").parts[0], file


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Yield (module of ours, whether at the top) for every import; those for type checking only are left out."""
    tree = ast.parse(file.read_text())
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "unlearning_atlas" and len(parts) > 1:
                yield parts[1], id(node) not in inside
            elif parts[0] == "torch":
                yield "torch", id(node) not in inside


def test_every_module_has_its_layer(checkout: Path) -> None:
    assert {room for room, _ in sources(checkout)} - {"lab"} == set(RANK)


def test_layers_import_downwards_only(checkout: Path) -> None:
    seen = 0
    for room, file in sources(checkout):
        for target, top in imports(file):
            where = f"{file.name} imports {target}"
            if room == "lab":
                assert target in ("lab", "files", "faults", "measurements", "torch"), where
            elif target in ("lab", "torch"):
                assert (room, target, top) == ("cli", "lab", False), where
            elif target in RANK and target != room:
                late = not top and (room, target) in LATE
                assert RANK[target] < RANK[room] or late or room == "__init__", where
                seen += 1
    assert seen > 60


@pytest.mark.parametrize("name", ["catalog", "taxonomy", "reference_impls"])
def test_data_folders_are_not_packages(checkout: Path, name: str) -> None:
    assert not list((checkout / name).rglob("__init__.py"))
