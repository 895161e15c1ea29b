"""What a run was at the end of an earlier phase, from the curve that an evaluation keeps: ViCC's stage 1 beside 2."""

from collections.abc import Iterable
from dataclasses import replace

from coview.evaluation.scored import Scored, folder_of
from coview.training.checkpoint import FOLDER, META, read_position


def after_earlier_phase(found: Iterable[Scored]) -> list[Scored]:
    """Return the result that each run had when all its views had learnt alone, where its own is of a later stage."""
    earlier = []
    for scored in found:
        alone = set(scored.config["views"])
        stages = [one for one in scored.result.curve if one.stage in alone]
        if not stages or scored.result.checkpoint.get("stage") in alone:
            continue
        last = stages[-1]
        checkpoint = {
            "checkpoint": last.checkpoint,
            "stage": last.stage,
            "global_step": _step(scored, last.checkpoint),
            "trained_views": sorted({view for one in stages for view in one.trained}),
        }
        result = replace(scored.result, checkpoint=checkpoint, rows=last.rows, curve=(), outcomes={}, details={})
        earlier.append(replace(scored, result=result))
    return earlier


def _step(scored: Scored, checkpoint: str) -> int:
    """Return the optimiser steps of a checkpoint, 0 where it is no longer there."""
    path = folder_of(scored.result) / FOLDER / checkpoint
    return read_position(path).global_step if (path / META).is_file() else 0
