# Everything a developer types. `make help` lists it; each target sets up what it needs, once, in .venv.
# Works with GNU Make 3.81 (macOS) and newer, and in a folder whose path has spaces.

VENV   := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
HOST   ?= 127.0.0.1
PORT   ?= 8000
QUICK  ?=
SECONDS ?= 60
ARGS   ?=
# Two test processes: the longest waits (browsers, servers that are killed and start again) overlap with the counting.
JOBS   ?= 2

RUNTIME := $(VENV)/.runtime
DEV     := $(VENV)/.dev
PEERS   := .cache/peers
FUZZ    := .cache/fuzz

.DEFAULT_GOAL := help
.PHONY: help demo test coverage soak fuzz system check lint types imports docs bench reference constraints clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(RUNTIME) ## run the example news site on SQLite (HOST=127.0.0.1 PORT=8000)
	@HOST="$(HOST)" PORT="$(PORT)" $(PYTHON_IN_VENV) -m examples.news_site

test: $(DEV) system ## run every test, browser included (ARGS="-k word", JOBS=2)
	@$(PYTHON_IN_VENV) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

# Not part of `make test`: counting branches makes Python half as fast again.
coverage: $(DEV) system ## the same tests once more, and the branches they leave out
	@$(PYTHON_IN_VENV) -m pytest -n $(JOBS) --dist worksteal --cov --cov-report= $(ARGS) && status=0 || status=$$?; \
	 $(PYTHON_IN_VENV) -m coverage report --skip-covered --sort=cover || true; \
	 exit $$status

soak: $(DEV) ## run the tests that take minutes: hundreds of kills, 100,000 subjects, every row edited
	@$(PYTHON_IN_VENV) -m pytest -m soak --timeout 3600 $(ARGS)

fuzz: $(FUZZ)/.done ## fuzz the readers of evidence with atheris, where it installs (SECONDS=60)
	@PYTHONPATH="$(CURDIR):$(FUZZ)" $(PYTHON_IN_VENV) tests/fuzz/evidence.py -max_total_time=$(SECONDS) \
		-max_len=30000 -artifact_prefix=$(FUZZ)/ $(FUZZ)/inputs

system: # what tests use and pip cannot bring; best effort outside CI
	@tools/install-system

check: $(DEV) ## lint, types, import contracts, documentation: all of them, even when one fails
	@$(MAKE) --no-print-directory --keep-going lint types imports docs

lint: $(DEV) ## ruff
	@$(PYTHON_IN_VENV) -m ruff check .

types: $(DEV) ## mypy, strict
	@$(PYTHON_IN_VENV) -m mypy

imports: $(DEV) # the floors of the house: who may import whom
	@$(VENV)/bin/lint-imports

docs: $(DEV) # every code block, link, setting, command and error of the documentation
	@$(PYTHON_IN_VENV) -m pytest -q tests/test_docs.py

bench: $(DEV) $(PEERS)/.done ## run every benchmark and print its bars (QUICK=1: a short form)
	@PYTHONPATH="$(CURDIR)/$(PEERS)" $(PYTHON_IN_VENV) tools/bench $(if $(QUICK),--quick,)

reference: $(DEV) ## write docs/reference/cli.md and api.md from the command and the API themselves
	@$(PYTHON_IN_VENV) tools/reference > docs/reference/cli.md.new && mv docs/reference/cli.md.new docs/reference/cli.md
	@$(PYTHON_IN_VENV) tools/reference api > docs/reference/api.md.new && mv docs/reference/api.md.new docs/reference/api.md

constraints: $(DEV) $(PEERS)/.done $(FUZZ)/.done ## write constraints.txt from what is installed in .venv
	@$(PYTHON_IN_VENV) tools/pin $(PEERS) $(FUZZ) > constraints.txt.new && mv constraints.txt.new constraints.txt
	@touch $(RUNTIME) $(DEV) $(PEERS)/.done $(FUZZ)/.done
	@echo "constraints.txt now pins what is in $(VENV); to move to newer versions, see CONTRIBUTING.md"

clean: ## remove .venv, caches, and the demo's data
	rm -rf $(VENV) .cache .coverage htmlcov dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
		.hypothesis demo-data tests/output

$(RUNTIME): pyproject.toml constraints.txt
	@tools/setup runtime
	@touch $@

$(DEV): $(RUNTIME)
	@tools/setup dev
	@touch $@

$(PEERS)/.done: $(DEV) benchmarks/requirements.txt
	@tools/setup peers
	@touch $@

$(FUZZ)/.done: $(DEV)
	@tools/setup fuzz
	@touch $@
