#!/bin/sh
# What coview does on this machine's GPU, in under ten minutes; results as JSON in benchmarks/results.
#   benchmarks/gpu.sh [--data DIR]      DIR: a prepared ucf10 with rgb and flow, without it synthetic clips
#   benchmarks/gpu.sh --tiny            a minute on a CPU, to see that it runs; nothing is recorded
set -e
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
exec "$PYTHON" benchmarks/gpu.py "$@"
