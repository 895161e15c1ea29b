"""Metrics: functions `metric(features, labels, split) -> values`; numbers in and out, no video, no file."""

from coview.evaluation.metrics.base import Metric, MetricValues, Scale
from coview.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "recall": "coview.evaluation.metrics.recall:recall_at_k",
        "knn": "coview.evaluation.metrics.knn:knn_accuracy",
        "linear": "coview.evaluation.metrics.linear:linear_accuracy",
        "clusters": "coview.evaluation.metrics.clusters:clustering_scores",
    },
)

__all__ = ["METRICS", "Metric", "MetricValues", "Scale"]
