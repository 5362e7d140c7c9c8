# `make` sets everything up, verifies the notes and regenerates the modules; `make test` runs the tests, `make test-full`
# those that take longer; `make docs` builds the manual.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: all test test-full docs check format clean

all: $(VENV)/installed
	$(BIN)/handgrad verify
	$(BIN)/handgrad generate

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

# PyCUDA for the CUDA tests, GPU or not. Where it cannot be had they are skipped, and say so.
$(VENV)/pycuda: $(VENV)/installed tests/cuda_on_cpu/install.py
	-$(BIN)/python -m tests.cuda_on_cpu.install && touch $@

# As many processes as processors, each with one thread for its products.
test test-full: export OPENBLAS_NUM_THREADS := 1
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist worksteal

test: $(VENV)/installed $(VENV)/pycuda
	$(PYTEST)

test-full: $(VENV)/installed $(VENV)/pycuda
	$(PYTEST) -m full

# The manual, in build/docs.
docs: $(VENV)/installed
	$(BIN)/python -m sphinx -q -W --keep-going docs build/docs

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .cache build dist docs/cells *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
