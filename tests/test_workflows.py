"""What runs on GitHub: pinned, without rights it does not need, and its steps do what they say.

The steps are run here as the runner would, in a repository made of the small catalog; what installs is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.test_forms import ANSWERS, HOSTILE, rendered

from unlearning_atlas.lint.file_rules import SCHEMA_OF

if TYPE_CHECKING:
    from tests.conftest import Root

CHECKOUT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((CHECKOUT / ".github/workflows").glob("*.yml"))
A = "catalog/methods/alpha-ascent.yaml"
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def workflow(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # BaseLoader: 'on' is a key, not a truth value


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(path)["jobs"].values() for step in job["steps"]]


@every_workflow
def test_every_action_is_pinned_by_its_commit(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    for line in uses:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+", line), line


def test_one_version_of_each_action() -> None:
    uses = {line for path in WORKFLOWS for line in re.findall(r"uses: (.*)", path.read_text())}
    assert len({line.partition("@")[0] for line in uses}) == len(uses), uses


@every_workflow
def test_no_more_rights_than_needed(path: Path) -> None:
    found = workflow(path)
    text = path.read_text()
    assert found["permissions"] in ({"contents": "read"}, "{}", {})
    wanted = {"draft": {"contents": "read", "issues": "write"}}.get(path.stem)
    assert [job.get("permissions") for job in found["jobs"].values()] == [wanted]
    triggers = found["on"] if isinstance(found["on"], (list, dict)) else [found["on"]]
    assert not set(triggers) & {"pull_request_target", "workflow_run"}, (
        "code of a fork runs without rights, or not at all"
    )
    assert not re.search(r"secrets\.\w|secrets: inherit", text)
    for step in steps(path):
        assert "${{" not in step.get("run", ""), "values reach a shell through its environment or a file"
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] == "false"
    assert all("timeout-minutes" in job for job in found["jobs"].values())


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
        ("dependabot", "dependabot.yml"),
    ],
)
def test_github_takes_them(schema: str, pattern: str) -> None:
    files = [str(path) for path in (CHECKOUT / ".github").glob(pattern)]
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


class Runner:
    """A repository made of the small catalog, and what runs a workflow's steps in it."""

    def __init__(self, root: Root, tmp: Path) -> None:
        self.root, self.path, self.tmp = root, root.path, tmp
        self.summary = tmp / "summary.md"
        self.environment: dict[str, str] = {}
        (tmp / "bin").mkdir()
        self.shim(self.path / ".venv/bin/unlearning-atlas", self.atlas())
        self.shim(tmp / "bin/gh", f'printf "%s\\n" "$@" > "{tmp}/gh.txt"\n')
        (self.path / ".gitignore").write_text(".venv\n")
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit("base")

    def atlas(self) -> str:
        """Return a command that takes this repository for the package's own."""
        run = f'"{sys.executable}" -m unlearning_atlas'
        return f'case "$1 $*" in diff*|*--root*) exec {run} "$@" ;; *) exec {run} "$@" --root . ;; esac\n'

    def shim(self, file: Path, script: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}")
        file.chmod(0o755)

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=self.path, check=True, capture_output=True, text=True
        ).stdout

    def commit(self, message: str) -> None:
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def run(self, name: str, *, without: tuple[str, ...] = ()) -> dict[str, int]:
        """Run a workflow's scripts until one fails; return the exit code of each by its name."""
        codes: dict[str, int] = {}
        for step in steps(CHECKOUT / f".github/workflows/{name}.yml"):
            if "run" not in step or step["name"] in ("Install", *without):
                continue
            environment = {
                **{key: value for key, value in os.environ.items() if not key.startswith("GIT")},
                "PATH": f"{self.tmp / 'bin'}:{os.environ['PATH']}",
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "RUNNER_TEMP": str(self.tmp),
                "COLUMNS": "200",
                **self.environment,
            }
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]], cwd=self.path, env=environment, capture_output=True, text=True
            )
            assert "Traceback" not in done.stderr
            codes[step["name"]] = done.returncode
            self.said = done.stdout
            if step["name"].startswith("Name every fault"):
                self.annotations = done.stdout
            if done.returncode:
                break
        return codes


@pytest.fixture
def runner(small: Root, tmp_path: Path) -> Runner:
    return Runner(small, tmp_path)


def test_a_pull_request_without_faults(runner: Runner) -> None:
    runner.root.edit(A, "family: gradient-based", "family: task-vectors")
    runner.commit("change")
    codes = runner.run("pull-request", without=("Build the site",))
    assert set(codes.values()) == {0}
    assert len(codes) == 5
    summary = runner.summary.read_text()
    assert "### No faults in the catalog" in summary
    assert f"- **changed** `{A}`\n  - `family`: `gradient-based` → `task-vectors`" in summary
    assert "mends itself" not in summary
    assert "artefact `site`" in summary
    assert runner.annotations == ""
    assert not (runner.path / "fix.patch").read_text()


def test_a_pull_request_with_faults(runner: Runner) -> None:
    """Every fault stands in the summary, also those past the ten that GitHub annotates, and the patch applies."""
    text = runner.root.text(A)
    runner.root.write(
        A, text.replace("family: gradient-based\n", "family: gradient\n").replace("\nmodality:", "   \nmodality:")
    )
    for number in range(12):
        runner.root.write(f"catalog/methods/new-{number}.yaml", "id: x\n```\n")
    runner.commit("change")
    codes = runner.run("pull-request", without=("Build the site",))
    assert list(codes.values()) == [0, 0, 0, 1]
    assert list(codes)[-1] == "Fail while there are faults"
    assert runner.annotations.count("::error file=") >= 14
    assert re.search(rf"^::error file={A},line=\d+,col=\d+,title=reference::", runner.annotations, re.M)
    summary = runner.summary.read_text()
    faults = (runner.path / "faults.txt").read_text().splitlines()
    assert len(faults) >= 14
    for fault in faults:
        assert f"\n    {fault}\n" in summary, "in a block of code"
    assert f"{len(faults)} faults in 13 files" in summary
    assert "- **cannot be read**: `catalog/methods/new-0.yaml`" in summary
    runner.git("apply", "fix.patch")
    assert "   \nmodality:" not in runner.root.text(A)
    assert f"    +++ b/{A}" in summary


