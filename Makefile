# Two commands matter: `make demo` and `make test`. Everything else is for people who change Headgate.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
WORKERS ?= 2
# Tests start hundreds of processes: let Python keep what it compiled, also where it is told not to.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast check format bench docs screenshots lock clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## run the whole story on this machine, offline (about a minute)
	@$(BIN)/python examples/demo/demo.py $(DEMO)

test: $(VENV)/.dev ## run every test
	$(BIN)/python -m pytest -n $(WORKERS) -m "not alone"
	$(BIN)/python -m pytest -m alone -vv

test-fast: $(VENV)/.dev ## run the tests that take seconds
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not alone"

check: $(VENV)/.dev ## lint, format, types, floors
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/ruff format --check src tests benchmarks examples docs
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## format and fix what can be fixed
	$(BIN)/ruff check --fix src tests benchmarks examples docs
	$(BIN)/ruff format src tests benchmarks examples docs

bench: $(VENV)/.dev ## print the benchmark tables
	@for bench in benchmarks/bench_*.py; do echo "── $$bench"; $(BIN)/python $$bench || exit 1; done

.PHONY: bench-pages
bench-pages: $(VENV)/.dev ## query a million stored requests as pages do, against 50 ms a query
	@$(BIN)/python benchmarks/bench_pages.py

.PHONY: bench-drift
bench-drift: $(VENV)/.dev .peers/evidently/bin/evidently ## drift from rows to verdicts: ours and Evidently in one run
	@$(BIN)/python benchmarks/bench_drift.py

.peers/evidently/bin/evidently:
	@$(PYTHON) -m venv .peers/evidently
	@.peers/evidently/bin/python -m pip install -q --disable-pip-version-check "evidently==0.7.*" "pandas<3"

.PHONY: bench-traces
bench-traces: $(VENV)/.dev .peers/phoenix/bin/phoenix ## store OTLP spans: ours, a bare sink and Phoenix in one run
	@$(BIN)/python benchmarks/bench_traces.py

.peers/phoenix/bin/phoenix:
	@$(PYTHON) -m venv .peers/phoenix
	@.peers/phoenix/bin/python -m pip install -q --disable-pip-version-check arize-phoenix

.PHONY: bench-gateway profile-gateway
bench-gateway: $(VENV)/.dev | .peers/litellm/bin/litellm .peers/mlflow/bin/mlflow ## a request with everything on: ours, nginx, a pass-through, other gateways
	@$(BIN)/python benchmarks/bench_gateway.py $(BENCH)

profile-gateway: $(VENV)/.dev ## where the computing time of one request goes
	@$(BIN)/python benchmarks/profile_gateway.py $(BENCH)

.peers/litellm/bin/litellm:
	@$(PYTHON) -m venv .peers/litellm
	@.peers/litellm/bin/python -m pip install -q --disable-pip-version-check "litellm[proxy]" || \
		echo "LiteLLM could not be installed; its row will say so."

.peers/mlflow/bin/mlflow:
	@$(PYTHON) -m venv .peers/mlflow
	@.peers/mlflow/bin/python -m pip install -q --disable-pip-version-check "mlflow[gateway]==3.*" || \
		echo "MLflow could not be installed; its row will say so."

.PHONY: soak bench-bounds
soak: $(VENV)/.dev ## ten minutes of mixed traffic while providers fail; MINUTES=1 SOAK="--postgres --workers 2"
	@$(BIN)/python benchmarks/soak_gateway.py --minutes $(or $(MINUTES),10) $(SOAK)

bench-bounds: $(VENV)/.dev ## memory over 100 000 requests and without a store of traces, waiting under attack
	@$(BIN)/python benchmarks/bench_bounds.py $(BENCH)

docs: $(VENV)/.dev ## write the generated pages of docs/reference
	$(BIN)/python docs/generate.py

screenshots: $(VENV)/.dev ## take the README's pictures (needs `make demo` and Chromium)
	$(BIN)/python docs/screenshots.py

lock: ## resolve dependencies again and write requirements/*.txt with hashes (needs uv)
	for extra in demo dev; do uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --extra $$extra pyproject.toml -o requirements/$$extra.txt; done

clean: ## remove what make made
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Headgate needs Python 3.11, 3.12 or 3.13; none was found. Set PYTHON=/path/to/python."; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the demo needs (pinned and hash-checked; about a minute the first time) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/demo.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need (pinned and hash-checked; about a minute the first time) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/.demo
