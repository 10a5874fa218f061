"""Build the generated pages with other engines than the site's own, and count what comes out: ``make engines``.

It needs the network for the engines themselves, so it is no test. An engine that fails, or builds other pages, is said
and ends the command with 1; nothing else of the project depends on it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from unlearning_atlas.site import build

CHECKOUT = Path(__file__).resolve().parents[2]
ENGINES = {
    # Later releases of Zensical need a package that its registry does not hold.
    "zensical": (["zensical==0.0.73"], ["zensical", "build", "--strict"]),
    "properdocs": (
        ["properdocs~=1.6.7", "mkdocs-material~=9.8.1"],
        ["properdocs", "build", "--strict", "--config-file", "mkdocs.yml"],
    ),
}
"""Name to what is installed and what is run."""


def pages(folder: Path) -> set[str]:
    """Return the pages of a built site, as paths below it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("index.html")}


def main() -> int:
    """Print a line for each engine and return how many have failed."""
    expected = pages(build(CHECKOUT))
    print(f"{'mkdocs-material':<18}{len(expected)} pages")
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        for engine, (packages, command) in ENGINES.items():
            root = Path(name, engine)
            shutil.copytree(CHECKOUT / "site" / "pages", root / "site" / "pages")
            shutil.copy(CHECKOUT / "mkdocs.yml", root)
            tools = Path(name, f"{engine}-tools")
            venv.create(tools, with_pip=True)
            pip = [str(tools / "bin/pip"), "--disable-pip-version-check", "install", "--quiet", *packages]
            subprocess.run(pip, check=True)
            run = [str(tools / "bin" / command[0]), *command[1:]]
            environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
            done = subprocess.run(run, cwd=root, env=environment, capture_output=True, text=True)
            found = pages(root / "site" / "_build")
            same = done.returncode == 0 and found == expected
            failed += not same
            print(f"{engine:<18}{len(found)} pages{'' if same else ', not the same'}", flush=True)
            if done.returncode:
                print((done.stdout + done.stderr)[-2000:], file=sys.stderr)
            for path in sorted(found ^ expected)[:10]:
                print(f"  {'only here' if path in found else 'missing'}: {path}", file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
