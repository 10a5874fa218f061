# ruff: noqa: E501
"""Deliberately broken input: each kind gives exactly the faults it should, at the place where it stands."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from unlearning_atlas import Fault

if TYPE_CHECKING:
    from tests.conftest import Root

A = "catalog/methods/alpha-ascent.yaml"
B = "catalog/methods/beta-preference.yaml"
C = "catalog/methods/gamma-steer.yaml"
AUTHORS = "catalog/benchmarks/authors-bench.yaml"
TRUTH = "catalog/metrics/truth-score.yaml"
GAP = "catalog/metrics/privacy-gap.yaml"
BIB = "catalog/references.bib"
PROBLEM = "catalog/open_problems/relearning-holds.yaml"
PARADIGMS = "taxonomy/paradigms.yaml"
NEW = "catalog/methods/new.yaml"
LINE = "# yaml-language-server: $schema=../schema/method.schema.json\n"

Row = tuple[str, str, str, str, str, str, str] | tuple[str, str, str, str, str, str, str, str | tuple[int, int]]
"""(kind, file, old text, new text, rule, part of the message, part of the tip, place).

A cursor in the new text marks where the fault must be reported; without one, the place is the text it must be reported
at, or its line and column. No other fault may be reported.
"""

SYNTAX: list[Row] = [
    (
        "unclosed bracket",
        B,
        "adapter]\ntarget: [",
        "adapter\ntarget⌖: [",
        "yaml-syntax",
        "expected ',' or ']'",
        "brack",
    ),
    (
        "bad indentation",
        B,
        "      lr: 1.0e-5",
        "     ⌖lr: 1.0e-5",
        "yaml-syntax",
        "did not find expected",
        "indentation",
    ),
    ("tab as indentation", B, "  training: 2F", "⌖\ttraining: 2F", "yaml-syntax", "cannot start any token", "spaces"),
    ("colon in text", B, "gradient, weighted", "gradient⌖: weighted", "yaml-syntax", "mapping values", "quote text"),
    ("unknown escape", B, "inverse temperature", '"inverse ⌖\\lambda"', "yaml-syntax", "unknown escape", "| block"),
    ("unclosed quote", A, "name: Alpha", 'name: "Alpha', "yaml-syntax", "did not find", "quotes", "2023-01"),
    ("at sign at the start", B, "inverse temp", "⌖@home", "yaml-syntax", "cannot start any token", "begins with @"),
    (
        "second document",
        A,
        "retain_set: none",
        "retain_set: none\n⌖---",
        "yaml-syntax",
        "another document",
        "second '---'",
    ),
    ("control character", A, "section 3", "sec⌖\x01tion 3", "yaml-syntax", "control character", "retype it"),
    ("control character behind γ", C, "(γ)", "(γγγγ⌖\x01)", "yaml-syntax", "control character", "retype it"),
    ("anchor", A, "retain_set: none", "retain_set: ⌖&nothing none", "yaml-alias", "anchors and aliases", ""),
    ("tag", A, "section 3", "⌖!place section 3", "yaml-tag", "'!place'", "remove the tag"),
    ("tag that YAML knows", A, "section 3", "⌖!!str section 3", "yaml-tag", "", "remove the tag"),
    ("tag of a list", A, "[entity]", "⌖!!set [entity]", "yaml-tag", "set", "remove the tag"),
    (
        "key again",
        A,
        "paradigm: ",
        "⌖family: gradient-based\nparadigm: ",
        "yaml-duplicate-key",
        "on line 9)",
        "keep one",
    ),
    ("key again inside", B, "epochs: 10", "epochs: 10\n      ⌖lr: 1.0e-5", "yaml-duplicate-key", "'lr' stands", "keep"),
    ("deep brackets", NEW, "", LINE + "[" * 100_000 + "\n", "yaml-depth", "more than 16 levels", "far fewer", (1, 1)),
    ("deep dashes", NEW, "", LINE + "- " * 99_999 + "-\n", "yaml-depth", "more than 16 levels", "far fewer", (1, 1)),
    ("deep keys", NEW, "", LINE + "⌖" + ": " * 99_999 + "b\n", "yaml-syntax", "expected key", "around this place"),
]

TRAPS: list[Row] = [
    ("no", B, "official: true", "official: ⌖no", "yaml-boolean-word", "no is a truth value", 'or "no" in quotes'),
    ("1e-5", B, "lr: 1.0e-5", "lr: ⌖1e-5", "yaml-number", "1e-5 is text to some", "write 1.0e-5"),
    ("12:30", B, "scheduler: linear", "scheduler: ⌖12:30", "yaml-number", "12:30 is a number", '"12:30" in quotes'),
    ("0123", B, "epochs: 10", "epochs: ⌖0123", "yaml-number", "0123 is a number", '"0123" in quotes'),
    ("0x1f", B, "epochs: 10", "epochs: ⌖0x1f", "yaml-number", "0x1f is a number", '"0x1f" in quotes'),
    ("1_000", B, "epochs: 10", "epochs: ⌖1_000", "yaml-number", "1_000 is a number", "plain decimal number"),
    (".inf", B, "value: 0.75", "value: ⌖.inf", "yaml-number", ".inf is a number", "plain decimal number"),
    ("number too large", B, "lr: 1.0e-5", "lr: ⌖1.0e+999", "", "", ""),
    ("bare date", B, 'place: README\n    status: verified\n    checked: "2026-11-20"',
     "place: README\n    status: verified\n    checked: ⌖2026-11-20", "yaml-number", "or a date", '"2026-11-20" in quotes'),
    ("bare arXiv id", A, "section 3", "⌖2404.05868", "wrong-type", "must be text (got an arXiv id", '"2404.05868"'),
    ("bare number for text", A, "name: Alpha ascent", "name: ⌖7", "wrong-type", "name must be text", '"7"'),
    ("null", A, "section 3", "⌖~", "yaml-null", "the value is empty", "leave the key out"),
    ("empty value", A, "aliases: [AA, negated training]", "aliases:⌖", "yaml-null", "is empty", "leave the key out"),
    ("required value empty", A, "family: gradient-based", "family:⌖", "missing-value", "family is empty", "fill it in: Its leaf"),
    ("required list empty", A, "modality: [text]", "modality:⌖  # what?", "missing-value", "modality is empty", "fill it in"),
    ("nested value empty", A, "  forget_set: required", "  forget_set:⌖", "missing-value", "needs.forget_set is empty", "fill"),
    ("escape in quotes", B, "symbol: \\beta", 'symbol: ⌖"\\theta"', "yaml-control", "a TAB", r"\theta as a | block"),
    ("TAB in text", A, "section 3", "⌖section\t3", "yaml-control", "a TAB", "use spaces"),
]  # fmt: skip

TYPES: list[Row] = [
    ("text for a list", A, "[entity]", "⌖entity", "wrong-type", "target must be a list (got 'entity')", "'[one]'"),
    ("list for text", A, "alpha-ascent\nname: Alpha ascent", "alpha-ascent\nname: ⌖[Alpha]", "wrong-type", "must be text", "write text"),
    ("keys for text", A, "section 3", "⌖{section: 3}", "wrong-type", "place must be text (got keys", "write text"),
    ("keys for a list", A, "[entity]", "⌖{entity: 1}", "wrong-type", "target must be a list (got keys", "'- item'"),
    ("text for keys", B, "  training: 2F + 1B per forget example", "  ⌖cheap", "wrong-type", "cost must be keys", "key: v"),
    ("list for keys", B, "  training: 2F", "  ⌖- training: 2F", "wrong-type", "cost must be keys with values", "key: v"),
    ("text in a list of keys", B, "- The answer tokens only.", "- ⌖[a]", "wrong-type", "differences.0 must be text", "text"),
    ("text for truth", B, "official: true", 'official: ⌖"true"', "wrong-type", "must be true or false", "true or false"),
    ("number for truth", B, "official: true", "official: ⌖1", "wrong-type", "must be true or false (got 1)", "true or"),
    ("text for a number", B, "value: 0.75", "value: ⌖high", "wrong-type", "value must be a number (got 'high')", "number"),
    ("truth for a number", B, "value: 0.75", "value: ⌖true", "wrong-type", "value must be a number", "write a number"),
    ("truth for text", A, "section 3", "⌖true", "wrong-type", "place must be text", "text"),
    ("text for a whole number", AUTHORS, "size: 400", 'size: ⌖"400"', "wrong-type", "must be a whole number", "whole"),
    ("fraction for a whole number", AUTHORS, "size: 400", "size: ⌖400.5", "wrong-type", "must be a whole number", "whole"),
    ("zero for a size", AUTHORS, "size: 400", "size: ⌖0", "wrong-value", "greater than or equal to 1", "correct"),
    ("list for a value", B, "epochs: 10", "epochs: ⌖[1, 2]", "wrong-type", "values.epochs must be", "text"),
    ("empty list", A, "[entity]", "⌖[]", "too-short", "target is empty", "at least one"),
    ("empty mapping", B, "values:\n      beta: 0.1\n      lr: 1.0e-5\n      epochs: 10\n      scheduler: linear  # a comment behind a value\n      warmup: true",
     "values: ⌖{}", "too-short", "values is empty", "at least one"),
    ("unknown key", A, "paradigm: [", "⌖familiy: x\nparadigm: [", "unknown-key", "'familiy' (did you mean 'family'", "allowed"),
    ("unknown key inside", B, "note: the same", "⌖notes: the same", "unknown-key", "relations.0.notes' (did you mean 'note'", "allowed here: type"),
    ("unknown key far inside", B, "- text: Divides", "- ⌖txt: Divides", "unknown-key", "deviations.0.txt' (did you mean 'text'", "source"),
    ("missing key", A, "family: gradient-based\n", "", "missing-key", "the entry has no 'family'", "add it: Its leaf", "id: alpha"),
    ("missing key inside", A, "  reference_model: none\n", "", "missing-key", "needs has no 'reference_model'", "A frozen copy", "forget_set"),
    ("not an allowed value", A, "retain_set: none", "retain_set: ⌖optinal", "not-allowed", "(did you mean 'optional'?)", "allowed: required, optional, none"),
    ("wrong case of a value", A, "status: unverified", "status: ⌖Unverified", "not-allowed", "(did you mean 'unverified'", "verified"),
    ("id with capitals", A, "id: alpha-ascent", "id: ⌖Alpha-Ascent", "wrong-form", "'Alpha-Ascent'", "lower-case words"),
    ("id that is not the file's name", A, "id: alpha-ascent", "id: ⌖alpha-descent", "id-file", "'alpha-descent'", "write 'id: alpha-ascent'"),
    ("month without its zero", A, '"2023-01"', '⌖"2023-1"', "wrong-form", "introduced can't be '2023-1'", 'such as "2024-04"'),
    ("day that is none", B, 'README\n    status: verified\n    checked: "2026-11-20"',
     'README\n    status: verified\n    checked: ⌖"2026-13-01"', "wrong-form", "checked can't be", "a day"),
    ("space at the end of a line of text", A, "name: Alpha ascent", 'name: ⌖"Alpha ascent "', "wrong-form", "name can't be", "without spaces"),
    ("axis with capitals", "taxonomy/modalities.yaml", "axis: modality", "axis: ⌖Modality", "wrong-form", "axis can't be 'Modality'", "write"),
    ("address without its scheme", AUTHORS, "url: https://ex", "url: ⌖ex", "wrong-form", "data.url can't be", "https"),
    ("an entry that is a list", NEW, "", LINE + "⌖- id: new\n", "wrong-type", "the file must be keys with values", "key: value"),
    ("an entry that is a word", NEW, "", LINE + "⌖new\n", "wrong-type", "the file must be keys with values (got 'new')", "key: value"),
    ("an axis that is a word", "taxonomy/zeal.yaml", "", "# yaml-language-server: $schema=../catalog/schema/axis.schema.json\n⌖zeal\n", "wrong-type", "the file must be keys", "key: value"),
    ("key that is a list", A, "objective:\n", "? ⌖[a, b]\n: c\nobjective:\n", "yaml-key", "a key must be a word", "key: value"),
    ("key that is a number", A, "objective:\n", "⌖7: c\nobjective:\n", "unknown-key", "'7'", "allowed here"),
    ("truth as a key", B, "epochs: 10", "⌖on: 10", "yaml-boolean-word", "on is a truth value", '"on" in quotes'),
]  # fmt: skip

MEANING: list[Row] = [
    ("keeps by data it does not need", B, "retain_set: optional", "retain_set: ⌖none", "agreement", "keeps the rest by 'nll-on-retain' but needs no data", "name the data"),
    ("keeps near a reference it does not need", A, "retain: [no-retain-term]", "retain: [kl-to-reference]", "agreement", "needs no reference", "name the reference model", (22, 20)),
    ("weights through a text API", A, "access_level: [weights-and-gradients]", "access_level: [text-api]", "agreement", "changes 'all-weights' with no more access than text-api", "correct", (15, 16)),
    ("two relations to one method", B, "    note: the same gradient, weighted\n    source: rivers2024beta\n", "    note: the same gradient, weighted\n    source: rivers2024beta\n  - type: combines\n    target: ⌖alpha-ascent\n", "agreement", "combines besides extends", "keep the one"),
    ("younger than its paper", AUTHORS, 'introduced: "2022-06"', 'introduced: ⌖"2023-06"', "introduced", "later than its paper, published 2022", "first public version"),
    ("survey that is not there", B, "survey: moss2025survey", "survey: ⌖moss2025surveys", "reference", "no entry 'moss2025surveys' in surveys (did you mean 'moss2025survey'?)", "add that entry"),
    ("open problem that nobody poses", PROBLEM, "posed_by:\n  - source: moss2025survey\n    place: section 8\n    status: unverified\n    text: It names relearning as the hardest test.", "posed_by: ⌖[]", "", "posed_by", ""),
    ("unknown term", A, "family: gradient", "family: ⌖gradeint", "reference", "unknown family term 'gradeint-based' (did you mean 'gradient-based'", "allowed: gradient-based"),
    ("term that has narrower ones", A, "family: gradient-based", "family: ⌖direct-fine-tuning", "reference", "'direct-fine-tuning' can't stand here", "allowed: gradient-based"),
    ("term of the other side", A, "forget: [gradient-ascent]", "forget: [⌖nll-on-retain]", "reference", "term 'nll-on-retain' can't stand here", "gradient-ascent"),
    ("term of another axis", A, "[entity]", "[⌖text]", "reference", "unknown target term 'text'", "allowed: entity"),
    ("unknown method", B, "target: alpha-ascent", "target: ⌖alpha-asscent", "reference", "in methods (did you mean 'alpha-ascent'", "catalog/methods/"),
    ("unknown benchmark", A, "target: [entity]\nmodality: [text]\nbenchmarks: [authors-bench]", "target: [entity]\nmodality: [text]\nbenchmarks: [authors-bench, ⌖hazards-bench]", "reference", "(did you mean 'hazard-bench'", "catalog/benchmarks/"),
    ("unknown metric", AUTHORS, "metrics: [truth-score, privacy-gap]", "metrics: [truth-score, privacy-gap, ⌖truth-scores]", "reference", "(did you mean 'truth-score'", "catalog/metrics/"),
    ("unknown paper", A, "paper: stone2023alpha", "paper: ⌖stone2023alfa", "reference", "'stone2023alfa' in references.bib (did you mean 'stone2023alpha'", "add it to catalog/references.bib"),
    ("unknown source", B, "note: the same gradient, weighted\n    source: rivers2024beta", "note: the same\n    source: ⌖rivers2042beta", "reference", "(did you mean 'rivers2024beta'", "add it"),
    ("unknown successor", A, "family: grad", "superseded_by: ⌖beta-preferences\nfamily: grad", "", "(did you mean 'beta-preference'", "catalog/methods/"),
    ("evidence for an absent field", A, "[paper, introduced,", "[⌖equation, paper, introduced,", "evidence-field", "'equation' is not filled in", "name a field"),
    ("evidence for no field", A, "[paper, introduced,", "[⌖equations, paper, introduced,", "evidence-field", "not a field (did you mean 'equation'", "name a field"),
    ("evidence for an absent item", A, "[paper, introduced,", "[⌖benchmarks.hazard-bench, paper, introduced,", "evidence-field", "benchmarks has no item 'hazard-bench'", "items of benchmarks: authors-bench"),
    ("no evidence", A, "[paper, introduced, family,", "[paper, introduced,", "evidence-missing", "nothing supports 'family'", "supports: [family]", "evidence:"),
    ("no evidence for an item", B, "benchmarks.hazard-bench]", "surveys]", "evidence-missing", "nothing supports benchmarks.hazard-bench", "add", "benchmarks: ["),
    ("verified without a date", B, '    checked: "2026-11-20"\n  - supports: [family]', "  - supports: [family]", "evidence-verified", "without the day", 'checked: "YYYY-MM-DD"', "verified\n  - supports: [family]"),
    ("verified without a place", B, "    place: equation 3\n    status: verified", "    status: ⌖verified", "evidence-verified", "without the place", "add place"),
    ("verified without a commit", B, 'source: https://github.com/example/beta\n    commit: "1207bbe"\n    place: README', "source: ⌖https://github.com/example/beta\n    place: README", "evidence-verified", "not which commit", "commit: "),
    ("code without an address", B, 'source: https://github.com/example/beta\n    commit: "1207bbe"\n    place: losses.py', 'source: ⌖rivers2024beta\n    place: losses.py', "code-address", "needs an address", "repository's address"),
    ("HTML in prose", B, "- text: Bounded below", "- text: ⌖<b>Bounded</b> below", "plain-text", "text holds markup: '<b>'", "plain words"),
    ("a link in prose", B, "- text: Bounded below, so training", '- text: ⌖Bounded [below](x), so training', "plain-text", "markup: ']('", "plain words"),
    ("a dollar sign in prose", B, "- text: Bounded below", "- text: ⌖Bounded $x$ below", "plain-text", "markup: '$'", "equation"),
    ("code marks in prose", B, "- text: Bounded below", "- text: ⌖Bounded `x` below", "plain-text", "markup: '`'", "plain words"),
    ("unbalanced LaTeX", B, r"\frac{\pi_\theta}{\pi_0}", r"\frac{\pi_\theta}{\pi_0", "tex", "1 brace not closed", "balance", "|\n    \\mathcal"),
    ("LaTeX closed twice", B, r"symbol: \beta", r"symbol: ⌖\beta}", "tex", "a closing brace too many", "balance"),
    ("unknown macro", B, r"symbol: \beta", r"symbol: ⌖\betta", "tex", r"unknown macro \betta (did you mean '\\beta'", "KaTeX"),
    ("dollar sign in LaTeX", B, r"symbol: \beta", r"symbol: ⌖$\beta$", "tex", "a dollar sign", "leave the dollar signs out"),
    ("left without right", B, r" \right)", ")", "tex", r"\left and \right do not match", "pair", "|\n    \\mathcal"),
    ("environment left open", B, r"symbol: \beta", r"symbol: ⌖\begin{cases} \beta", "tex", r"\begin{cases} is not closed", "pair"),
    ("measure among the attacks", B, "attack: relearning-attack\n    outcome: weakened", "attack: ⌖truth-score\n    outcome: weakened", "attack", "'truth-score' is no attack but a measure", "role 'attack'"),
    ("relation to itself", B, "extends\n    target: alpha-ascent", "reduces-to\n    target: ⌖beta-preference", "relation", "can't relate to itself", "name the other"),
    ("value outside the range", B, "value: 0.75", "value: ⌖75", "result-range", "75 is outside the range of truth-score: 0 to 1", "check the number"),
    ("implementation without its file", A, "evidence:", "⌖implementation:\n  status: faithful\nevidence:", "implementation", "there is no reference_impls/alpha_ascent.py", "add the file"),
    ("file without its implementation", B, "implementation:\n  status: simplified\n  differences:\n    - The answer tokens only.\n", "", "implementation", "reference_impls/beta_preference.py is not described", "add 'implementation'", "id: beta"),
    ("younger than its arXiv id", A, '"2023-01"', '⌖"2023-02"', "introduced", "later than its paper's arXiv id 2301.00001", 'write "2023-01"'),
    ("name taken", B, "name: Beta preference", "name: ⌖alpha Ascent", "name-taken", "already a name of 'alpha-ascent'", "different names"),
    ("alias taken", B, "[BP]", "[BP, ⌖A.A.]", "name-taken", "'A.A.' is already a name of 'alpha-ascent'", "different names"),
    ("term twice", "taxonomy/modalities.yaml", "- id: vision-language", "- id: ⌖text", "term", "term 'text' stands twice in modality", "unique"),
    ("source of a term without status", PARADIGMS, "    status: unverified\n", "", "term", "'finetuning-then-unlearning' has a source but no status", "give both", "id: finetuning-then-unlearning"),
    ("unknown paper of a term", PARADIGMS, "source: moss", "source: ⌖mos", "term", "no paper 'mos2025survey' in references.bib (did you mean 'moss2025survey'", "add it"),
    ("axis named twice", "taxonomy/zeal.yaml", "", "# yaml-language-server: $schema=../catalog/schema/axis.schema.json\naxis: ⌖modality\nlabel: Zeal\nquestion: Which?\nterms:\n  - id: text\n    label: Text\n    definition: Again.\n", "", "modality", ""),
]  # fmt: skip

BIBTEX: list[Row] = [
    ("BibTeX brace left open", BIB, "author = {Rivers, Di and Stone, Ed},", "author = {Rivers, Di and Stone, Ed,", "bibtex", "not readable", "braces", "@misc{rivers"),
    ("BibTeX key twice", BIB, "@misc{stone2024gamma", "⌖@misc{stone2023alpha,\n  title = {Again},\n  author = {Stone, Ed},\n  year = {2023}\n}\n\n@misc{stone2024gamma", "bibtex", "stone2023alpha", "braces, commas and key"),
    ("BibTeX field twice", BIB, "  author = {Rivers, Di and Stone, Ed},", "  author = {Rivers, Di and Stone, Ed},\n  title = {Again},", "bibtex", "uplicate", "check", "@misc{rivers"),
    ("BibTeX without year", BIB, "  year = {2025}\n", "", "bibtex", "moss2025survey: no year", "add title, author and year", "@article{moss"),
    ("BibTeX year in words", BIB, "year = {2025}", "year = {soon}", "bibtex", "year 'soon' is not a number", "correct it", "@article{moss"),
    ("BibTeX year in raised digits", BIB, "year = {2025}", "year = {²⁰²⁵}", "bibtex", "is not a number", "correct it", "@article{moss"),
    ("BibTeX in round brackets", BIB, "@inproceedings{field2022authors,\n  title = {Authors Nobody Knows},\n  author = {Field, Ann},\n  booktitle = {Proceedings of an Invented Conference},\n  year = {2022}\n}", "⌖@inproceedings(field2022authors, title = \"Authors\", author = \"Field, Ann\", year = 2022)", "bibtex", "round brackets", "in braces"),
    ("BibTeX author without a name", BIB, "author = {Field, Ann},", "author = {,},", "bibtex", "author", "", "@inproceedings"),
    ("BibTeX key that does not follow", BIB, "author = {Field, Ann},", "author = {Meadow, Ann},", "bibtex-key", "'field2022authors' does not follow", "call it meadow2022authors", "@inproceedings"),
    ("BibTeX nobody cites", BIB, "@article{moss", "⌖@misc{lane2020other,\n  title = {Other},\n  author = {Lane, Al},\n  year = {2020}\n}\n\n@article{moss", "bibtex-orphan", "nothing cites 'lane2020other'", "cite it"),
    ("BibTeX bad arXiv id", BIB, "eprint = {2402.01234}", "eprint = {2402.1}", "bibtex-arxiv", "'2402.1' is not an arXiv id", "correct", "@misc{rivers"),
    ("BibTeX month in words", BIB, "month = {5}", "month = {may}", "bibtex", "month 'may' is not a number", "", "@misc{stone2026"),
    ("BibTeX unknown triage", BIB, "keywords = {attack}", "keywords = {deep learning}", "bibtex", "is none of method, benchmark", "", "@misc{stone2026"),
    ("BibTeX triage of a paper with an entry", BIB, "year = {2022}", "year = {2022},\n  keywords = {method}", "bibtex-triage", "is its entry", "run 'unlearning-atlas fix'", "@inproceedings"),
    ("BibTeX venue of another year", BIB, "Invented Conference", "Invented Conference 2020", "bibtex-arxiv", "published 2022, but the venue is", "year of the venue", "@inproceedings"),
    ("BibTeX venue after the paper", BIB, "Invented Conference", "Invented Conference 2023", "bibtex-arxiv", "published 2022, but the venue is", "year of the venue", "@inproceedings"),
    ("BibTeX older than its arXiv id", BIB, "year = {2023},", "year = {2022},", "bibtex-arxiv", "published 2022, before its arXiv id 2301.00001", "check year and eprint", "@misc{stone2023"),
]  # fmt: skip

FILES: list[Row] = [
    ("empty file", NEW, "", "", "file-empty", "the file is empty", "delete it", (1, 1)),
    ("a line break only", NEW, "", "\n", "file-empty", "the file is empty", "delete it", (1, 1)),
    ("comments only", NEW, "", LINE + "# nothing yet\n", "file-empty", "comments only", "delete it", (1, 1)),
    ("huge file", NEW, "", LINE + "name: " + "x" * 524_288, "file-size", "the file has 512 KiB", "one entry in one file", (1, 1)),
    ("byte order mark", A, LINE, "⌖\ufeff" + LINE, "", "", ""),
    ("carriage return", A, "family: gradient-based\n", "family: gradient-based⌖\r\n", "white-space", "a carriage return", "unlearning-atlas fix"),
    ("spaces at a line's end", A, "family: gradient-based\n", "family: gradient-based⌖  \n", "white-space", "ends with spaces", "unlearning-atlas fix"),
    ("no line break at the end", A, "3\n    status: unverified\n", "3\n    status: unverified", "white-space", "exactly one line break", "unlearning-atlas fix", (29, 1)),
    ("no schema line", A, LINE, "⌖", "schema-line", "does not name the schema", "begin the file with: # yaml-language-server"),
    ("schema line of another kind", A, "method.schema", "metric.schema", "schema-line", "does not name the schema", "method.schema.json", (1, 1)),
    ("keys out of order", A, "name: Alpha ascent\naliases: [AA, negated training]", "⌖aliases: [AA, negated training]\nname: Alpha ascent", "key-order", "'aliases' stands where 'name' should", "unlearning-atlas fix"),
    ("wrong extension", "catalog/methods/delta.yml", "", LINE, "stray-file", "not the file of an entry", "end its name in .yaml", (1, 1)),
    ("a note beside the entries", "taxonomy/notes.txt", "", "x", "stray-file", "not the file of an axis", "move it away", (1, 1)),
]  # fmt: skip

ROWS = [*SYNTAX, *TRAPS, *TYPES, *MEANING, *BIBTEX, *FILES]


def test_an_unknown_key_without_a_value_is_named(small: Root) -> None:
    small.edit(A, "family: gradient-based", "famly:")
    faults = {fault.rule: fault.message for fault in small.faults()}
    assert faults.keys() == {"yaml-null", "unknown-key", "missing-key"}
    assert "did you mean 'family'" in faults["unknown-key"]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_broken(small: Root, row: Row) -> None:
    _, file, old, new, rule, message, tip, *rest = row
    place = small.edit(file, old, new) if old else small.write(file, new)
    if rest:
        place = rest[0] if isinstance(rest[0], tuple) else small.find(file, rest[0])
    faults = small.faults()
    assert {(fault.file, fault.line, fault.column) for fault in faults} == {(file, *place)}, faults
    fault = next((fault for fault in faults if rule in ("", fault.rule)), faults[0])
    assert rule in ("", fault.rule)
    assert message in fault.message
    assert tip in fault.tip
    assert str(fault) == f"{file}:{place[0]}:{place[1]}: {fault.rule}: {fault.message}; {fault.tip}"


def test_the_small_catalog_has_no_faults(small: Root) -> None:
    assert small.faults() == []


def only(faults: list[Fault], rule: str) -> Fault:
    """Return the one fault, which must be of the rule."""
    assert [fault.rule for fault in faults] == [rule], faults
    return faults[0]


def test_deep_indentation(small: Root) -> None:
    small.write(NEW, LINE + "\n".join(" " * n + "a:" for n in range(800)) + " b\n")
    deep = [fault for fault in small.faults() if fault.rule == "yaml-depth"]
    assert [(fault.file, fault.line, fault.column) for fault in deep] == [(NEW, 18, 17)]


def test_anchor_and_alias(small: Root) -> None:
    small.edit(A, "retain_set: none\n  reference_model: none", "retain_set: &n none\n  reference_model: *n")
    assert "yaml-alias" in {fault.rule for fault in small.faults()}


def test_relation_to_a_newer_method(small: Root) -> None:
    small.edit(C, '"2024-05"', '"2024-01"')
    fault = only(small.faults(), "relation")
    assert (fault.file, fault.line, fault.column) == (C, *small.find(C, "beta-preference"))
    assert "fixes 'beta-preference', which is newer (2024-02)" in fault.message
    assert "in the newer method's entry" in fault.tip


def test_lineage_in_a_circle(small: Root) -> None:
    small.edit(A, '"2023-01"', '"2022-12"')
    for file in (B, C):
        month = small.text(file).partition("introduced: ")[2].partition("\n")[0]
        small.edit(file, month, '"2022-12"')
    small.edit(A, "evidence:", "relations:\n  - type: combines\n    target: gamma-steer\nevidence:")
    fault = only(small.faults(), "lineage")
    assert (fault.file, fault.line, fault.column) == (A, *small.find(A, "relations:"))
    assert "alpha-ascent -> gamma-steer -> beta-preference -> alpha-ascent" in fault.message
    assert "remove one of the relations" in fault.tip


@pytest.mark.parametrize("how", ["renamed", "removed"])
def test_an_axis_that_entries_need_is_gone(small: Root, how: str) -> None:
    if how == "renamed":
        small.edit(PARADIGMS, "axis: paradigm", "axis: paradime")
    else:
        (small.path / PARADIGMS).unlink()
    assert any("paradigm" in fault.message for fault in small.faults() if "bibtex" not in fault.rule)


def records(small: Root) -> list[str]:
    """Return the records of the bibliography, in order."""
    return small.text(BIB).strip().split("\n\n")


def test_what_two_entries_say_must_agree(small: Root) -> None:
    small.edit(AUTHORS, "modality: [text]", "modality: [vision-language]")
    faults = small.faults()
    assert [(fault.file, fault.rule) for fault in faults] == [(A, "agreement"), (B, "agreement")]
    assert "reports on 'authors-bench', whose modality is vision-language, not text" in faults[0].message


def test_a_number_on_a_benchmark_that_is_not_named(small: Root) -> None:
    small.edit(B, "benchmarks: [authors-bench, hazard-bench]", "benchmarks: [hazard-bench]")
    small.edit(B, "benchmarks.authors-bench, ", "")
    fault = only(small.faults(), "agreement")
    assert (fault.file, fault.line, fault.column) == (B, *small.find(B, "authors-bench\n    split"))
    assert "a number on 'authors-bench', which 'benchmarks' does not name" in fault.message


def test_bibtex_out_of_order(small: Root) -> None:
    first, *others = records(small)
    small.write(BIB, "\n\n".join([*others, first]) + "\n")
    fault = only(small.faults(), "bibtex-order")
    assert (fault.file, fault.line, fault.column) == (BIB, 1, 1)
    assert "'lake2024hazard' stands where 'field2022authors' should" in fault.message
    assert "unlearning-atlas fix" in fault.tip


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("eprint = {2402.01234},\n  archivePrefix = {arXiv}", "Friendly Preference"),
        ("x = {y}", "BETA preference & friends"),
    ],
)
def test_the_same_paper_twice(small: Root, field: str, other: str) -> None:
    word = other.split()[0].lower()
    again = (
        f"@misc{{woods2024{word},\n  title = {{{other}}},\n  author = {{Woods, Jo}},\n  year = {{2024}},\n  {field}\n}}"
    )
    small.write(BIB, "\n\n".join([*records(small), again]) + "\n")
    small.edit(C, "    source: stone2024gamma", f"    source: woods2024{word}")
    fault = only(small.faults(), "bibtex-twice")
    assert (fault.file, fault.line, fault.column) == (BIB, *small.find(BIB, "@misc{woods"))
    assert f"'woods2024{word}' is the same paper as 'rivers2024beta'" in fault.message


def test_bibliography_is_missing(small: Root) -> None:
    (small.path / BIB).unlink()
    faults = small.faults()
    assert [(fault.file, fault.line) for fault in faults] == [(BIB, 1)], faults
    assert "No such file" in faults[0].message


def test_bibliography_is_not_utf8(small: Root) -> None:
    (small.path / BIB).write_bytes(small.text(BIB).encode("latin-1"))
    faults = small.faults()
    assert [(fault.file, fault.line) for fault in faults] == [(BIB, 1)], faults
    assert "UTF-8" in faults[0].message


def test_entry_is_not_utf8(small: Root) -> None:
    (small.path / A).write_bytes(small.text(A).replace("section 3", "se\u00e7tion 3").encode("latin-1"))
    fault = only(small.faults(), "file-encoding")
    assert (fault.file, fault.line, fault.column) == (A, 28, 14)
    assert "byte 0xe7 is not UTF-8" in fault.message
    assert "save the file as UTF-8" in fault.tip


@pytest.mark.parametrize("how", ["folder", "link to nothing", "no permission"])
def test_unreadable(small: Root, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small.path / NEW
    if how == "folder":
        path.mkdir()
    elif how == "link to nothing":
        path.symlink_to("nowhere.yaml")
    else:
        path.write_text(LINE)
        read = Path.read_bytes

        def refuse(self: Path) -> bytes:
            if self == path:
                raise PermissionError(13, "Permission denied")
            return read(self)

        monkeypatch.setattr(Path, "read_bytes", refuse)
    fault = only(small.faults(), "file-unreadable")
    assert (fault.file, fault.line, fault.column) == (NEW, 1, 1)
    assert "can't be read" in fault.message


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"\xff\xfe", b"id: [", b"- a\n", b"x" * 600_000, b"id: new\n", b"\x00", b"[" * 2000],
    ids=["empty", "bracket", "utf-16", "cut", "list", "huge", "short", "nul", "deep"],
)
@pytest.mark.parametrize("file", [A, AUTHORS, TRUTH, PARADIGMS])
def test_a_broken_file_causes_no_fault_elsewhere(small: Root, file: str, content: bytes) -> None:
    (small.path / file).write_bytes(content)
    faults = small.faults()
    assert {fault.file for fault in faults} == {file}, faults


def test_many_faults_in_many_files_are_all_reported_in_one_run(small: Root) -> None:
    """Rows of the tables above, as far as they do not touch the same text, and faults in four more files."""
    wanted = set()
    edits = 0
    for _, file, old, new, rule, *_ in (*TRAPS, *TYPES, *MEANING):
        fits = rule in ("wrong-type", "wrong-form", "not-allowed", "unknown-key") and "⌖" in new
        if file == B and fits and small.text(file).count(old) == 1:
            small.edit(file, old, new)
            edits += 1
            wanted.add((file, rule))
    assert edits >= 8
    small.edit(A, "section 3", "&x [")
    small.edit(TRUTH, "role: measure", "role: mesure")
    small.edit(GAP, "group: logit", "group: digit")
    small.edit(BIB, "year = {2025}", "year = {soon}")
    wanted |= {(A, "yaml-syntax"), (TRUTH, "not-allowed"), (GAP, "reference"), (BIB, "bibtex")}
    faults = small.faults()
    assert wanted <= {(fault.file, fault.rule) for fault in faults}
    assert len([fault for fault in faults if fault.file == B]) >= edits
    assert {fault.file for fault in faults} == {A, B, TRUTH, GAP, BIB}
    assert faults == sorted(faults)
    assert len(set(faults)) == len(faults)


INSERTS = [
    *("\t", "\n", ":", ": ", "- ", "[", "]", "{", "}", "#", " #", "&a ", "*a ", "!", "|", ">", "'", '"', "%", "@", "`"),
    *(
        "~",
        "null",
        "no",
        "1e5",
        "\\",
        "\r",
        "\x00",
        "\x85",
        "\u2028",
        "\ufeff",
        "é",
        "---\n",
        "...\n",
        "? ",
        "<<: ",
        ",",
    ),
    *("- id: x\n", "\x1b", "²", "0x", ".nan", "2024-01-01", "${", "=", "@misc{", "and ", "{,}"),
]


def mutate(chance: random.Random, content: bytes) -> bytes:
    """Change a few bytes or lines at random."""
    for _ in range(chance.randint(1, 3)):
        lines = content.split(b"\n")
        where = chance.randrange(len(lines))
        at = chance.randrange(len(content) + 1)
        what = chance.randrange(8)
        if what == 0:
            del lines[where]
        elif what == 1:
            lines.insert(where, chance.choice(lines))
        elif what == 2:
            lines[where] = b" " * chance.randrange(9) + lines[where].lstrip()
        elif what == 3:
            chance.shuffle(lines)
        if what < 4:
            content = b"\n".join(lines)
        elif what == 4:
            content = content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]
        elif what == 5:
            content = content[:at]
        else:
            content = content[:at] + chance.choice(INSERTS).encode() + content[at:]
    return content


@pytest.mark.parametrize("seed", range(6))
def test_random_changes_never_raise(small: Root, seed: int) -> None:
    chance = random.Random(seed)
    files = [A, B, C, AUTHORS, TRUTH, PARADIGMS, BIB]
    for _ in range(50):
        file = chance.choice(files)
        before = (small.path / file).read_bytes()
        after = mutate(chance, before)
        (small.path / file).write_bytes(after)
        try:
            faults = small.faults()
        except Exception as error:
            raise AssertionError(f"{file} raises {error!r} with\n{after!r}") from error
        assert all(fault.line >= 1 and fault.column >= 1 and fault.message and fault.tip for fault in faults)
        assert all((small.path / fault.file).exists() for fault in faults)
        (small.path / file).write_bytes(before)


def test_nothing_crashes_the_interpreter(small: Root) -> None:
    """Nested input of every sort, in a process of its own: libyaml recurses on the stack of C."""
    for number, piece in enumerate(("[", "{a: ", "- ", "? ", ": ", "? - ", "- [", "&a ", "!a ", "'", "- |\n", "{? ")):
        small.write(f"catalog/methods/deep-{number}.yaml", LINE + piece * 20_000)
    command = [sys.executable, "-m", "unlearning_atlas", "validate", "--root", str(small.path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    for number in range(12):
        assert f"catalog/methods/deep-{number}.yaml:" in done.stdout
