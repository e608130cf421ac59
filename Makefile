SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install demo test check up bench clean
install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "BudSim needs Python 3.11 or newer on PATH; install it or call: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv/ensurepip; install the python3-venv package of your system"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,dev]' 2>.venv/install.log \
	  || { tail -n 1 .venv/install.log; echo "the install failed: is a package registry reachable? the whole log is in .venv/install.log"; exit 1; }
	@touch $@

demo: install
	@$(BIN)/budsim demo

up: install
	@$(BIN)/budsim up

test: install
	@$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	@$(BIN)/python -m benchmarks.stream

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
