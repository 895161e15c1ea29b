"""Protocols: each a short file that chooses features, a split of the videos, and metrics."""

from coview.evaluation.protocols.base import Protocol
from coview.registry import Registry

PROTOCOLS: Registry[type[Protocol]] = Registry(
    "protocol",
    {
        "retrieval": "coview.evaluation.protocols.retrieval:Retrieval",
        "linear": "coview.evaluation.protocols.linear:Linear",
        "few-labels": "coview.evaluation.protocols.few_labels:FewLabels",
        "knn": "coview.evaluation.protocols.knn:Knn",
        "clusters": "coview.evaluation.protocols.clusters:Clusters",
        "inference": "coview.evaluation.protocols.inference:Inference",
        "finetune": "coview.evaluation.protocols.finetuning:Finetune",
    },
)
