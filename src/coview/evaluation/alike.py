"""All that must be the same for two results to be set beside one another."""

import json
from typing import Any

from coview.evaluation.result import EvaluationResult

COUNTS = ("videos", "queries", "queries_scored", "gallery", "gallery_used", "classes")
OF_THE_RUN = ("clip", "views", "max_windows", "baselines", "workers", "stages")
"""Settings of a result that belong to the run, or that no number depends on; all others must be the same."""


def condition(result: EvaluationResult) -> dict[str, Any]:
    """Return name -> plain value of everything that a score depends on besides the run."""
    given = result.settings
    idle = OF_THE_RUN if given.get("folds") else (*OF_THE_RUN, "fold_seed")
    settings = {name: value for name, value in given.items() if name not in idle and value is not None}
    return {
        "protocol": result.protocol,
        "variant": result.variant,
        "split": result.split,
        "data": result.data["root"],
        "storage": result.data.get("storage"),
        **{f"counts of {name}": result.counts.get(name) for name in COUNTS},
        **{f"setting {name}": value for name, value in settings.items()},
    }


def condition_key(result: EvaluationResult) -> str:
    """Return the condition as one text."""
    return json.dumps(condition(result), sort_keys=True)


def condition_but_for_split(result: EvaluationResult) -> dict[str, Any]:
    """Return what must be the same for a mean over splits: all but the split and how many videos it has."""
    kept = {name: value for name, value in condition(result).items() if not name.startswith("counts of ")}
    return {**kept, "split": None, "checkpoint": result.checkpoint.get("checkpoint")}
