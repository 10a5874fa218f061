"""Loading and querying, held against a plain reading of the same YAML files."""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import unlearning_atlas as ua
from unlearning_atlas.models import Method

if TYPE_CHECKING:
    from tests.conftest import Root

FACETS = {
    **{axis: (axis,) for axis in ("family", "paradigm", "access_level", "intervention", "target", "modality")},
    "objective": ("objective",),
    "benchmark": ("benchmarks",),
}


def plain(root: Path, kind: str) -> dict[str, dict[str, Any]]:
    return {
        file.stem: yaml.load(file.read_text(), yaml.CSafeLoader)
        for file in sorted((root / "catalog" / kind).glob("*.yaml"))
    }


def subtrees(root: Path) -> dict[str, dict[str, set[str]]]:
    """Axis → term → the ids in its subtree, itself among them."""
    found: dict[str, dict[str, set[str]]] = {}

    def walk(terms: list[dict[str, Any]], into: dict[str, set[str]]) -> set[str]:
        all_: set[str] = set()
        for term in terms:
            into[term["id"]] = {term["id"]} | walk(term.get("children", []), into)
            all_ |= into[term["id"]]
        return all_

    for file in (root / "taxonomy").glob("*.yaml"):
        axis = yaml.safe_load(file.read_text())
        walk(axis["terms"], found.setdefault(axis["axis"], {}))
    return found


def values(entry: dict[str, Any], facet: str) -> set[str]:
    if facet == "objective":
        return {*entry["objective"]["forget"], *entry["objective"]["retain"]}
    value = entry["benchmarks" if facet == "benchmark" else facet]
    return {value} if isinstance(value, str) else set(value)


@cache
def methods_and_trees(root: Path) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, set[str]]]]:
    return plain(root, "methods"), subtrees(root)


def naive(root: Path, facets: dict[str, Any]) -> list[str]:
    """Return the methods for which every facet holds, by looking at each."""
    entries, trees = methods_and_trees(root)
    found = []
    for id_, entry in entries.items():
        for facet, terms in facets.items():
            wanted = [terms] if isinstance(terms, str) else terms
            below = set().union(*(trees.get(facet, {}).get(term, {term}) for term in wanted))
            if not below & values(entry, facet):
                break
        else:
            found.append(id_)
    return found


def terms_of(root: Path, facet: str) -> list[str]:
    if facet == "benchmark":
        return ["authors-bench", "hazard-bench"]
    return list(methods_and_trees(root)[1][facet])


@pytest.fixture
def crowd(small: Root) -> Root:
    """Return the small catalog with 200 more methods whose facets are drawn at random."""
    chance = random.Random(0)
    template = yaml.safe_load(small.text("catalog/methods/alpha-ascent.yaml"))
    trees = subtrees(small.path)
    leaves = {axis: [term for term, below in terms.items() if len(below) == 1] for axis, terms in trees.items()}
    sides = {
        side: sorted(trees["objective"][side] & set(leaves["objective"])) for side in ("forget-side", "retain-side")
    }
    for number in range(200):
        entry = template | {"id": f"method-{number}", "name": f"Method {number}", "aliases": [f"M{number}"]}
        entry["family"] = chance.choice(leaves["family"])
        for axis in ("paradigm", "access_level", "intervention", "target", "modality"):
            terms = list(trees[axis])
            entry[axis] = sorted(chance.sample(terms, chance.randint(1, min(3, len(terms)))))
        entry["benchmarks"] = sorted(chance.sample(["authors-bench", "hazard-bench"], chance.randint(0, 2)))
        entry["objective"] = {
            "forget": [chance.choice(sides["forget-side"])],
            "retain": [chance.choice(sides["retain-side"])],
        }
        small.write(f"catalog/methods/method-{number}.yaml", yaml.safe_dump(entry, sort_keys=False))
    return small


