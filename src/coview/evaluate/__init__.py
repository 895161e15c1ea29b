"""Station 11: vectors -> scores."""

from coview.evaluate.base import Protocol
from coview.evaluate.result import EvaluationResult, read_results
from coview.evaluate.scoring import evaluate_run
from coview.evaluate.table import curve_table, result_table
from coview.registry import Registry

PROTOCOLS: Registry[type[Protocol]] = Registry(
    "protocol",
    {
        "retrieval": "coview.evaluate.retrieval:Retrieval",
        "linear": "coview.evaluate.linear:Linear",
        "few-labels": "coview.evaluate.few_labels:FewLabels",
        "knn": "coview.evaluate.knn:Knn",
        "clusters": "coview.evaluate.clusters:Clusters",
        "inference": "coview.evaluate.inference:Inference",
        "finetune": "coview.evaluate.finetune:Finetune",
    },
)

__all__ = ["PROTOCOLS", "EvaluationResult", "Protocol", "curve_table", "evaluate_run", "read_results", "result_table"]
