# All you need is Python 3.11 or newer: `make demo`, `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
BASE   := $(VENV)/.installed
STAMP  := $(VENV)/.installed-extras
DEMO   ?= demo

.PHONY: help setup demo test test-wheel test-lowest faults check bench benchmarks docs clean
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

setup: $(STAMP) ## make .venv with coview in it
$(BASE): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "coview needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[serve]'
	@touch $@

# mediapipe brings a second OpenCV, which needs libGL; with two installed, the last one installed is the one imported.
$(STAMP): $(BASE)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev,docs,cluster,pose,serve,export,pretrained]'
	$(BIN)/python -m pip install -q -c constraints.txt --force-reinstall --no-deps opencv-contrib-python-headless
	@touch $@

demo: $(BASE) ## every step on synthetic videos, into demo/
	$(BIN)/coview demo --out $(DEMO)
	@echo "coview is $(BIN)/coview here; in this shell: source $(BIN)/activate"

# One thread in each of the two processes: more threads than cores slow each other down.
test: check ## lint, types and every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests

test-wheel: $(STAMP) ## sdist and wheel in a fresh environment: doctor, and the shortest road
	$(BIN)/python tests/package/try_wheel.py

# The lower ends of the ranges in pyproject.toml, in an environment of their own; torch as in constraints.txt.
LOWEST := .venv-lowest
test-lowest: ## the lowest versions that are promised to work, with the tests of the road
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install -q torch==2.13.0
	$(PYTHON) tests/package/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install -q -r $(LOWEST)/lowest.txt pytest pytest-timeout pytest-xdist hypothesis
	$(LOWEST)/bin/python -m pip install -q --no-deps -e .
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest tests/losses tests/encoders tests/methods tests/clips tests/video \
	  tests/views tests/datasets tests/training tests/embedding tests/test_config.py

faults: $(STAMP) ## 1,000 kills, full disks, damaged files, odd videos and settings; the result as JSON in benchmarks/results
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/run_faults.py --record

check: $(STAMP) ## lint and types
	$(BIN)/ruff check src tests benchmarks docs $(wildcard examples)
	$(BIN)/ruff format --check src tests benchmarks docs $(wildcard examples)
	$(BIN)/mypy

bench: $(STAMP) ## one table of coview beside its peers, in about ten minutes; kept as JSON in benchmarks/results
	$(BIN)/python benchmarks/table.py

benchmarks: $(STAMP) ## every benchmark; results as JSON in benchmarks/results
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: $(STAMP) ## the documentation, into docs/_site; its reference is written from the code
	$(BIN)/python -m coview.cli.reference docs
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_site

clean: ## remove what make and the demo created
	rm -rf $(VENV) .venv-lowest $(DEMO) docs/_site .mypy_cache .ruff_cache .pytest_cache