def test_every_term_of_every_facet(crowd: Root) -> None:
    methods = ua.load(crowd.path).methods
    asked = 0
    for facet in FACETS:
        for term in terms_of(crowd.path, facet):
            assert list(methods.where(**{facet: term})) == naive(crowd.path, {facet: term}), (facet, term)
            asked += 1
    assert asked > 60


def test_several_facets_and_several_terms(crowd: Root) -> None:
    methods = ua.load(crowd.path).methods
    chance = random.Random(1)
    lengths = set()
    for _ in range(150):
        facets: dict[str, Any] = {}
        for facet in chance.sample(sorted(FACETS), chance.randint(1, 3)):
            terms = terms_of(crowd.path, facet)
            facets[facet] = chance.sample(terms, min(2, len(terms))) if chance.random() < 0.5 else chance.choice(terms)
        found = list(methods.select(facets))
        assert found == naive(crowd.path, facets), facets
        lengths.add(len(found))
    assert len(lengths) > 20, "the questions must have different answers"


def test_narrowing_twice_is_narrowing_by_both(crowd: Root) -> None:
    methods = ua.load(crowd.path).methods
    for access, benchmark in product(("logits", "weights-only"), ("authors-bench", "hazard-bench")):
        both = methods.where(access_level=access, benchmark=benchmark)
        assert list(methods.where(access_level=access).where(benchmark=benchmark)) == list(both)
        assert len(both) == len(list(both))
        assert all(id_ in both for id_ in both)


def test_a_term_stands_for_everything_below_it_however_deep(small: Root) -> None:
    small.write(
        "taxonomy/modalities.yaml",
        small.text("taxonomy/modalities.yaml")
        + """  - id: signal
    label: Signal
    definition: Anything that carries meaning.
    children:
      - id: speech
        label: Speech
        definition: Spoken language.
        children:
          - id: song
            label: Song
            definition: Sung language.
""",
    )
    small.edit("catalog/methods/alpha-ascent.yaml", "modality: [text]", "modality: [song]")
    methods = ua.load(small.path).methods
    for term in ("song", "speech", "signal"):
        assert list(methods.where(modality=term)) == ["alpha-ascent"] == naive(small.path, {"modality": term})


def test_counts_of_facets(crowd: Root) -> None:
    methods = ua.load(crowd.path).methods.where(modality="text")
    counts = methods.facets()
    for facet in FACETS.keys() - {"modality"}:
        for term in terms_of(crowd.path, facet):
            assert counts[facet][term] == len(naive(crowd.path, {"modality": "text", facet: term})), (facet, term)


def test_a_full_entry_is_what_stands_in_its_file(small_root: Path) -> None:
    for kind, collection in ua.load(small_root).collections.items():
        for id_, written in plain(small_root, kind).items():
            entry = collection[id_]
            data = json.loads(entry.model_dump_json(by_alias=True, exclude_defaults=True))
            # 'basis: stated' may be written out or left out: it is the default.
            for evidence in written["evidence"]:
                if evidence.get("basis") == "stated":
                    del evidence["basis"]
            assert data == {key: value for key, value in written.items() if value != []} | (
                {"benchmarks": written["benchmarks"]} if kind == "methods" else {}
            )


