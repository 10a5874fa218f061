"""Building and serving the site: the generated pages on disk, then mkdocs over all of them.

It needs a checkout, since the hand-written pages, the style and ``mkdocs.yml`` are no part of the installed package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import TYPE_CHECKING

import yaml

from unlearning_atlas.audit import AuditError
from unlearning_atlas.files import find_root, write_text
from unlearning_atlas.measurements import MeasurementsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PAGES = "site/pages"
OUTPUT = "site/_build"
OFFLINE = "site/_offline"
"""Where the site that is read from disk stands."""
_SOURCES = ("catalog", "taxonomy", "reference_impls", PAGES, "src/unlearning_atlas")
_DANGLING = frozenset(("reference", "term"))
"""The rules on names that lead nowhere: a page that shows such a name can't be written."""
_LAST = 12
"""How many of mkdocs' last lines a failure shows."""


class SiteError(RuntimeError):
    """The site can't be built or served; the message says why and what to do."""


def build(root: Path | None = None, *, strict: bool = True, offline: bool = False) -> Path:
    """Build the site and return the folder it stands in; the previous one stays until the new one is complete.

    Args:
        root: a checkout, that is a folder with ``mkdocs.yml`` beside ``catalog/``; by default the one this package
            lies in.
        strict: fail on any fault of the catalog and on what mkdocs only warns of; otherwise only on names that lead
            nowhere.
        offline: build the site that is read from disk, into a folder of its own.

    Raises:
        CatalogError: the catalog has faults; nothing has been changed.
        SiteError: there is no checkout, mkdocs or Pillow is not installed, a file is damaged, or mkdocs fails.
    """
    root = _checkout(root)
    for module in ("mkdocs", "material", "PIL"):
        if find_spec(module) is None:
            tip = "pip install 'unlearning-atlas[site]'"
            raise SiteError(f"the site is built with mkdocs-material and Pillow, which are not installed; tip: {tip}")
    _check(root, strict=strict)
    from mkdocs.exceptions import ConfigurationError

    try:
        write_pages(root)
    except (AuditError, MeasurementsError, ConfigurationError, yaml.YAMLError) as error:
        raise SiteError(f"what pages are made of can't be read: {error}") from error
    output = root / (OFFLINE if offline else OUTPUT)
    draft = output.with_name(f"{output.name}.{os.getpid()}")
    try:
        _run_mkdocs(root, draft, strict=strict, config="mkdocs.offline.yml" if offline else "mkdocs.yml")
        _finish(root, draft, offline=offline)
        shutil.rmtree(output, ignore_errors=True)
        draft.replace(output)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return output


def _finish(root: Path, draft: Path, *, offline: bool) -> None:
    """Draw the preview pictures and finish every page that mkdocs has built."""
    from unlearning_atlas.atlas import load
    from unlearning_atlas.pages import social
    from unlearning_atlas.pages.finish import CARDS, Finish

    # Nobody shares a page on a disk.
    cards = set() if offline else social.write(load(root), draft / CARDS)
    if offline:
        (draft / "404.html").unlink()  # only a server answers with it
    finish = Finish(_addresses(root)[1], cards, offline)
    for page in draft.rglob("*.html"):
        page.write_text(finish.apply(page.read_text("utf-8"), page.relative_to(draft).as_posix()), "utf-8")


def _checkout(root: Path | None) -> Path:
    root = find_root() if root is None else root.resolve()
    if not (root / "mkdocs.yml").is_file():
        raise SiteError(f"no mkdocs.yml in {root}: the site is built from a checkout, not from an installed package")
    return root


def _check(root: Path, *, strict: bool) -> None:
    from unlearning_atlas.faults import CatalogError
    from unlearning_atlas.lint import validate

    faults = [fault for fault in validate(root) if strict or fault.rule in _DANGLING]
    if faults:
        raise CatalogError(faults)


def write_pages(root: Path) -> list[Path]:
    """Write the generated pages that differ from those on disk, remove those that have gone, and return both.

    The catalog must be without faults, as :func:`build` makes sure.
    """
    from unlearning_atlas.atlas import load
    from unlearning_atlas.history import read_history
    from unlearning_atlas.pages import GENERATED, render

    pages = root / PAGES
    atlas = load(root)
    repository, address = _addresses(root)
    rendered = {pages / path: text for path, text in render(atlas, repository, address, read_history(atlas))}
    changed = [path for path, text in rendered.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in changed:
        write_text(path, rendered[path])
    there = (path for name in GENERATED for path in sorted((pages / name).rglob("*")) if path.is_file())
    gone = [path for path in there if path not in rendered]
    for path in gone:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return [*changed, *gone]


def _addresses(root: Path) -> tuple[str, str]:
    """Return the address of the repository, or nothing, and that of the site, with a slash at its end."""
    from mkdocs.utils.yaml import yaml_load

    with (root / "mkdocs.yml").open("rb") as file:
        config = yaml_load(file)
    repository = (config.get("extra") or {}).get("repository") or ""
    return str(repository), str(config["site_url"]).rstrip("/") + "/"


def _run_mkdocs(root: Path, output: Path, *, strict: bool, config: str) -> None:
    # Never with --quiet: it silences the warnings that --strict counts, and mkdocs then always succeeds.
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--config-file",
        config,
        "--site-dir",
        str(output),
        "--strict" if strict else "--no-strict",
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    said = done.stdout.strip().splitlines()
    if done.returncode:
        raise SiteError("\n".join(["mkdocs could not build the site:", *(f"  {line}" for line in said[-_LAST:])]))
    for line in said:
        if line.startswith("WARNING"):
            print(line, file=sys.stderr)


def serve(root: Path | None = None, port: int = 8000) -> None:
    """Serve the site on this machine until interrupted, building it first if it is missing or older than its sources.

    Raises SiteError when the port can't be used, and whatever :func:`build` raises.
    """
    root = _checkout(root)
    if _is_stale(root):
        build(root)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(root / OUTPUT)))
    except (OSError, OverflowError) as error:
        raise SiteError(f"port {port} can't be used: {error}; tip: choose another port") from error
    with server:
        print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


class _Handler(SimpleHTTPRequestHandler):
    """Serves files without a log, and asks the browser to look again, so that a rebuilt page shows at once."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def _is_stale(root: Path) -> bool:
    index = root / OUTPUT / "index.html"
    if not index.is_file():
        return True
    built = index.stat().st_mtime
    return any(path.stat().st_mtime > built for path in _sources(root))


def _sources(root: Path) -> Iterable[Path]:
    yield root / "mkdocs.yml"
    for folder in _SOURCES:
        # Compiled Python is written when the package runs and says nothing about the sources.
        yield from (path for path in (root / folder).rglob("*") if path.suffix != ".pyc" and path.is_file())
