# Everything a person or CI does here. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# Some machines forbid Python to keep what it has compiled. The tests start hundreds of processes that need it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help today install dev test check lint format types imports names placement certify bench clean

help:  ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

today: $(VENV)/installed  ## Install, and do today's review
	@$(BIN)/tensordrill today

install: $(VENV)/installed  ## Install into .venv

test: $(VENV)/dev  ## Run the tests
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m 'not slow'

check: lint format types imports test  ## Lint, format, types, import contracts and tests

lint: $(VENV)/dev
	$(BIN)/ruff check

format: $(VENV)/dev
	$(BIN)/ruff format --check

types: $(VENV)/dev
	$(BIN)/mypy

imports: $(VENV)/dev
	$(BIN)/lint-imports

names: $(VENV)/dev  ## Write anew the names that answers are completed to
	$(BIN)/python -W ignore -m tensordrill.judge.names > src/tensordrill/ui/names.txt

certify: $(VENV)/dev  ## The long certification: every drill over 1,000 seeds, the slow tests, fresh random examples
	$(BIN)/pytest -n $(JOBS) -m slow
	$(BIN)/pytest -n $(JOBS) --hypothesis-profile random tests/property tests/unit
	$(BIN)/tensordrill drills check --seeds 1000 --jobs $(JOBS)

bench: $(VENV)/dev  ## Measure, each figure beside a peer or a floor of the same run
	$(BIN)/python benchmarks/bench.py

placement: $(VENV)/dev  ## How well a placement finds out what simulated learners know
	$(BIN)/python benchmarks/placement.py

clean:  ## Remove the virtual environment and every cache
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The environment follows the files that define it.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tensordrill needs Python 3.11 or later; say which with make PYTHON=python3.12"; exit 2; }
	@echo "Installing into $(VENV); torch makes the first time take a minute."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
