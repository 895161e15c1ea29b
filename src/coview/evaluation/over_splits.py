"""The mean over splits, as papers report it: one encoder, scored on every split."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coview.evaluation.base import ScoreRow
from coview.evaluation.result import EvaluationResult

SUMMED = ("queries", "queries_scored", "queries_without_their_class_in_gallery", "gallery", "gallery_used")


def mean_over_splits(results: Sequence[EvaluationResult]) -> EvaluationResult:
    """Return a result whose metrics are means over splits, their standard errors the deviation (n - 1) over splits.

    Counts of videos are summed over the splits. Rows that not every split has are left out.

    Args:
        results: of one run under one protocol, each on another split; at least two.
    """
    first = results[0]
    rows = []
    for row in first.rows:
        found = [other for result in results if (other := result.row(row.kind, row.name)) is not None]
        if len(found) == len(results):
            rows.append(_mean(found))
    splits = sorted(str(result.split) for result in results)
    counts = {name: sum(result.counts.get(name, 0) for result in results) for name in SUMMED}
    remarks = dict.fromkeys(remark for result in results for remark in result.remarks)
    return replace(
        first,
        split=f"mean of {', '.join(splits)}",
        rows=tuple(rows),
        counts={**first.counts, **counts},
        settings={**first.settings, "standard_error": "standard deviation over splits"},
        remarks=(f"± is the standard deviation over {len(results)} splits, counts are their sums", *remarks),
        examples={},
        curve=(),
        details={},
        outcomes={},
    )


def _mean(rows: Sequence[ScoreRow]) -> ScoreRow:
    values = {metric: [row.metrics[metric] for row in rows] for metric in rows[0].metrics}
    return replace(
        rows[0],
        metrics={metric: float(np.mean(found)) for metric, found in values.items()},
        standard_errors={metric: float(np.std(found, ddof=1)) for metric, found in values.items()},
    )
