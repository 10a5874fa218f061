"""What people install: the wheel and the sdist, built from a copy and used from outside the checkout.

The copy holds the small invented catalog in place of the real one, so a fault there does not show up here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
SMALL = CHECKOUT / "tests/data/small"
IDS = sorted(file.stem for file in (SMALL / "catalog/methods").glob("*.yaml"))


def call(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command and return its output; what it says on standard error is shown when it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what a release is made from."""
    copy = tmp_path_factory.mktemp("source") / "unlearning-atlas"
    copy.mkdir()
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "LICENSE-CATALOG", "CITATION.cff"):
        shutil.copy(CHECKOUT / name, copy)
    ignore = shutil.ignore_patterns("__pycache__", "_data")
    shutil.copytree(CHECKOUT / "src", copy / "src", ignore=ignore)
    shutil.copytree(CHECKOUT / "tests", copy / "tests", ignore=ignore)
    for folder in ("catalog", "taxonomy", "reference_impls"):
        shutil.copytree(SMALL / folder, copy / folder, ignore=ignore)
    return copy


def build(source: Path, kind: str, into: Path) -> Path:
    call(sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", into, source, cwd=into)
    (made,) = into.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(source, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(source, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder of its own, far from the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    call(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel, cwd=folder)
    return folder


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def ask(installed: Path, code: str) -> str:
    """Run code on the installed package, from outside; it must not be the checkout that answers."""
    guard = "import unlearning_atlas as ua, pathlib, sys\n"
    guard += f"assert pathlib.Path(ua.__file__).is_relative_to({str(installed)!r}), ua.__file__\n"
    return call(sys.executable, "-c", guard + code, cwd=installed, PYTHONPATH=str(installed)).strip()


def test_the_wheel_holds_the_package_and_the_data(wheel: Path) -> None:
    files = names(wheel)
    for file in (
        "unlearning_atlas/py.typed", "unlearning_atlas/lab/runner.py", "unlearning_atlas/lint/engine.py",
        "unlearning_atlas/_data/index.jsonl", "unlearning_atlas/_data/papers.json",
        "unlearning_atlas/_data/catalog/references.bib", "unlearning_atlas/_data/catalog/methods/alpha-ascent.yaml",
        "unlearning_atlas/_data/taxonomy/families.yaml", "unlearning_atlas/_data/reference_impls/beta_preference.py",
    ):  # fmt: skip
        assert file in files, file
    assert any(file.endswith("licenses/LICENSE") for file in files)
    assert any(file.endswith("licenses/LICENSE-CATALOG") for file in files)
    tops = {file.split("/")[0] for file in files if ".dist-info" not in file}
    assert tops == {"unlearning_atlas"}, "nothing else is put into site-packages"


def test_the_extras_are_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(archive.read(name).decode() for name in archive.namelist() if name.endswith("METADATA"))
    assert {line.split(": ")[1] for line in metadata.splitlines() if line.startswith("Provides-Extra")} >= {
        "lab",
        "site",
        "hf",
    }
    assert "Requires-Dist: torch~=2.13.0; extra == 'lab'" in metadata


def test_queries_read_the_compiled_index_only(installed: Path) -> None:
    code = """
atlas = ua.load()
assert list(atlas.methods.where(benchmark="hazard-bench")) == ["beta-preference", "gamma-steer"]
bibtex = atlas.methods.to_bibtex()
assert "@misc{rivers2024beta" in bibtex
heavy = {"pydantic", "yaml", "bibtexparser", "networkx", "torch", "typer"} & set(sys.modules)
print(sorted(heavy), *atlas.methods)
"""
    assert ask(installed, code) == f"[] {' '.join(IDS)}"


def test_full_entries_are_those_of_the_files(installed: Path) -> None:
    code = "import json; print(json.dumps({i: m.summary for i, m in ua.load().methods.items()}))"
    summaries = json.loads(ask(installed, code))
    for id_ in IDS:
        assert summaries[id_] == yaml.safe_load((SMALL / f"catalog/methods/{id_}.yaml").read_text())["summary"]


def test_the_index_is_used_and_not_the_files(installed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(installed, copy)
    shutil.rmtree(copy / "unlearning_atlas/_data/catalog/methods")
    assert ask(copy, "print(len(ua.load().methods['alpha-ascent'].evidence))") == "1"


def test_checks_run_on_the_installed_data(installed: Path) -> None:
    assert ask(installed, "print(ua.validate())") == "[]"


def test_the_command_works(installed: Path) -> None:
    out = call(sys.executable, "-m", "unlearning_atlas", "list", "--json", cwd=installed, PYTHONPATH=str(installed))
    assert [record["id"] for record in json.loads(out)] == IDS
    script = (installed / "bin/unlearning-atlas").read_text()
    assert "from unlearning_atlas.cli import main" in script


def test_clients_are_type_checked_against_it(installed: Path, tmp_path: Path) -> None:
    client = tmp_path / "client.py"
    good = """
import unlearning_atlas as ua

atlas = ua.load()
title: str = atlas.methods["npo"].paper.title
chosen: list[str] = list(atlas.methods.where(access_level="logits", benchmark=["tofu", "muse"]))
"""
    client.write_text(good)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--no-incremental", client)
    call(*mypy, cwd=tmp_path, MYPYPATH=str(installed))
    client.write_text(good.replace("access_level", "acess_level"))
    done = subprocess.run(
        list(map(str, mypy)),
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "acess_level" in done.stdout


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    out = tmp_path.parent / f"{tmp_path.name}-wheel"
    out.mkdir()
    again = build(unpacked, "wheel", out)
    assert names(again) == names(wheel)
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(wheel) as two:
        for name in sorted(names(wheel)):
            if not name.endswith("RECORD"):
                assert one.read(name) == two.read(name), name


def test_an_editable_install_reads_the_checkout() -> None:
    """The environment that runs the tests has one."""
    code = "import unlearning_atlas.files as f; print(f.find_root())"
    assert Path(call(sys.executable, "-c", code, cwd=Path("/")).strip()) == CHECKOUT