def test_mapping_access(small_root: Path) -> None:
    atlas = ua.load(small_root)
    assert list(atlas.methods) == ["alpha-ascent", "beta-preference", "gamma-steer"]
    assert atlas.methods["beta-preference"].paper.title == atlas.papers["rivers2024beta"].title
    assert atlas.methods["beta-preference"].benchmarks == ("authors-bench", "hazard-bench")
    assert atlas.benchmarks.where(knowledge="fictitious").keys() == {"authors-bench"}
    assert atlas.metrics.where(role="attack").keys() == {"relearning-attack"}
    assert atlas.methods.where(attack="relearning-attack").keys() == {"beta-preference", "gamma-steer"}
    assert atlas.methods.where(withstood="relearning-attack").keys() == {"gamma-steer"}
    assert dict(atlas.methods.items())["gamma-steer"] is atlas.methods["gamma-steer"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda atlas: atlas.methods["beta-preferense"], "'beta-preferense' (did you mean 'beta-preference'?)"),
        (lambda atlas: atlas.methods["zzz"], "unknown method 'zzz'; there are: alpha-ascent, beta-"),
        (lambda atlas: atlas.methods.where(access_level="logit"), "unknown access_level 'logit' (did you mean"),
        (lambda atlas: atlas.methods.where(acess_level="logits"), "(did you mean 'access_level'?)"),
        (lambda atlas: atlas.methods.where(benchmark="authors"), "(did you mean 'authors-bench'"),
        (lambda atlas: atlas.methods.where(family=["gradient-based", 3]), "unknown family '3'"),
        (lambda atlas: atlas.methods.sort("yaer"), "unknown column 'yaer'"),
        (lambda atlas: atlas.methods.to_markdown(["id", "nam"]), "unknown column 'nam' (did you mean 'name'?)"),
        (lambda atlas: atlas.methods.where(access_level="logits")["alpha-ascent"], "in this selection 'alpha-ascent'"),
        (lambda atlas: atlas.compare("alpha-ascent", "beta"), "unknown method 'beta'"),
        (lambda atlas: atlas.lineage("gama-steer"), "(did you mean 'gamma-steer'?)"),
        (lambda atlas: atlas.taxonomy["familly"], "unknown axis 'familly' (did you mean 'family'?)"),
        (lambda atlas: atlas.find("tofu"), "tofu"),
    ],
)  # fmt: skip
def test_unknown_names_say_what_comes_close(small_root: Path, ask: Any, message: str) -> None:
    with pytest.raises(ua.UnknownNameError) as caught:
        ask(ua.load(small_root))
    assert message in str(caught.value)
    assert isinstance(caught.value, KeyError)


def test_sorting(crowd: Root) -> None:
    methods = ua.load(crowd.path).methods
    written = plain(crowd.path, "methods")
    assert list(methods.sort("name")) == sorted(written, key=lambda id_: written[id_]["name"].lower())
    down = list(methods.sort("family", reverse=True))
    assert [written[id_]["family"] for id_ in down] == sorted((e["family"] for e in written.values()), reverse=True)
    narrowed = methods.sort("name").where(access_level="logits")
    assert list(narrowed) == [id_ for id_ in methods.sort("name") if id_ in narrowed], "narrowing keeps the order"


def test_records_and_tables(small_root: Path) -> None:
    import csv
    import io

    methods = ua.load(small_root).methods
    records = methods.to_records()
    assert {"id", "name", "family", "paradigm", "access_level", "objective", "benchmarks", "implementation"} <= records[
        0
    ].keys()
    beta = records[1]
    assert (beta["id"], beta["implementation"], beta["family"]) == (
        "beta-preference",
        "simplified",
        "preference-optimization",
    )
    assert beta["objective"] == ["bounded-negative-preference", "nll-on-retain"]
    records[0]["name"] = "changed"
    assert methods.to_records()[0]["name"] == "Alpha ascent", "records are the caller's own"
    frame = methods.to_dataframe()
    assert list(frame.index) == list(methods)
    assert frame.loc["gamma-steer", "introduced"] == methods["gamma-steer"].introduced
    rows = list(csv.DictReader(io.StringIO(methods.to_csv())))
    assert [row["id"] for row in rows] == list(methods)
    assert rows[1]["benchmarks"] == "authors-bench hazard-bench"
    lines = methods.to_markdown(["id", "benchmarks"]).splitlines()
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == ["beta-preference", "authors-bench, hazard-bench"]
    bibtex = methods.where(benchmark="hazard-bench").to_bibtex()
    keys = {methods[id_].paper_key for id_ in methods.where(benchmark="hazard-bench")}
    assert {line.split("{")[1].rstrip(",") for line in bibtex.splitlines() if line.startswith("@")} == keys
    empty = methods.where(benchmark="authors-bench").where(family="output-based")
    assert (empty.to_records(), empty.to_bibtex(), len(empty), list(empty.to_dataframe().index)) == ([], "", 0, [])


