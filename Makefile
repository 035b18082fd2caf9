# `make demo` and `make test` set up what they need: a virtual environment, wheels only.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST_OPTIONS ?=

OLDEST := .venv-oldest

.PHONY: demo test test-long test-oldest floors docs check format setup setup-docs clean

demo: $(READY)  ## train on the bundled scene, evaluate it, film it
	$(BIN)/nerf demo $(DEMO_OPTIONS)

test: $(READY)  ## the whole suite; NERF_DATA=FOLDER adds the tests on real scenes
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(PYTEST_OPTIONS)

test-long: $(READY)  ## what belongs before a release: twenty kills, soak, large fuzzing
	FUZZ=1000 $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder -m long $(PYTEST_OPTIONS)

# what touches most of the dependencies: rules, training, checkpoints, pictures, films, commands
OLDEST_TESTS ?= tests/calculus/test_laws.py tests/nerf/test_cli.py tests/nerf/film/test_write.py

test-oldest: $(OLDEST)/.ready  ## a part of the suite with the oldest versions that pyproject.toml allows
	$(OLDEST)/bin/python -m pytest -k "not test_law or pullback_is_jax" $(OLDEST_TESTS)

floors: $(READY)  ## writes constraints-oldest.txt anew, after a floor in pyproject.toml has changed
	$(BIN)/uv pip compile --quiet --extra test --resolution lowest-direct --python-version 3.11 \
		--only-binary :all: --no-header --no-annotate --output-file constraints-oldest.txt pyproject.toml

docs: $(VENV)/.ready-docs  ## the site, in build/docs: every cell of every page is executed
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "open build/docs/index.html"

check: $(READY)  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(READY)

setup-docs: $(VENV)/.ready-docs

# an accelerator that the machine has is used if EXTRA=cuda or EXTRA=tpu says so, or found by itself
EXTRA ?= $(if $(shell command -v nvidia-smi 2>/dev/null || true),cuda,)

$(VENV)/.ready-docs: $(READY)
	$(INSTALL) --editable ".[docs]"
	touch $@

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: "setuptools>=77"
	$(INSTALL) --editable ".[dev$(if $(EXTRA),$(comma)$(EXTRA))]"
	touch $@

$(OLDEST)/.ready: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: "setuptools>=77"
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
		--only-binary=:all: --constraint constraints-oldest.txt --editable ".[test]"
	touch $@

comma := ,
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
	--only-binary=:all: --constraint constraints.txt

clean:
	rm -rf $(VENV) $(OLDEST) .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
