"""The README's Python examples give what it says they give, and what it names is there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path


def test_the_examples(checkout: Path) -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    text = (checkout / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        runner.run(parser.get_doctest(block, {}, "README.md", "README.md", 0))
    assert runner.summarize(verbose=False).failed == 0


def test_what_it_names_is_there(checkout: Path) -> None:
    text = (checkout / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (checkout / target).exists(), target
    makefile = (checkout / "Makefile").read_text()
    for target in re.findall(r"(?:\$ |`)make ([a-z]+|\.venv/\.dev)\b", text):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.M), target


def test_the_broken_entry_gives_the_message_shown(checkout: Path, tmp_path: Path) -> None:
    import shutil

    from unlearning_atlas import validate

    text = (checkout / "README.md").read_text()
    (message,) = re.findall(r"^catalog/methods/delta-unlearning\.yaml:.*$", text, re.M)
    for folder in ("catalog", "taxonomy", "reference_impls"):
        shutil.copytree(checkout / folder, tmp_path / folder)
    file = tmp_path / "catalog/methods/delta-unlearning.yaml"
    file.write_text(file.read_text().replace("access_level: [logits]", "access_level: [logit]"))
    assert [str(fault) for fault in validate(tmp_path)] == [message]
