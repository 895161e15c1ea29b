"""Findings as files: RUN/analysis/<name>.json, all of it, <name>.csv, one row a fact, and each figure as .svg and .png.

A figure is <name>.svg, or <name>-<figure>.svg where there are several.
"""

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from coview.analysis.base import Findings, FoundTable
from coview.analysis.figure import Figure
from coview.config import as_plain
from coview.errors import UserError
from coview.evaluation.results.result import OfData, read_usable
from coview.files import check_format, hash_file, read_json, write_bytes, write_json, write_text
from coview.wording import without_folders

logger = logging.getLogger(__name__)

FOLDER = "analysis"
FORMAT = 3
"""Of the JSON files; raise it when older ones can no longer be read."""
_SUFFIXES = (".svg", ".png")


@dataclass(frozen=True)
class AnalysisResult(OfData):
    """What an analysis found, and where it comes from.

    Attributes:
        analysis: name in `coview.analysis.ANALYSES`.
        findings: what was found.
        run: the name of the run's folder.
        checkpoint: folder name, stage, step and views trained so far.
        beside: other runs that stand beside it, with their checkpoints.
        data: the prepared data set by its folder's name, how its views were made, and whether the run learnt from it.
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

    def figure_path(self, figure: Figure) -> Path:
        """Return where a figure's files are, without their suffix."""
        path = Path(self.path)
        return path.with_name(f"{path.stem}-{figure.name}" if figure.name else path.stem)


def write_analysis(result: AnalysisResult) -> None:
    """Write the JSON file, and beside it the CSV and the figures; figures of an earlier call that are gone go.

    Raises:
        UserError: the run's folder cannot be written.
    """
    path, findings = Path(result.path), result.findings
    earlier = _figure_files(path)
    records = [dict(record) for record in findings.records]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_text(path.with_suffix(".csv"), table.getvalue())
    figures: list[dict[str, Any]] = []
    for figure in findings.figures:
        stem = result.figure_path(figure).name
        write_text(path.with_name(f"{stem}.svg"), figure.svg)
        write_bytes(path.with_name(f"{stem}.png"), figure.png)
        about = {"name": figure.name, "title": figure.title, "caption": figure.caption, "file": stem}
        figures.append(
            {**about, "checksums": {suffix: hash_file(path.with_name(stem + suffix)) for suffix in _SUFFIXES}}
        )
    values = {field.name: as_plain(getattr(result, field.name)) for field in fields(result) if field.name != "findings"}
    del values["path"]  # it moves with the run's folder
    values |= {name: without_folders(values[name]) for name in ("checkpoint", "data", "settings", "beside", "remarks")}
    found = {
        "sentences": findings.sentences,
        "tables": [as_plain(table) for table in findings.tables],
        "values": findings.values,
        "figures": figures,
        "payload": findings.payload,
    }
    write_json(path, as_plain({"format": FORMAT, **values, "findings": found}), is_sealed=True)
    for stem in earlier - {figure["file"] for figure in figures}:
        for suffix in _SUFFIXES:
            path.with_name(stem + suffix).unlink(missing_ok=True)


def read_analysis(path: Path) -> AnalysisResult:
    """Read what `write_analysis` wrote, without the records of the CSV; a figure whose files are gone is left out.

    So is one whose files are damaged, with a warning.

    Raises:
        UserError: no such file, not an analysis, damaged, or of a newer format.
    """
    try:
        values = read_json(path)
        check_format(values.pop("format"), known=FORMAT, what=str(path), remedy="run coview analyse again")
        found = values.pop("findings")
        tables = tuple(
            FoundTable(table["title"], tuple(table["columns"]), tuple(tuple(row) for row in table["rows"]))
            for table in found["tables"]
        )
        findings = Findings(
            sentences=tuple(found["sentences"]),
            tables=tables,
            values=found["values"],
            records=(),
            figures=_read_figures(path, found["figures"]),
            payload=found.get("payload", {}),
        )
        values = {**values, "beside": tuple(values["beside"]), "remarks": tuple(values["remarks"])}
        return AnalysisResult(findings=findings, path=str(path), **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not a result of coview analyse ({type(error).__name__}: {error})") from error


def read_analyses(run: Path) -> list[AnalysisResult]:
    """Return the analyses of a run, the newest first; a file that cannot be used is left out with a warning."""
    return sorted(read_usable(run / FOLDER, read_analysis), key=lambda result: result.created_at, reverse=True)


def _read_figures(path: Path, described: Sequence[Mapping[str, Any]]) -> tuple[Figure, ...]:
    found = []
    for figure in described:
        files = {suffix: path.with_name(figure["file"] + suffix) for suffix in _SUFFIXES}
        if not all(file.is_file() for file in files.values()):
            continue
        sums = figure.get("checksums", {})
        damaged = [file for suffix, file in files.items() if suffix in sums and hash_file(file) != sums[suffix]]
        if damaged:
            logger.warning("left out: %s is damaged: its checksum differs; run coview analyse again", damaged[0])
            continue
        words = (figure["name"], figure["title"], figure["caption"])
        found.append(Figure(*words, files[".svg"].read_text(encoding="utf-8"), files[".png"].read_bytes()))
    return tuple(found)


def _figure_files(path: Path) -> set[str]:
    """Return the stems of the figures that an earlier call left, none where it cannot be told."""
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))["findings"]["figures"]
        return {figure["file"] for figure in figures} if isinstance(figures, list) else set()
    except (OSError, ValueError, TypeError, KeyError):
        return set()
