# make train | test | check | docs; each makes its own virtual environment in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(abspath $(VENV))/bin
BUILD := $(wildcard meson.build meson.options pyproject.toml) $(shell find pycopi -type f -not -path '*/__pycache__/*')
PYTEST = cd tests && $(BIN)/python -m pytest

.PHONY: train test test-backends sanitize check docs clean

train: $(VENV)/.package
	$(BIN)/pycopi train digits --output runs/digits

test: $(VENV)/.test
	$(PYTEST) $(ARGS)

# The suite and the doctests on every library that installs here, with the coverage that they must reach.
test-backends: $(VENV)/.backends
	$(PYTEST) . --doctest-modules --pyargs pycopi --cov --cov-config=../pyproject.toml \
	  --cov-report=term-missing:skip-covered --cov-fail-under=95 $(ARGS)

sanitize:
	tests/native/run_sanitizers.sh

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $(shell find pycopi -name '*.py')
	$(BIN)/codespell

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) build dist docs/_build runs

# A stamp file for each set of extras: what is installed is made anew when the sources change.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.package: $(VENV)/bin/python $(BUILD)
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps .
	$(BIN)/python -m pip install --quiet '.[cli]'
	touch $@

$(VENV)/.test: $(VENV)/.package
	$(BIN)/python -m pip install --quiet '.[test]'
	touch $@
