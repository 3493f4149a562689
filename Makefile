# Every target sets up what it needs in $(VENV): all it takes is Python 3.11 or newer, make and git.
#
#   PYTHON=python3.12      the interpreter the environment is made with
#   ARGS="--listen :7000"  more flags for `make run`
#   TEST_ARGS="-k watch"   more arguments for pytest
#   PROTO_BASE=origin/main what `make proto-check` compares the protos with

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help run test browser robustness bench lint format proto proto-check constraints clean
.DEFAULT_GOAL := help

help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The environment is made anew only when what it is made from has changed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Sojourn needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || { echo "Setting up $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --quiet --constraint constraints.txt pip
	@$(PIP) install --quiet --constraint constraints.txt --build-constraint constraints.txt \
		--editable '.[server]' --group dev
	@touch $@

run: $(STAMP) ## Serve on 127.0.0.1:7431; sessions are kept in ./sojourn-data.
	@exec $(BIN)/sojourn serve \
		$(if $(filter --data-dir --data-dir=% --ephemeral --redis --redis=%,$(ARGS)),,--data-dir ./sojourn-data) $(ARGS)

# A file's tests stay on one worker: they share the engine that the file's fixtures start. Much of their time is waiting:
# three workers keep two cores busy. The files come in their order, the short ones of tests/unit last. The run is a
# session of the server that SOJOURN_TARGET names or that answers at localhost:7431, else of one in .sojourn.
test: $(STAMP) ## Run every test but the long fault-injection runs.
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --sojourn $(TEST_ARGS)

browser: ## Install Debian's Chromium: tests that drive a real browser are skipped without one. Needs root and apt.
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null

robustness: $(STAMP) ## Run the long fault-injection runs.
	$(BIN)/python -m pytest -m robustness $(TEST_ARGS)

bench: $(STAMP) ## Measure; writes a table and a JSON file to bench/out.
	$(BIN)/python -m bench $(BENCH_ARGS)

lint: $(STAMP) ## Check style, formatting and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy scripts

format: $(STAMP) ## Format the code and mend what ruff can mend.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(STAMP) ## Generate client_sdk/sojourn/v1 from protos/.
	$(BIN)/python scripts/protos.py generate

proto-check: $(STAMP) ## Lint the protos, refuse breaking changes and stale generated code.
	$(BIN)/python scripts/protos.py check $(if $(PROTO_BASE),--base $(PROTO_BASE))

# Made on the oldest supported Python, whose requirements include those of newer ones.
constraints: ## Renew constraints.txt with the newest versions that fit pyproject.toml.
	@PYTHON="$(PYTHON)" scripts/constraints.sh

clean: ## Remove the environment, caches and build output; session data stays.
	rm -rf $(VENV) build dist bench/out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
