"""How fast import, load, query, validation and site are: ratios taken in one run, medians of interleaved rounds.

Run it with ``make speed``. It asserts nothing; each line shows what was measured beside its target.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.speed.generate import catalog

from unlearning_atlas.pages import GENERATED

CHECKOUT = Path(__file__).resolve().parents[2]
ROUNDS = 9
SIZES = (1_000, 10_000)

QUERY = """
import unlearning_atlas as ua
atlas = ua.load({root})
list(atlas.methods.where(family="direct-fine-tuning", access_level="weights-and-gradients", benchmark="tofu"))
"""
VALIDATE = "import unlearning_atlas as ua; assert not ua.validate(__import__('pathlib').Path({root!r}))"


def line(what: str, measured: str, ratio: str = "", target: str = "", ok: bool | None = None) -> None:
    verdict = "" if ok is None else "ok" if ok else "OVER"
    print(f"  {what:<58}{measured:>12}  {ratio:>16}  {target:<34}{verdict}", flush=True)


def python(code: str, **environment: str) -> float:
    """Run code in a fresh interpreter and return its CPU time in milliseconds: the machine may be shared."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **environment})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def interleaved(cases: dict[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median of each case over rounds in which every case runs once."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            found[name].append(case())
    return {name: statistics.median(values) for name, values in found.items()}


def installed(root: Path, into: Path) -> Path:
    """Lay the package out as a wheel does, with the compiled index and papers of a root; return its parent folder."""
    from unlearning_atlas import index, papers
    from unlearning_atlas.compiler import compile_index

    shutil.copytree(CHECKOUT / "src/unlearning_atlas", into / "unlearning_atlas")
    data = into / "unlearning_atlas/_data"
    (data / "catalog").mkdir(parents=True)
    (data / index.SHIPPED).write_bytes(compile_index(root))
    (data / papers.SHIPPED).write_text(papers.compile_papers(root))
    return into


def processes(roots: dict[str, Path], wheels: dict[str, Path]) -> None:
    """Measure whole processes: import, load and query, validation."""
    cases: dict[str, Callable[[], float]] = {
        "bare": lambda: python("pass"),
        "import": lambda: python("import unlearning_atlas"),
        "libraries": lambda: python("import pydantic, yaml; pydantic.BaseModel"),
    }
    for size, root in roots.items():
        cases[f"query {size}"] = lambda root=root: python(QUERY.format(root=repr(str(root))))  # type: ignore[misc]
        cases[f"wheel {size}"] = lambda size=size: python(QUERY.format(root=""), PYTHONPATH=str(wheels[size]))  # type: ignore[misc]
    for code in list(cases.values()):
        code()  # warm the file cache and compile the indexes
    found = interleaved(cases)
    bare, libraries = found["bare"], found["libraries"]
    print("\nProcesses, CPU milliseconds")
    line("bare interpreter", f"{bare:.0f}")
    line("import pydantic and yaml", f"{libraries:.0f}", f"{libraries / bare:.1f} x bare")
    over = found["import"] - bare
    line("import unlearning_atlas, over bare", f"{over:.1f}", "", "<= 20 ms over bare", over <= 20)
    for size in roots:
        ours = found[f"query {size}"]
        ratio = ours / libraries
        line(f"load and 3-facet query, checkout, {size} methods", f"{ours:.0f}", f"{ratio:.2f} x libraries",
             "<= 1.5 x pydantic and yaml", ratio <= 1.5)  # fmt: skip
        ratio = found[f"wheel {size}"] / bare
        target, ok = ("<= 3 x bare", ratio <= 3) if size != "10,000" else ("", None)
        line(f"load and 3-facet query, wheel, {size} methods", f"{found[f'wheel {size}']:.0f}", f"{ratio:.2f} x bare",
             target, ok)  # fmt: skip


