"""Comparability: all that must be the same for two results to be compared or averaged."""

import json
from typing import Any

from coview.evaluation.results.result import Result

_COUNTS = ("videos", "queries", "queries_scored", "gallery", "gallery_used", "classes")
_OF_THE_RUN = ("clip", "views", "max_windows", "baselines", "workers", "stages")
"""Settings of a result that belong to the run, or that no number depends on; all others must be the same."""


def scoring_conditions(result: Result) -> dict[str, Any]:
    """Return name -> plain value of everything that a score depends on besides the run."""
    given = result.settings
    idle = _OF_THE_RUN if given.get("folds") else (*_OF_THE_RUN, "fold_seed")
    settings = {name: value for name, value in given.items() if name not in idle and value is not None}
    return {
        "protocol": result.protocol,
        "variant": result.variant,
        "split": result.split,
        "data": result.data_name,
        "data made": result.data.get("created", ""),
        "storage": result.data.get("storage"),
        **{f"counts of {name}": result.counts.get(name) for name in _COUNTS},
        **{f"setting {name}": value for name, value in settings.items()},
    }


def comparability_key(result: Result) -> str:
    """Return the conditions as one text: results of the same key may be compared and averaged."""
    return json.dumps(scoring_conditions(result), sort_keys=True)


def conditions_but_for_split(result: Result) -> dict[str, Any]:
    """Return what must be the same for a mean over splits: all but the split and how many videos it has."""
    kept = {name: value for name, value in scoring_conditions(result).items() if not name.startswith("counts of ")}
    return {**kept, "split": None, "checkpoint": result.checkpoint.get("checkpoint")}
