"""Catalogs of any size for the benchmarks: this project's own taxonomy and papers, entries varied from real ones."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path


def catalog(checkout: Path, root: Path, count: int) -> Path:
    """Write a catalog of ``count`` methods below ``root``, beside the real benchmarks and metrics; return the root.

    Each method is a real entry with another id, name and aliases and with facets drawn anew, so its size and its
    evidence are those of real entries, and the checks find no fault in it.
    """
    chance = random.Random(count)
    for folder in ("taxonomy", *(f"catalog/{kind}" for kind in ("benchmarks", "metrics", "surveys", "open_problems"))):
        shutil.copytree(checkout / folder, root / folder)
    shutil.copy(checkout / "catalog/references.bib", root / "catalog/references.bib")
    (root / "reference_impls").mkdir()
    (root / "catalog/methods").mkdir()
    originals = [_without_code_of_ours(file.read_text()) for file in sorted((checkout / "catalog/methods").glob("*"))]
    targets = re.findall(r"^ *- id: (\S+)", (checkout / "taxonomy/targets.yaml").read_text(), re.M)
    for file in (checkout / "catalog/methods").glob("*"):
        (root / "catalog/methods" / file.name).write_text(_without_code_of_ours(file.read_text()))
    for number in range(count - len(originals)):
        text = chance.choice(originals)
        id_ = f"generated-{number}"
        text = re.sub(r"^id: .*$", f"id: {id_}", text, count=1, flags=re.M)
        text = re.sub(r"^name: .*$", f"name: Generated {number}", text, count=1, flags=re.M)
        text = re.sub(r"^aliases: .*\n(?:[ \]].*\n)*", "", text, count=1, flags=re.M)
        chosen = sorted(chance.sample(targets, 2))
        text = re.sub(r"^target: .*$", f"target: [{', '.join(chosen)}]", text, count=1, flags=re.M)
        # What one target is said to rest on is said of them all: that one may not have been drawn.
        text = re.sub(r"(?<=supports: \[)([^\]]*\btarget\.[^\]]*)", _of_all_targets, text)
        text = re.sub(r"^relations:\n(?:  .*\n)+", "", text, flags=re.M)
        (root / "catalog/methods" / f"{id_}.yaml").write_text(text)
    return root


def _of_all_targets(supports: re.Match[str]) -> str:
    fields = (re.sub(r"^target\..*", "target", field.strip()) for field in supports[1].split(","))
    return ", ".join(dict.fromkeys(fields))


def _without_code_of_ours(text: str) -> str:
    """Drop the reference implementation: the generated catalogs have no files for them."""
    return re.sub(r"^implementation:\n(?:  .*\n)+", "", text, flags=re.M)