def checks(roots: dict[str, Path], hundred: Path) -> None:
    """Measure cold validation, and the same files under check-jsonschema."""
    quiet = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}

    def validate(root: Path) -> Callable[[], float]:
        return lambda: python(VALIDATE.format(root=str(root)), **quiet)

    cases = {"100": validate(hundred), **{size: validate(root) for size, root in roots.items() if size != "10,000"}}
    found = interleaved(cases, 5)
    found["10,000"] = validate(roots["10,000"])()
    print("\nValidation from cold, CPU milliseconds, positions and all rules included")
    targets = {"100": 300, "1,000": 600}
    for size, spent in sorted(found.items(), key=lambda item: int(item[0].replace(",", ""))):
        target = targets.get(size)
        line(f"validate, {size} methods", f"{spent:.0f}", "", f"<= {target} ms" if target else "",
             spent <= target if target else None)  # fmt: skip
    peer = Path(sys.executable).with_name("check-jsonschema")
    if not peer.is_file():
        print("  check-jsonschema is not installed: not compared")
        return
    schema = CHECKOUT / "catalog/schema/method.schema.json"
    files = sorted((roots["1,000"] / "catalog/methods").glob("*.yaml"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([peer, "--schemafile", schema, *files], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    ratio = spent / found["1,000"]
    line("check-jsonschema on the same 1,000 files", f"{spent:.0f}", f"{ratio:.1f} x ours", ">= 10 x ours", ratio >= 10)


def queries(roots: dict[str, Path]) -> None:
    """Measure one query and one lineage inside a process."""
    import unlearning_atlas as ua

    print("\nInside a process, microseconds")
    for size, root in roots.items():
        atlas = ua.load(root)
        methods = atlas.methods

        def query(methods: ua.atlas.Methods = methods) -> None:
            methods.where(family="direct-fine-tuning", access_level="weights-and-gradients", benchmark="tofu")

        def lineage(atlas: ua.Atlas = atlas) -> None:
            atlas.lineage("ga")

        for what, action in (("3-facet query", query), ("lineage", lineage)):
            action()
            times = []
            for _ in range(7):
                start = time.perf_counter()
                for _ in range(2_000):
                    action()
                times.append((time.perf_counter() - start) / 2_000 * 1e6)
            spent = statistics.median(times)
            target, ok = ("<= 2 µs", spent <= 2) if (what, size) == ("3-facet query", "1,000") else ("", None)
            line(f"{what}, {size} methods", f"{spent:.2f}", "", target, ok)


def site(folder: Path) -> None:
    """Measure building the site at two sizes, per page."""
    print("\nSite, CPU milliseconds a page and kB of HTML a method page")
    spent = {}
    for count in (1_000, 3_000):
        root = catalog(CHECKOUT, folder / f"site-{count}", count)
        shutil.copy(CHECKOUT / "mkdocs.yml", root / "mkdocs.yml")
        shutil.copytree(
            CHECKOUT / "site/pages/assets", root / "site/pages/assets", ignore=shutil.ignore_patterns("data")
        )
        for page in CHECKOUT.glob("site/pages/*/index.md"):
            if page.parent.name not in GENERATED:
                shutil.copytree(page.parent, root / "site/pages" / page.parent.name)
        code = f"from pathlib import Path; from unlearning_atlas.site import build; build(Path({str(root)!r}))"
        cpu = python(code)
        pages = list((root / "site/_build").rglob("index.html"))
        methods = [len(page.read_bytes()) / 1e3 for page in pages if page.parent.parent.name == "methods"]
        spent[count] = cpu / len(pages)
        line(f"build, {len(pages)} pages", f"{cpu:.0f}", f"{spent[count]:.1f} a page")
        line("method pages of these: median, largest", f"{statistics.median(methods):.1f}", f"{max(methods):.1f}",
             "<= 25 kB", statistics.median(methods) <= 25)  # fmt: skip
    ratio = spent[3_000] / spent[1_000]
    line("a page at 3,000 methods, against one at 1,000", "", f"{ratio:.2f} x", "<= 1.33 x", ratio <= 4 / 3)


def main() -> None:
    """Print every table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["UNLEARNING_ATLAS_CACHE"] = str(folder / "cache")
        own = len(list((CHECKOUT / "catalog/methods").glob("*.yaml")))
        roots = {f"{own}": catalog(CHECKOUT, folder / "own", own)}
        roots |= {f"{size:,}": catalog(CHECKOUT, folder / str(size), size) for size in SIZES}
        wheels = {size: installed(root, folder / "wheels" / size) for size, root in roots.items()}
        processes(roots, wheels)
        checks(roots, catalog(CHECKOUT, folder / "hundred", 100))
        queries(roots)
        site(folder)


if __name__ == "__main__":
    main()
