"""Findings as files: RUN/analysis/<name>.json, all of it, and <name>.csv, one row a fact."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coview.analyse.base import Findings, FoundTable
from coview.config import as_plain
from coview.errors import UserError
from coview.evaluate.json_file import write_json, write_text

FOLDER = "analysis"
FORMAT = 1


@dataclass(frozen=True)
class AnalysisResult:
    """What an analysis found, and where it comes from.

    Attributes:
        analysis: name in `coview.analyse.ANALYSES`.
        findings: what was found.
        run: the run's folder.
        checkpoint: folder name, stage, step and views trained so far.
        beside: other runs that stand beside it, with their checkpoints.
        data: the prepared data set and how its views were made.
        split: split column, None without one.
        part: which of its videos took part: "test", "train" or "all".
        preset: which reading of the papers the run spells.
        seed: of the run.
        settings: the analysis's own.
        counts: videos that took part of how many.
        remarks: what a reader should know.
        versions: of coview, torch, python.
        device: where features were computed.
        seconds: from start to result.
        created_at: ISO 8601, UTC.
        path: the result's own file.
    """

    analysis: str
    findings: Findings
    run: str
    checkpoint: Mapping[str, Any]
    beside: tuple[Mapping[str, Any], ...]
    data: Mapping[str, Any]
    split: str | None
    part: str
    preset: str
    seed: int
    settings: Mapping[str, Any]
    counts: Mapping[str, Any]
    remarks: tuple[str, ...]
    versions: Mapping[str, str]
    device: str
    seconds: float
    created_at: str
    path: str


def write_analysis(result: AnalysisResult) -> None:
    """Write the JSON file and the CSV beside it.

    Raises:
        UserError: the run's folder cannot be written.
    """
    path = Path(result.path)
    records = [dict(record) for record in result.findings.records]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_text(path.with_suffix(".csv"), table.getvalue())
    values = {"format": FORMAT, **as_plain(asdict(result))}
    del values["path"]  # it moves with the run's folder
    del values["findings"]["records"]
    write_json(path, values)


def read_analysis(path: Path) -> AnalysisResult:
    """Read what `write_analysis` wrote, without the records of the CSV.

    Raises:
        UserError: no such file, not an analysis, or of a newer format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") > FORMAT:
            raise UserError(f"{path} was written by a newer coview; update coview to read it")
        found = values.pop("findings")
        tables = tuple(
            FoundTable(table["title"], tuple(table["columns"]), tuple(tuple(row) for row in table["rows"]))
            for table in found["tables"]
        )
        findings = Findings(tuple(found["sentences"]), tables, found["values"], (), found["figures"])
        values = {**values, "beside": tuple(values["beside"]), "remarks": tuple(values["remarks"])}
        return AnalysisResult(findings=findings, path=str(path), **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not a result of coview analyse ({type(error).__name__}: {error})") from error


def read_analyses(run: Path) -> list[AnalysisResult]:
    """Return the analyses of a run, the newest first."""
    results = [read_analysis(path) for path in sorted((run / FOLDER).glob("*.json"))]
    return sorted(results, key=lambda result: result.created_at, reverse=True)
