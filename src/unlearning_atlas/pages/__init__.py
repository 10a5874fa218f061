"""The site's generated pages: from the catalog to Markdown, without touching anything.

Each module holds one type of page. The Markdown is plain, so it builds with any engine that reads ``mkdocs.yml``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearning_atlas import api
from unlearning_atlas.history import feed
from unlearning_atlas.pages import (
    benchmark,
    changelog,
    client,
    compare,
    data,
    find,
    gaps,
    graph,
    home,
    leaderboard,
    literature,
    method,
    methods,
    metric,
    open_problem,
    robustness,
    survey,
    taxonomy,
    timeline,
)
from unlearning_atlas.pages.view import FOLDERS, Survey, View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unlearning_atlas.atlas import Atlas
    from unlearning_atlas.history import History

__all__ = ["FOLDERS", "GENERATED", "render"]

GENERATED = (
    *("index.md", "find", "compare", "timeline", "taxonomy", "graph", "gaps", "measured", "robustness", "literature"),
    *("data", "changelog", "api", "feed.xml", client.FOLDER),
    *FOLDERS,
)
"""What :func:`render` writes below the pages' folder: files, and folders that hold nothing else."""


def render(
    atlas: Atlas, repo_url: str = "", site_url: str = "", history: History | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (path below the pages' folder, text) for every generated page and every file that its scripts load.

    ``repo_url`` is the repository's address, for the links that edit an entry; without one there are no such links.
    ``site_url`` is where the site is served, with a slash at its end, for the addresses that must be absolute.
    """
    known = Survey(atlas, repo_url, site_url, history)
    yield "index.md", home.render(View(known, ""))
    below = View(known, "../")
    yield "taxonomy/index.md", taxonomy.render(below)
    yield "graph/index.md", graph.render(below)
    yield "gaps/index.md", gaps.render(below)
    yield "measured/index.md", leaderboard.render(below)
    yield "robustness/index.md", robustness.render(below)
    yield "methods/index.md", methods.render(below)
    yield "find/index.md", find.render(below)
    yield "compare/index.md", compare.render(below)
    yield "timeline/index.md", timeline.render(below)
    yield "benchmarks/index.md", benchmark.render_all(below)
    yield "metrics/index.md", metric.render_all(below)
    yield "surveys/index.md", survey.render_all(below)
    yield "open_problems/index.md", open_problem.render_all(below)
    yield "literature/index.md", literature.render(below)
    yield from client.render(below)
    files = dict(api.files(atlas, site_url, history))
    yield from files.items()
    yield "feed.xml", feed(atlas, history, site_url)
    sizes = {path.removeprefix(f"{api.FOLDER}/"): len(text.encode()) for path, text in files.items()}
    yield "data/index.md", data.render(below, sizes)
    yield "changelog/index.md", changelog.render(below)
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
