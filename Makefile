# make train | test | bench | check | docs. Each makes its own virtual environment, .venv, first.

PYTHON ?= python3
VENV := .venv
BIN := $(abspath $(VENV))/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
SOURCES := meson.build meson.options pyproject.toml README.md $(shell find pycopi -type f -not -path '*/__pycache__/*')
# The suite runs on the installed package, from a folder where its sources are not in reach.
PYTEST = cd tests && $(BIN)/python -m pytest

.PHONY: train test test-backends sanitize bench check docs clean

# Trains a network on the embedded digits: model, history and learning curve in runs/digits.
train: $(VENV)/package
	$(BIN)/pycopi train digits --output runs/digits --overwrite

test: $(VENV)/test
	$(PYTEST) . $(ARGS)

# The suite and the doctests on every library that installs here, with the coverage they must reach.
test-backends: export PYCOPI_TEST_BACKENDS = array-api-strict,torch,jax,dask
test-backends: $(VENV)/backends
	$(PYTEST) . --doctest-modules --pyargs pycopi --cov --cov-branch --cov-config=../pyproject.toml \
	  --cov-report=term:skip-covered --cov-fail-under=95 $(ARGS)

# The C core under the address and undefined-behaviour sanitizers; needs a C compiler.
sanitize: $(VENV)/test
	PYTHON=$(BIN)/python tests/native/run_sanitizers.sh

# Measures this machine, pycopi on it, and what others would write instead; ARGS names tables and flags.
bench: $(VENV)/bench
	$(BIN)/python -m benchmarks $(ARGS)

check: $(VENV)/check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/check_docstrings.py
	$(BIN)/codespell

docs: $(VENV)/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

clean:
	rm -rf $(VENV) build docs/_build runs

# One stamp file for each set of requirements; the package is installed anew when its sources change.
$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	touch $@

$(VENV)/package: $(VENV)/python $(SOURCES)
	$(PIP) '.[cli]'
	$(PIP) --force-reinstall --no-deps .
	touch $@

$(VENV)/test $(VENV)/docs: $(VENV)/%: $(VENV)/package
	$(PIP) '.[$*]'
	touch $@

$(VENV)/check: $(VENV)/package
	$(PIP) '.[check]' numpy
	touch $@

# PyTorch in the version that is pinned for CI comes first, because a free choice would bring its CUDA build.
$(VENV)/backends: $(VENV)/test
	$(PIP) torch==2.13.0
	$(PIP) '.[backends]'
	touch $@

$(VENV)/bench: $(VENV)/backends
	$(PIP) '.[bench]'
	touch $@
