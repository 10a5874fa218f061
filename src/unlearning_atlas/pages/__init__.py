"""The site's generated pages: from the catalog to Markdown, without touching anything.

Each module holds one type of page. The Markdown is plain, so it builds with any engine that reads ``mkdocs.yml``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas.pages import (
    benchmark,
    home,
    literature,
    measured,
    method,
    methods,
    metric,
    open_problem,
    survey,
    taxonomy,
)
from unlearning_atlas.pages.view import FOLDERS, Survey, View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.atlas import Atlas

__all__ = ["FOLDERS", "render"]


def render(atlas: Atlas, repo_url: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path below the pages' folder, Markdown) for every generated page.

    ``repo_url`` is the repository's address, for the links that edit an entry; without one there are no such links.
    """
    known = Survey(atlas, repo_url)
    yield "index.md", home.render(View(known, ""))
    below = View(known, "../")
    yield "taxonomy.md", taxonomy.render(below)
    yield "measured/index.md", measured.render(below)
    yield "methods/index.md", methods.render(below)
    yield "benchmarks/index.md", benchmark.render_all(below)
    yield "metrics/index.md", metric.render_all(below)
    yield "surveys/index.md", survey.render_all(below)
    yield "open_problems/index.md", open_problem.render_all(below)
    yield "literature.md", literature.render(below)
    leaf = View(known, "../../")
    # An entry has a folder of its own, so none can take the place of a kind's table.
    yield from ((f"methods/{id_}/index.md", method.render(leaf, entry)) for id_, entry in atlas.methods.items())
    yield from (
        (f"benchmarks/{id_}/index.md", benchmark.render(leaf, entry)) for id_, entry in atlas.benchmarks.items()
    )
    yield from ((f"metrics/{id_}/index.md", metric.render(leaf, entry)) for id_, entry in atlas.metrics.items())
    yield from ((f"surveys/{id_}/index.md", survey.render(leaf, entry)) for id_, entry in atlas.surveys.items())
    yield from (
        (f"open_problems/{id_}/index.md", open_problem.render(leaf, entry))
        for id_, entry in atlas.open_problems.items()
    )
