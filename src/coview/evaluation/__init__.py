"""Station 12: vectors -> scores."""

from coview.evaluation.evaluate import evaluate, evaluate_splits
from coview.evaluation.metrics import METRICS
from coview.evaluation.protocols import PROTOCOLS
from coview.evaluation.results.result import Result, read_results

__all__ = ["METRICS", "PROTOCOLS", "Result", "evaluate", "evaluate_splits", "read_results"]