def test_compare(small_root: Path) -> None:
    atlas = ua.load(small_root)
    comparison = atlas.compare("beta-preference", "alpha-ascent")
    rows = dict(comparison.rows)
    assert rows["name"] == ("Beta preference", "Alpha ascent")
    assert rows["needs reference model"] == ("required", "none")
    assert rows["implementation"] == ("simplified", "none")
    assert comparison.to_records()[1]["id"] == "alpha-ascent"
    assert "| needs reference model" in comparison.to_markdown()
    for wrong in ((), ("alpha-ascent",), ("alpha-ascent", "alpha-ascent")):
        with pytest.raises(ValueError, match="two or more"):
            atlas.compare(*wrong)


def test_lineage(small: Root) -> None:
    atlas = ua.load(small.path)
    assert atlas.lineage("beta-preference")["ancestors"] == ["alpha-ascent"]
    assert "beta-preference" in atlas.lineage("alpha-ascent")["descendants"]


def test_a_changed_file_is_seen_and_the_cache_is_used(
    small: Root, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ua.load(small.path).methods["alpha-ascent"].name == "Alpha ascent"
    (index,) = (cache_dir / "index").iterdir()
    from unlearning_atlas import compiler

    def fail(*_: object) -> bytes:
        raise AssertionError("compiled although nothing changed")

    with monkeypatch.context() as patch:
        patch.setattr(compiler, "compile_index", fail)
        assert len(ua.load(small.path).methods) == 3
    small.edit("catalog/methods/alpha-ascent.yaml", "name: Alpha ascent", "name: Alpha rise")
    assert ua.load(small.path).methods.to_records()[0]["name"] == "Alpha rise"
    for damage in (b"", b"{}\n", b"\xff\xfe", index.read_bytes()[:200]):
        index.write_bytes(damage)
        assert ua.load(small.path).methods["alpha-ascent"].name == "Alpha rise"


def test_a_cache_that_can_not_be_written_costs_only_time(
    small_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("UNLEARNING_ATLAS_CACHE", str(tmp_path / "file" / "cache"))
    assert len(ua.load(small_root).methods) == 3


def test_a_faulty_catalog_is_not_loaded_and_every_fault_is_told(small: Root) -> None:
    small.edit("catalog/methods/alpha-ascent.yaml", "modality: [text]", "modality: text")
    small.edit("catalog/benchmarks/authors-bench.yaml", "size: 400", "size: many")
    with pytest.raises(ua.CatalogError) as caught:
        ua.load(small.path)
    assert {fault.file for fault in caught.value.faults} == {
        "catalog/methods/alpha-ascent.yaml",
        "catalog/benchmarks/authors-bench.yaml",
    }
    assert "2 faults in the catalog" in str(caught.value)


def test_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder 'catalog'"):
        ua.load(tmp_path)


def test_entries_are_frozen(small_root: Path) -> None:
    entry = ua.load(small_root).methods["alpha-ascent"]
    assert isinstance(entry, Method)
    with pytest.raises(ValueError, match="frozen"):
        entry.name = "other"
    with pytest.raises(RuntimeError, match="was not loaded by an atlas"):
        _ = Method.model_validate_json(entry.model_dump_json(by_alias=True)).paper


def test_of_several_trials_the_worst_counts(small: Root) -> None:
    """Beta preference was weakened once, and here withstood the attack once."""
    small.edit("catalog/methods/beta-preference.yaml", "outcome: broken", "outcome: withstood")
    methods = ua.load(small.path).methods
    assert methods["beta-preference"].outcomes == {"relearning-attack": "weakened"}
    assert methods.where(withstood="relearning-attack").keys() == {"gamma-steer"}
