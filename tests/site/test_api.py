"""The static API: complete, equal to what Python returns, fit for its schemas, and where it was published."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from tests.site import published

import unlearning_atlas
from unlearning_atlas import api
from unlearning_atlas.catalog import read_catalog
from unlearning_atlas.measurements import MeasurementsError
from unlearning_atlas.papers import parse_bibliography
from unlearning_atlas.schema import schemas

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Root
    from tests.site.conftest import Document

SITE = "https://example.org/atlas/"


def files_of(root: Path) -> dict[str, str]:
    """Return the files by their path below ``api/v1/``."""
    found = dict(api.files(unlearning_atlas.load(root), SITE))
    assert all(path.startswith("api/v1/") for path in found)
    return {path.removeprefix("api/v1/"): text for path, text in found.items()}


def data_of(root: Path) -> dict[str, Any]:
    return {path: json.loads(text) for path, text in files_of(root).items() if path.endswith(".json")}


def test_records_are_what_python_returns(small_root: Path) -> None:
    data = data_of(small_root)
    atlas = unlearning_atlas.load(small_root)
    for kind, entries in atlas.collections.items():
        assert [record["id"] for record in data[f"{kind}.json"]] == list(entries)
        for record in data[f"{kind}.json"]:
            entry = entries[record["id"]]
            paper = record.pop("paper")
            assert record == {**entry.model_dump(mode="json"), "kind": kind, "page": f"{kind}/{entry.id}/"}
            assert paper["key"] == entry.paper_key == entry.paper.key
            assert data[f"{kind}/{entry.id}.json"] == {**record, "paper": paper}
    assert {axis["axis"]: axis for axis in data["taxonomy.json"]} == {
        name: axis.model_dump(mode="json") for name, axis in atlas.taxonomy.items()
    }
    papers = {record["key"]: record for record in data["papers.json"]}
    assert list(papers) == list(atlas.papers)
    for key, item in atlas.literature.items():
        paper = item.paper
        for name in ("title", "year", "month", "citation", "bibtex"):
            assert papers[key][name] == getattr(paper, name)
        for name in ("venue", "arxiv", "doi", "url", "code"):
            assert papers[key][name] == (getattr(paper, name) or None)
        assert papers[key]["authors"] == list(paper.authors)
        assert papers[key]["kind"] == item.kind
        assert papers[key]["entries"] == [{"kind": kind, "id": id_} for kind, id_ in item.entries]


def test_what_is_not_known_is_null_and_every_record_has_every_field(small_root: Path) -> None:
    data = data_of(small_root)
    method = data["methods/alpha-ascent.json"]
    assert method["equation"] is None
    assert method["code"] == []
    assert method.keys() == data["methods/beta-preference.json"].keys()
    assert data["methods/beta-preference.json"]["reported_results"][0]["checked"] is None


@pytest.mark.parametrize("name", ["baselines", "beta-preference"])
@pytest.mark.parametrize("rows", [{}, {"row": {}, "rows": {}}, {"row": {"forget": 1}, "rows": {"before": {}}}])
def test_a_row_without_its_columns_is_a_damaged_file(
    small_root: Path, measure: Callable[[Path], None], name: str, rows: dict[str, Any]
) -> None:
    measure(small_root)
    file = small_root / f"catalog/measurements/authors/{name}.json"
    file.write_text(json.dumps({"results": [{"seed": 0, "key": "k"} | rows]}))
    with pytest.raises(MeasurementsError, match=rf"{name}\.json: not a file of measurements; delete it"):
        _ = unlearning_atlas.load(small_root).measured


def test_figures_of_the_lab_are_those_of_the_boards(small_root: Path, measure: Callable[[Path], None]) -> None:
    measure(small_root)
    (board,) = data_of(small_root)["measurements.json"]
    known = unlearning_atlas.load(small_root).measured["authors"]
    assert board["task"] == "authors"
    assert set(board["baselines"]) == {"before", "retrained", "retrained again"}
    assert board["baselines"]["retrained"]["seeds"] == [0, 1]
    found = board["methods"]["beta-preference"]
    measured = known.methods["beta-preference"]
    assert found["seeds"] == [0, 1]
    for name in ("forget", "utility", "forget_quality", "privleak"):
        figure = found["figures"][name]
        assert figure["mean"] == pytest.approx(measured.average(name))
        assert figure["spread"] == pytest.approx(measured.spread(name))
    assert found["figures"]["forget"]["values"] == [0.31, 0.33]
    assert "forget_quality_counts" not in found["figures"]
    assert found["forget_quality_counts"] is False
    assert found["steps_to_relearn"] == 7
    assert board["baselines"]["retrained"]["steps_to_relearn"] is None
    assert found["relearning"] == [[0, pytest.approx(0.32)], [40, 1.0]]
    assert found["attacks"] == {"logit-lens": {"mean": 0.5, "spread": 0.0, "values": [0.5, 0.5]}}
    assert [point["step"] for point in found["curve"]] == [0, 20]
    assert found["cost"]["seconds"] == 1.5
    assert found["hyperparameters"] == {"beta": 0.5, "steps": 20}
    assert found["made"]["torch"] == "2.13.0"


def test_the_index_leads_to_every_file_and_counts_them(small_root: Path) -> None:
    files = files_of(small_root)
    index = json.loads(files["index.json"])
    named = {
        *index["documents"],
        *index["schemas"],
        *(p for found in index["entries"].values() for p in found.values()),
    }
    assert named == set(files)
    assert index["counts"] == {
        **{kind: len(found) for kind, found in index["entries"].items()},
        "papers": len(json.loads(files["papers.json"])),
        "measurements": 0,
    }
    assert index["counts"]["methods"] == 3
    assert (index["api"], index["site"], index["commit"]) == (1, SITE, None)
    assert index["licences"] == {"code": "MIT", "data": "CC-BY-4.0"}


def test_one_file_holds_everything(small_root: Path, measure: Callable[[Path], None]) -> None:
    measure(small_root)
    data = data_of(small_root)
    everything = data["atlas.json"]
    names = {*unlearning_atlas.load(small_root).collections, "taxonomy", "papers", "measurements", "index"}
    assert set(everything) == names
    for name in names:
        assert everything[name] == data[f"{name}.json"]


def test_the_other_formats(small_root: Path) -> None:
    files = files_of(small_root)
    atlas = unlearning_atlas.load(small_root)
    for kind, entries in atlas.collections.items():
        assert files[f"{kind}.csv"] == entries.to_csv()
    papers, _, faults = parse_bibliography(files["references.bib"])
    assert not faults
    assert papers == atlas.papers
    graph = json.loads(files["graph.json"])
    known = atlas.graph()
    assert {node["id"] for node in graph["nodes"]} == set(known.nodes)
    assert len(graph["edges"]) == known.number_of_edges()


def test_records_fit_their_schemas(small_root: Path, measure: Callable[[Path], None]) -> None:
    measure(small_root)
    data = data_of(small_root)
    names = {"methods": "method", "benchmarks": "benchmark", "metrics": "metric", "surveys": "survey"}
    names |= {"open_problems": "open-problem", "papers": "paper", "taxonomy": "axis", "measurements": "board"}
    for name, singular in names.items():
        schema = data[f"schema/{singular}-record.schema.json"]
        Draft202012Validator.check_schema(schema)
        check = Draft202012Validator(schema)
        assert data[f"{name}.json"]
        for record in data[f"{name}.json"]:
            check.validate(record)
            for field in record:
                assert not check.is_valid({key: value for key, value in record.items() if key != field}), field
    Draft202012Validator(data["schema/index-record.schema.json"]).validate(data["index.json"])
    wrong = data["methods/beta-preference.json"] | {"family": "nonsense"}
    assert not Draft202012Validator(data["schema/method-record.schema.json"]).is_valid(wrong)
    later = data["methods/beta-preference.json"] | {"a_field_to_come": 1}
    Draft202012Validator(data["schema/method-record.schema.json"]).validate(later)


def test_the_schemas_of_the_catalog_are_those_that_editors_use(small_root: Path) -> None:
    found = {path: text for path, text in files_of(small_root).items() if path.startswith("schema/")}
    assert {f"catalog/{path}": text for path, text in found.items() if "-record." not in path} == schemas(
        read_catalog(small_root)
    )


def test_equal_catalogs_give_equal_bytes_and_sorted_keys(small_root: Path) -> None:
    code = (
        "import hashlib, sys, unlearning_atlas as ua; from unlearning_atlas import api; "
        f"files = dict(api.files(ua.load(sys.argv[1]), {SITE!r})); "
        "print(hashlib.sha256(repr(files).encode()).hexdigest())"
    )
    for seed in "12":  # sets come in another order with every seed
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(small_root)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        here = dict(api.files(unlearning_atlas.load(small_root), SITE))
        assert done.stdout.strip() == hashlib.sha256(repr(here).encode()).hexdigest()
    for path, text in files_of(small_root).items():
        if path.endswith(".json") and not path.startswith("schema/"):
            data = json.loads(text)
            assert text == api.to_json(data)
            first = data if isinstance(data, dict) else data[0] if data else {}
            assert list(first) == sorted(first)


def test_a_superseded_entry_keeps_its_record(small: Root) -> None:
    file = "catalog/methods/alpha-ascent.yaml"
    small.edit(file, "benchmarks: [authors-bench]\n", "benchmarks: [authors-bench]\nsuperseded_by: gamma-steer\n")
    data = data_of(small.path)
    assert data["methods/alpha-ascent.json"]["superseded_by"] == "gamma-steer"
    assert data["index.json"]["entries"]["methods"]["alpha-ascent"] == "methods/alpha-ascent.json"


def test_a_record_can_hold_no_markup(small: Root) -> None:
    small.edit("catalog/methods/alpha-ascent.yaml", "name: ", "name: </script><b>x</b> & ")
    text = files_of(small.path)["methods/alpha-ascent.json"]
    assert "<" not in text
    assert json.loads(text)["name"].startswith("</script><b>x</b> & ")


def test_what_was_published_is_still_there() -> None:
    lines, entries = published.read()
    built = published.built()
    missing = published.expected(lines, entries) - built
    assert not missing, f"{sorted(missing)[:5]} are gone: bring them back; an entry that goes is superseded_by another"
    assert set(published.PATTERNS) <= set(lines)
    of_entries = re.compile(
        "|".join(
            re.escape(p).replace(r"\{kind\}", "[a-z_]+").replace(r"\{id\}", "[a-z0-9-]+") for p in published.PATTERNS
        )
    )
    new = {address for address in built if not of_entries.fullmatch(address)} - set(lines)
    assert not new, f"{sorted(new)[:5]} are not in {published.FILE.name}: run python -m tests.site.published"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.slow
def test_the_examples_of_the_page_give_what_it_says(built: Path, read_html: Callable[[str], Document]) -> None:
    page = read_html((built / "data" / "index.html").read_text("utf-8"))
    blocks = [element.text for element in page.all("pre")]
    shell, plain, answer, frame, session = blocks[:5]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(built))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}/"
        try:
            said = [
                subprocess.run(
                    [sys.executable, "-c", code.replace("http://127.0.0.1:8000/", here)],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                for code in (plain, frame)
            ]
        finally:
            server.shutdown()
    assert said[0].strip() == answer.strip() != ""
    years = [line.split()[0] for line in said[1].splitlines()[2:]]
    assert years == ["2022", "2023", "2024", "2025", "2026"]
    address = re.findall(r"http://127\.0\.0\.1:8000/(\S+)", shell)
    assert address
    assert (built / address[0]).is_file()
    atlas = unlearning_atlas.load(built.parents[1])
    asked = [line.removeprefix(">>> ") for line in session.splitlines() if line.startswith(">>> ")][2:]
    assert len(asked) >= 5
    assert repr(atlas) in session.splitlines()
    for question in asked:
        answer = eval(question, {"atlas": atlas})
        assert answer is None or repr(answer) in session


@pytest.mark.slow
def test_every_page_leads_to_the_feed_and_search_holds_no_data(
    built: Path, read_html: Callable[[str], Document]
) -> None:
    for path in built.rglob("index.html"):
        links = [link.attributes for link in read_html(path.read_text("utf-8")).all("link")]
        feeds = [link["href"] for link in links if link.get("type") == "application/atom+xml"]
        assert [(path.parent / feed).resolve() for feed in feeds] == [(built / "feed.xml").resolve()], path
    assert (built / "feed.xml").is_file()
    index = (built / "search" / "search_index.json").read_text("utf-8")
    assert "Data and API" in index
    for unwanted in ("paper_key", "Waiting for an Entry"):
        assert unwanted not in index
