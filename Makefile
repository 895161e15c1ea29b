# All you need is Python 3.11 or newer: `make demo`, `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
BASE   := $(VENV)/.installed
STAMP  := $(VENV)/.installed-extras
DEMO   ?= demo

.PHONY: help setup demo test faults check bench docs clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(STAMP) ## make .venv with coview in it
$(BASE): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "coview needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

# mediapipe brings a second OpenCV, which needs libGL; with two installed, the last one installed is the one imported.
$(STAMP): $(BASE)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev,docs,cluster,pose,serve,export,pretrained]'
	$(BIN)/python -m pip install -q -c constraints.txt --force-reinstall --no-deps opencv-contrib-python-headless
	@touch $@

demo: $(BASE) ## every step on synthetic videos, into demo/
	$(BIN)/coview demo --out $(DEMO)

# One thread in each of the two processes: more threads than cores slow each other down.
test: check ## lint, types and every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests

faults: $(STAMP) ## 1,000 kills, full disks, damaged files, odd videos and settings; the result as JSON in benchmarks/results
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/run_faults.py --record

check: $(STAMP) ## lint and types
	$(BIN)/ruff check src tests benchmarks docs $(wildcard examples)
	$(BIN)/ruff format --check src tests benchmarks docs $(wildcard examples)
	$(BIN)/mypy

bench: $(STAMP) ## every benchmark; results as JSON in benchmarks/results
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: $(STAMP) ## the documentation, into docs/_site; its reference is written from the code
	$(BIN)/python -m coview.cli.reference docs
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_site

clean: ## remove what make and the demo created
	rm -rf $(VENV) $(DEMO) docs/_site .mypy_cache .ruff_cache .pytest_cache
