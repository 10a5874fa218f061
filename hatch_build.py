"""Put the compiled catalog into the wheel, so that installed users never parse YAML or BibTeX."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledCatalog(BuildHookInterface):  # type: ignore[type-arg]
    """Compile the catalog with the code that is being packaged, and add the two files to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run before the wheel is filled. An editable install reads the checkout itself and needs nothing."""
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        try:
            from unlearning_atlas import index, papers
            from unlearning_atlas.compiler import compile_index

            self._folder = tempfile.TemporaryDirectory()
            for name, content in (
                (index.SHIPPED, compile_index(root)),
                (papers.SHIPPED, papers.compile_papers(root).encode()),
            ):
                file = Path(self._folder.name, name)
                file.write_bytes(content)
                build_data["force_include"][str(file)] = f"unlearning_atlas/_data/{name}"
        finally:
            sys.path.remove(str(root / "src"))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the compiled files."""
        if version != "editable":
            self._folder.cleanup()
