# make train | test | bench | check | docs | wheel. Each makes its own virtual environment, .venv, first;
# PYTHON=python3.13 VENV=.venv-newest chooses another Python and another folder.

PYTHON ?= python3
VENV := .venv
BIN := $(abspath $(VENV))/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# The wheel that an environment is filled from: built once, whatever extras are installed after it.
BUILT = "$$(ls $(VENV)/built/*.whl)"
SOURCES := meson.build meson.options pyproject.toml README.md $(shell find pycopi -type f -not -path '*/__pycache__/*')
# The suite runs on the installed package, from a folder where its sources are not in reach, in several processes.
# Each begins with a part in one piece, so that few fixtures are made twice, and takes from the others at the end.
SUITE := -m pytest -n auto --maxprocesses 8 --dist worksteal
PYTEST = cd tests && $(BIN)/python $(SUITE)

.PHONY: train test test-backends test-oldest wheel sanitize bench check docs clean

# Trains a network on the embedded digits: model, history and learning curve in runs/digits.
train: $(VENV)/package
	$(BIN)/pycopi train digits --output runs/digits --overwrite

test: $(VENV)/test
	$(PYTEST) $(ARGS)

# The suite and the doctests on every library that installs here, with the coverage they must reach. JAX has a run of
# its own with fewer random examples, and each file in one process, because it compiles each operation for each shape.
# No lines are counted there: that takes half as long again, and they are those of the other libraries.
COVERAGE := --cov --cov-branch --cov-config=../pyproject.toml
test-backends: export PYCOPI_TEST_BACKENDS = array-api-strict,torch,jax,dask
test-backends: $(VENV)/backends
	$(PYTEST) . -k "not jax" --doctest-modules --pyargs pycopi $(COVERAGE) --cov-report=term:skip-covered \
	  --cov-fail-under=95 $(ARGS)
	$(PYTEST) . -k jax --dist loadfile --hypothesis-profile=few $(ARGS)

# The suite on the oldest versions that pyproject.toml allows, of everything but JAX, which takes as long as all the rest,
# and PyTorch, whose old releases for Linux bring CUDA, several gigabytes: OLDEST="test numba dask jax torch" has all.
# What no version of a library changes is left out: runs that are killed or repeated, files, damaged bytes, exported C,
# measurements.
OLDEST ?= test numba dask
NO_VERSION := $(addprefix --ignore=, test_bench.py test_tuned.py test_tuned_optimizers.py test_tuned_tables.py test_kills.py \
  test_interrupts.py test_cli_interrupts.py test_cli_overwrite.py test_keeping.py test_experiments.py test_files.py \
  test_storage_damage.py test_data_fuzz.py test_npz_damage.py test_export_c.py test_skips.py)
test-oldest: $(VENV)-oldest/suite
	cd tests && $(abspath $(VENV)-oldest)/bin/python $(SUITE) $(NO_VERSION) --hypothesis-profile=few $(ARGS)

# One wheel in dist for every Python with a GIL, by the limited API.
wheel: $(VENV)/python
	rm -f dist/pycopi-*.whl
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist \
	  -Csetup-args=-Dpython.allow_limited_api=true .

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
	rm -rf $(VENV) $(VENV)-* build dist docs/_build docs/gallery runs

# One stamp file for each set of requirements; the package is installed anew when its sources change.
$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	touch $@

$(VENV)/package: $(VENV)/python $(SOURCES)
	rm -rf $(VENV)/built
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir $(VENV)/built .
	$(PIP) --force-reinstall --no-deps $(BUILT)
	$(PIP) $(BUILT)'[cli]'
	touch $@

$(VENV)/test: $(VENV)/package
	$(PIP) $(BUILT)'[test]'
	touch $@

# aeon comes alone: a program of the gallery reads a recording in it, and what it needs itself holds NumPy back.
$(VENV)/docs: $(VENV)/package
	$(PIP) $(BUILT)'[docs]'
	$(PIP) --no-deps 'aeon>=1.6'
	touch $@

$(VENV)/check: $(VENV)/package
	$(PIP) $(BUILT)'[check]' numpy
	touch $@

# PyTorch in the version that is pinned for CI comes first, because a free choice would bring its CUDA build.
$(VENV)/backends: $(VENV)/test
	$(PIP) torch==2.13.0
	$(PIP) $(BUILT)'[backends]'
	touch $@

$(VENV)/bench: $(VENV)/backends
	$(PIP) $(BUILT)'[bench]'
	touch $@

# The package is built by the oldest build requirements too, which is why it is built without isolation.
$(VENV)-oldest/suite: OLD_BIN := $(abspath $(VENV)-oldest)/bin
$(VENV)-oldest/suite: tests/oldest.py $(SOURCES)
	$(PYTHON) -m venv --clear $(VENV)-oldest
	$(OLD_BIN)/python -m pip --disable-pip-version-check install --quiet --upgrade pip
	$(OLD_BIN)/python tests/oldest.py $(OLDEST) > $(VENV)-oldest/requirements.txt
	$(OLD_BIN)/python -m pip install --quiet ninja -r $(VENV)-oldest/requirements.txt
	PATH="$(OLD_BIN):$$PATH" $(OLD_BIN)/python -m pip install --quiet --no-build-isolation --no-deps .
	touch $@
