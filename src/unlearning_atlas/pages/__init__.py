"""The site's generated pages: from the catalog to Markdown, without touching anything.

Each module holds one type of page. The Markdown is plain, so it builds with any engine that reads ``mkdocs.yml``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import benchmark, home, measured, method, methods, metric, taxonomy
from unlearning_atlas.pages.view import FOLDERS, Survey, View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.atlas import Atlas

__all__ = ["FOLDERS", "render"]


def render(atlas: Atlas, repo_url: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path below the pages' folder, Markdown) for every generated page.

    ``repo_url`` is the repository's address, for the links that edit an entry; without one there are no such links.
    """
    survey = Survey(atlas, repo_url)
    yield "index.md", home.render(View(survey, ""))
    below = View(survey, "../")
    yield "taxonomy.md", taxonomy.render(below)
    yield "measured/index.md", measured.render(below)
    yield "methods/index.md", methods.render(below)
    yield "benchmarks/index.md", benchmark.render_all(below)
    yield "metrics/index.md", metric.render_all(below)
    leaf = View(survey, "../../")
    # An entry has a folder of its own, so none can take the place of a kind's table.
    yield from ((f"methods/{id_}/index.md", method.render(leaf, entry)) for id_, entry in atlas.methods.items())
    yield from (
        (f"benchmarks/{id_}/index.md", benchmark.render(leaf, entry)) for id_, entry in atlas.benchmarks.items()
    )
    yield from ((f"metrics/{id_}/index.md", metric.render(leaf, entry)) for id_, entry in atlas.metrics.items())
