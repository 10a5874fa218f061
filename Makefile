# Everything runs in .venv, made here from constraints.txt. Needed beforehand: Python 3.11 or newer, make, git.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PORT ?= 8000

.PHONY: help setup site serve offline engines test lint types speed steps bench schema lock clean

help:  ## Show what can be made.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

setup: .venv/.site  ## Make .venv with what checking the catalog and building the site need.

site: .venv/.site  ## Build the site from the catalog; in a terminal, go on to serve it.
	$(BIN)/unlearning-atlas site build
	@if [ -t 1 ]; then $(MAKE) --no-print-directory serve; else echo "To browse it: make serve"; fi

serve: .venv/.site  ## Serve the site on http://127.0.0.1:8000/ (PORT=...), built anew where it is out of date.
	@$(BIN)/unlearning-atlas site serve --port $(PORT)

test: .venv/.dev  ## Run every test.
	$(BIN)/unlearning-atlas validate
	$(BIN)/python -m pytest

lint: .venv/.dev  ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet .github

types: .venv/.dev  ## Check types once more, with pyright.
	$(PIP) --group types
	$(BIN)/pyright

speed: .venv/.dev  ## Measure import, load, query and validation, as ratios in one run.
	$(PIP) --group speed
	$(BIN)/python -m tests.speed

engines: .venv/.dev  ## Build the same pages with other engines, and count them.
	$(BIN)/python -m tests.site.engines

offline: .venv/.site  ## Build the site for reading from disk, into site/_offline.
	$(BIN)/unlearning-atlas site build --offline

steps: .venv/.dev  ## Measure one step of some methods against plain fine-tuning.
	$(BIN)/python -m tests.speed.steps

bench: .venv/.dev  ## Measure every reference implementation; goes on where it stopped.
	$(BIN)/unlearning-atlas bench --tune

schema: .venv/.dev  ## Write the JSON Schemas anew from the models.
	$(BIN)/unlearning-atlas schema

lock: .venv/.dev  ## Resolve constraints.txt anew.
	$(PIP) uv
	$(BIN)/uv pip compile pyproject.toml --extra site --extra hf --extra pandas --group dev --group types --group speed \
		--universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --upgrade -o constraints.txt

clean:  ## Remove what was made: the environment, caches, the built site.
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache site/_build site/_offline

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --upgrade 'pip>=25.1'

.venv/.site: constraints.txt pyproject.toml | .venv/bin/python
	$(PIP) --editable '.[site]'
	@touch $@

.venv/.dev: constraints.txt pyproject.toml | .venv/bin/python
	$(PIP) --editable '.[site,hf,pandas]' --group dev
	@touch $@ .venv/.site
