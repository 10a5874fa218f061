"""The pictures that other sites show when somebody shares a page: drawn with Pillow, without fonts from elsewhere."""

from __future__ import annotations

import hashlib
import textwrap
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from unlearning_atlas.files import cache_folder, write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.ImageDraw import ImageDraw

    from unlearning_atlas.atlas import Atlas

SIZE = (1200, 630)
_PAPER, _INK, _TEXT, _QUIET = "#fbfaf6", "#1d4a75", "#25282c", "#5f5d57"
_STYLE = "1"
"""Part of the key of a picture in the cache; it changes when the drawing does."""
_LEFT, _WIDTH = 90, 1020


def cards(atlas: Atlas) -> Iterator[tuple[str, str, str, str]]:
    """Yield (path without extension, line above, name, line below) of every picture."""
    sizes = (len(atlas.methods), len(atlas.benchmarks), len(atlas.metrics))
    counts = "{} methods, {} benchmarks, {} metrics and attacks".format(*sizes)
    yield "home", "An executable survey", "Machine unlearning for large language models", counts
    label = atlas.taxonomy.label
    for id_, method in atlas.methods.items():
        yield f"methods/{id_}", f"Method · {label('family', method.family)}", method.name, method.paper.citation
    for id_, benchmark in atlas.benchmarks.items():
        yield f"benchmarks/{id_}", "Benchmark", benchmark.name, benchmark.paper.citation
    for id_, metric in atlas.metrics.items():
        yield f"metrics/{id_}", metric.role.capitalize(), metric.name, metric.paper.citation


def write(atlas: Atlas, folder: Path) -> set[str]:
    """Write every picture below a folder and return their paths without extension; drawn ones are kept in the cache."""
    written = set()
    for path, above, name, below in cards(atlas):
        key = hashlib.sha256("\n".join((_STYLE, above, name, below)).encode()).hexdigest()[:24]
        kept = cache_folder() / "social" / f"{key}.png"
        try:
            picture = kept.read_bytes()
        except OSError:
            picture = draw(above, name, below)
            _keep(kept, picture)
        write_bytes(folder / f"{path}.png", picture)
        written.add(path)
    return written


def _keep(path: Path, picture: bytes) -> None:
    try:
        write_bytes(path, picture)
    except OSError:
        return  # a read-only or full cache only costs time


def draw(above: str, name: str, below: str) -> bytes:
    """Return a picture as PNG: the name as large as it fits, a line above and one below it, the mark of the site."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", SIZE, _PAPER)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 24, SIZE[1]), fill=_INK)
    _mark(pen, _LEFT, 80)
    pen.text((_LEFT + 62, 84), "Unlearning Atlas", fill=_TEXT, font=_font(34))
    pen.text((_LEFT, 190), above, fill=_INK, font=_font(34))
    for size in (76, 64, 52, 44, 36):
        font = _font(size)
        wrapped = textwrap.wrap(name, max(8, int(_WIDTH / (size * 0.52))), max_lines=3, placeholder=" …")
        if len(wrapped) * size * 1.2 <= 250 and all(pen.textlength(line, font) <= _WIDTH for line in wrapped):
            break
    pen.multiline_text((_LEFT, 250), "\n".join(wrapped), fill=_TEXT, font=font, spacing=size * 0.2)
    pen.text((_LEFT, 530), below, fill=_QUIET, font=_font(32))
    out = BytesIO()
    image.quantize(16, Image.Quantize.FASTOCTREE).save(out, "PNG")
    return out.getvalue()


@cache
def _font(size: int) -> Any:
    """Return the font that Pillow brings along."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _mark(pen: ImageDraw, x: int, y: int) -> None:
    """Draw the site's mark: a tree of three nodes, one of them forgotten."""
    for place, filled in (((x + 8, y + 21), True), ((x + 38, y + 6), True), ((x + 38, y + 36), False)):
        pen.line((x + 8, y + 21, *place), fill=_INK, width=3)
        box = (place[0] - 7, place[1] - 7, place[0] + 7, place[1] + 7)
        pen.ellipse(box, fill=_INK if filled else _PAPER, outline=_INK, width=3)