def event(runner: Runner, body: str) -> None:
    (runner.tmp / "event.json").write_text(json.dumps({"issue": {"body": body, "number": 7}}))
    runner.environment |= {
        "GITHUB_EVENT_PATH": str(runner.tmp / "event.json"), "ISSUE": "7", "GITHUB_SERVER_URL": "https://example.org",
        "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "1",
    }  # fmt: skip


needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="GitHub's runners have jq, this machine has not")


@needs_jq
def test_a_form_becomes_a_comment_and_a_patch(runner: Runner) -> None:
    event(runner, rendered(runner.root, **ANSWERS))
    assert set(runner.run("draft").values()) == {0}
    assert (runner.tmp / "gh.txt").read_text().split() == [
        *("issue", "comment", "7", "--body-file", "comment.md", "--edit-last", "--create-if-none")
    ]
    comment = (runner.path / "comment.md").read_text()
    draft = runner.root.text("catalog/methods/delta.yaml")
    assert comment.startswith("Thank you.")
    assert "\n".join(f"    {line}" for line in draft.splitlines()) in comment
    assert "\n[The run](https://example.org/a/b/actions/runs/1)\n" in comment
    runner.git("clone", "--quiet", ".", str(runner.tmp / "clone"))
    runner.git("-C", str(runner.tmp / "clone"), "apply", str(runner.path / "draft.patch"))
    assert (runner.tmp / "clone/catalog/methods/delta.yaml").read_text() == draft
    assert "hill2025delta" in (runner.tmp / "clone/catalog/references.bib").read_text()


@needs_jq
@pytest.mark.parametrize("text", [*HOSTILE[:3], HOSTILE[-3], "```\n@team\n# Heading\n~~~\n</code></pre>"])
def test_a_hostile_form_stays_inside_its_block(runner: Runner, text: str) -> None:
    event(runner, rendered(runner.root, **ANSWERS | {"Summary": text, "Name": text, "Id": "delta"}))
    assert set(runner.run("draft").values()) == {0}
    assert not list(runner.path.rglob("pwned"))
    lines = (runner.path / "comment.md").read_text().splitlines()
    prose = [line for line in lines if line and not line.startswith("    ")]
    assert 2 <= len(prose) <= 5
    assert not any(part in line for line in prose for part in ("@", "<", "$(", "{{", "evil", "```"))


@needs_jq
def test_a_form_that_can_not_be_read_says_why(runner: Runner) -> None:
    event(runner, rendered(runner.root, **ANSWERS | {"Family": "none of these"}))
    assert set(runner.run("draft").values()) == {0}
    comment = (runner.path / "comment.md").read_text()
    assert comment.startswith("No draft can be made of this yet.")
    assert "    error: Family: 'none of these' is none of its choices" in comment
    assert not (runner.path / "draft.patch").exists()


def test_the_draft_runs_for_every_form_that_asks_for_an_entry(checkout: Path) -> None:
    job = workflow(checkout / ".github/workflows/draft.yml")["jobs"]["draft"]
    start = re.fullmatch(r"startsWith\(github\.event\.issue\.body, '(.*)'\)", job["if"])
    assert start
    for path in (checkout / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        body = workflow(path).get("body", [])
        first = next((e["attributes"]["label"] for e in body if e["type"] != "markdown"), "")
        assert f"### {first}".startswith(start[1]) == (path.stem in SCHEMA_OF.values()), path.name


# Editors and hooks.


def test_editors_know_the_schema_of_every_kind(checkout: Path) -> None:
    settings = json.loads((checkout / ".vscode/settings.json").read_text())["yaml.schemas"]
    wanted = {f"catalog/schema/{name}.schema.json": f"catalog/{kind}/*.yaml" for kind, name in SCHEMA_OF.items()}
    assert settings == wanted | {"catalog/schema/axis.schema.json": "taxonomy/*.yaml"}
    for schema, files in settings.items():
        assert (checkout / schema).is_file()
        assert list(checkout.glob(files))


def test_the_schema_line_of_every_file_leads_to_its_schema(checkout: Path) -> None:
    seen = 0
    for folder in ("taxonomy", *(f"catalog/{kind}" for kind in SCHEMA_OF)):
        for path in (checkout / folder).glob("*.yaml"):
            first = path.read_text().partition("\n")[0]
            target = (path.parent / first.partition("$schema=")[2]).resolve()
            assert target.is_file(), path
            seen += 1
    assert seen > 100


def test_the_hooks_run_what_is_there(checkout: Path) -> None:
    hooks = yaml.safe_load((checkout / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"], "nothing is fetched"
    named = {hook["id"]: hook for hook in hooks[0]["hooks"]}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in named.values())
    for name, file in (
        ("fix", "catalog/methods/npo.yaml"),
        ("validate", "catalog/references.bib"),
        ("validate", "reference_impls/npo.py"),
        ("schema", "taxonomy/families.yaml"),
        ("schema", "src/unlearning_atlas/models.py"),
    ):
        assert (checkout / file).is_file()
        assert re.match(named[name]["files"], file), (name, file)
