"""Station 11: vectors -> scores."""

from coview.evaluation.base import Protocol
from coview.evaluation.result import EvaluationResult, read_results
from coview.evaluation.scoring import evaluate_run
from coview.evaluation.table import curve_table, result_table
from coview.registry import Registry

PROTOCOLS: Registry[type[Protocol]] = Registry(
    "protocol",
    {
        "retrieval": "coview.evaluation.retrieval:Retrieval",
        "linear": "coview.evaluation.linear:Linear",
        "few-labels": "coview.evaluation.few_labels:FewLabels",
        "knn": "coview.evaluation.knn:Knn",
        "clusters": "coview.evaluation.clusters:Clusters",
        "inference": "coview.evaluation.inference:Inference",
        "finetune": "coview.evaluation.finetune:Finetune",
    },
)

__all__ = ["PROTOCOLS", "EvaluationResult", "Protocol", "curve_table", "evaluate_run", "read_results", "result_table"]
