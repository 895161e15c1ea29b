"""A result as a file: RUN/evaluation/<protocol>-<split>[-...].json, everything a number needs to be believed."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coview.config import as_plain
from coview.errors import UserError
from coview.evaluation.base import ScoreRow, StageScore
from coview.files import write_json

FOLDER = "evaluation"
FORMAT = 1


@dataclass(frozen=True)
class EvaluationResult:
    """The scores of a run under a protocol.

    Attributes:
        protocol: name in `coview.evaluation.PROTOCOLS`.
        variant: "" for the protocol's default.
        run: the run's folder.
        checkpoint: folder name, stage, step and views trained so far.
        data: the prepared data set and how its views were made.
        split: split column, None without one.
        preset: which reading of the papers the run spells.
        seed: of the run (weights) and of the bootstrap.
        settings: what the numbers depend on besides run and data.
        counts: videos scored of how many.
        rows: the table.
        examples: row name -> cases to look at.
        remarks: what a reader should know.
        versions: of coview, torch, python.
        device: where features were computed.
        seconds: from start to result.
        created_at: ISO 8601, UTC.
        path: the result's own file.
        curve: the run after each finished stage, in order; empty where that was not scored.
        details: row name -> more about it, such as accuracy per class.
        outcomes: what became of each scored video, as `coview.evaluation.outcomes` packs it; empty where none was kept.
    """

    protocol: str
    variant: str
    run: str
    checkpoint: Mapping[str, Any]
    data: Mapping[str, Any]
    split: str | None
    preset: str
    seed: int
    settings: Mapping[str, Any]
    counts: Mapping[str, Any]
    rows: tuple[ScoreRow, ...]
    examples: Mapping[str, Any]
    remarks: tuple[str, ...]
    versions: Mapping[str, str]
    device: str
    seconds: float
    created_at: str
    path: str
    curve: tuple[StageScore, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    outcomes: Mapping[str, Any] = field(default_factory=dict)

    def row(self, kind: str, name: str) -> ScoreRow | None:
        """Return the row of that kind and name, None where there is none."""
        return next((row for row in self.rows if (row.kind, row.name) == (kind, name)), None)


def write_result(result: EvaluationResult) -> None:
    """Write a result as JSON to its path, atomically. A number that does not exist (nan) is written as null.

    Raises:
        UserError: the run's folder cannot be written.
    """
    values = {"format": FORMAT, **as_plain(asdict(result))}
    del values["path"]  # it moves with the run's folder
    write_json(Path(result.path), as_plain(values))


def read_result(path: Path) -> EvaluationResult:
    """Read what `write_result` wrote.

    Raises:
        UserError: no such file, not a result, or of a newer format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") > FORMAT:
            raise UserError(f"{path} was written by a newer coview; update coview to read it")
        read = {
            "rows": _rows(values["rows"]),
            "remarks": tuple(values["remarks"]),
            "curve": tuple(_stage_score(one) for one in values.get("curve", ())),
        }
        return EvaluationResult(**{**values, **read, "path": str(path)})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not a result of coview evaluate ({type(error).__name__}: {error})") from error


def read_results(run: Path) -> list[EvaluationResult]:
    """Return the results of a run, the newest first."""
    results = [read_result(path) for path in sorted((run / FOLDER).glob("*.json"))]
    return sorted(results, key=lambda result: result.created_at, reverse=True)


def _stage_score(values: Mapping[str, Any]) -> StageScore:
    return StageScore(**{**values, "trained": tuple(values["trained"]), "rows": _rows(values["rows"])})


def _rows(rows: Sequence[Mapping[str, Any]]) -> tuple[ScoreRow, ...]:
    return tuple(ScoreRow(**{**row, "metrics": _with_nan(row["metrics"])}) for row in rows)


def _with_nan(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in metrics.items()}
