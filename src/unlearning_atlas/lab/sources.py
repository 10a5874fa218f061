"""Fingerprints of code: what a number was computed by, whatever its comments say."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


def _of(file: Path) -> bytes:
    """Return the digest of a file's statements, without comments, docstrings and layout."""
    return _digest(file, file.stat().st_mtime_ns)


@cache
def _digest(file: Path, _: int) -> bytes:
    """Do so once for every state of a file, which its time of change tells."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [part for part in body if not _is_text(part)]
    return hashlib.sha256(ast.dump(tree).encode()).digest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def fingerprint(*names: str, files: tuple[Path, ...] = ()) -> str:
    """Return 12 hexadecimal digits that change when the code of some modules of the lab, or of some files, does."""
    digest = hashlib.sha256()
    for file in (*(HERE / f"{name}.py" for name in names), *files):
        digest.update(_of(file))
    return digest.hexdigest()[:12]
