"""Where things lie, and writing them so that a reader never meets half a file."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# pathlib takes a third as long to import as a bare interpreter to start; a query from an installed package needs none.


def data_folder() -> str:
    """Return the folder that holds ``catalog/`` and ``taxonomy/``: inside the installed package, or the checkout."""
    package = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120
    for root in (f"{package}/_data", os.path.dirname(os.path.dirname(package))):  # noqa: PTH120
        if os.path.isdir(f"{root}/catalog"):  # noqa: PTH112
            return root
    raise FileNotFoundError(f"no catalog beside {package}: the installation is incomplete")


def find_root() -> Path:
    """Return :func:`data_folder` as a path."""
    from pathlib import Path

    return Path(data_folder())


def cache_folder() -> Path:
    """Return the folder for what can be made again: $UNLEARNING_ATLAS_CACHE, or one in the user's cache folder."""
    from pathlib import Path

    if chosen := os.environ.get("UNLEARNING_ATLAS_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "unlearning-atlas"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old content or the new. Raises OSError, leaving nothing behind.

    A link stays a link, and a file that was there keeps its mode.
    """
    path = path.resolve() if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content)
        if path.exists():
            draft.chmod(path.stat().st_mode)
        draft.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:  # a full disk names no file, a refusal that of the draft
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically, line breaks as given. Raises OSError, leaving nothing behind."""
    write_bytes(path, text.encode())


def stale(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Return which of some generated files are missing below a root or hold another text than they should."""
    return [
        file
        for file, text in texts.items()
        if not (root / file).is_file() or (root / file).read_bytes() != text.encode()
    ]


def write_together(root: Path, texts: Mapping[str, str]) -> None:
    """Write several UTF-8 files below a root, all or none. Raises OSError with every file as it was."""
    done: list[tuple[Path, bytes | None]] = []
    try:
        for file, text in texts.items():
            path = root / file
            before = path.read_bytes() if path.exists() else None
            write_text(path, text)
            done.append((path, before))
    except BaseException:
        for path, before in done:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                write_bytes(path, before)
        raise
