"""A result: RUN/evaluation/<protocol>-<split>[-...].json, everything a number needs to be believed."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from coview.config import as_plain
from coview.errors import UserError
from coview.evaluation.metrics.base import Scale
from coview.files import check_format, read_json, write_json
from coview.registry import did_you_mean
from coview.wording import without_folders

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

FOLDER = "evaluation"
FORMAT = 3
"""Of result files; raise it when older ones can no longer be read."""
Read = TypeVar("Read")
RowKind = Literal["trained", "pretrained", "random", "pixels", "chance"]
KIND_TITLES: Mapping[RowKind, str] = {
    "trained": "this run",
    "pretrained": "pretrained, frozen",
    "random": "random weights",
    "pixels": "pixels",
    "chance": "chance",
}


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one set of features.

    Attributes:
        kind: trained: this run; pretrained: another network, not trained here; random: its encoders before training;
            pixels: no network; chance: guessing.
        name: the view, the ensemble of views, or the baseline's name.
        metrics: metric name -> value, nan where there is none; `Result.scale` says how each reads.
        standard_errors: metric name -> standard error, or the spread that the protocol's settings name, where known.
        description: what vector and what similarity, in words.
        scales: metric name -> how it reads, for those that are not shares of which more is better.
    """

    kind: RowKind
    name: str
    metrics: Mapping[str, float]
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    description: str = ""
    scales: Mapping[str, Scale] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Return "rgb", "rgb, random weights", "dinov2-small, pretrained, frozen", "colour histogram" or "chance"."""
        return f"{self.name}, {KIND_TITLES[self.kind]}" if self.kind in ("random", "pretrained") else self.name

    @property
    def first_metric(self) -> str:
        """The most telling metric."""
        return next(iter(self.metrics))

    def scale(self, metric: str) -> Scale:
        """Say how a metric reads; one that says nothing of itself is a share, the higher the better."""
        return self.scales.get(metric, Scale())

    def standard_error(self, metric: str) -> float:
        """Return the standard error of a metric; nan where none is known, which is not the same as 0."""
        return self.standard_errors.get(metric, math.nan)

    def text(self, metric: str) -> str:
        """Return "41.3 ± 2.0", "41.3", or "-" for a number that does not exist."""
        return self.scale(metric).text(self.metrics.get(metric, math.nan), self.standard_errors.get(metric))


@dataclass(frozen=True)
class StageScore:
    """The scores of a run as it was at the end of one stage.

    Attributes:
        stage: its name; "random weights" before the first.
        checkpoint: folder name, "" before the first stage.
        trained: views whose encoders this stage trained.
        rows: scores by view and ensemble.
    """

    stage: str
    checkpoint: str
    trained: tuple[str, ...]
    rows: tuple[ScoreRow, ...]


class OfData:
    """What was found in a data set, and says in which."""

    data: Mapping[str, Any]

    @property
    def data_name(self) -> str:
        """The folder's name of the data set."""
        return str(self.data["name"])

    @property
    def is_on_own_data(self) -> bool:
        """Whether the run learnt from the data set that was looked at."""
        return bool(self.data.get("is_of_run", True))


@dataclass(frozen=True, repr=False)
class Result(OfData):
    """The scores of a run under a protocol: `result["rgb"]["R@1"]`; iterating gives the rows.

    Attributes:
        protocol: name in `coview.evaluation.PROTOCOLS`.
        variant: "" for the protocol's default.
        run: the name of the run's folder.
        checkpoint: folder name, stage, step and views trained so far.
        data: the prepared data set by its folder's name, how its views were made, and whether the run learnt from it.
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
        predictions: the class each scored video was given, as `Predictions.packed` packs it; empty where none was kept.
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
    predictions: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Mapping[str, float]:
        """Return the metrics of the run's own features of that name: a view or an ensemble.

        Raises:
            KeyError: no such features; says which there are.
        """
        row = self.row("trained", name)
        if row is None:
            known = [row.name for row in self.rows if row.kind == "trained"]
            raise KeyError(f"no features {name!r}{did_you_mean(name, known) or '.'} There are: {', '.join(known)}")
        return row.metrics

    def __iter__(self) -> Iterator[ScoreRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        first = self.metrics[0]
        scores = ", ".join(f"{row.name} {row.text(first)}" for row in self.rows if row.kind == "trained")
        return f"Result({self.run}, {self.protocol}, {self.place}, {first}: {scores})"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, the most telling first."""
        return tuple(self.rows[0].metrics)

    @property
    def place(self) -> str:
        """What was scored: "split split1" or "all labelled videos"."""
        return f"split {self.split}" if self.split else "all labelled videos"

    def row(self, kind: str, name: str) -> ScoreRow | None:
        """Return the row of that kind and name, None where there is none."""
        return next((row for row in self.rows if (row.kind, row.name) == (kind, name)), None)

    def scale(self, metric: str) -> Scale:
        """Say how a metric reads."""
        return self.rows[0].scale(metric)

    def heading(self, metric: str) -> str:
        """Return a metric's name for a column of numbers in per cent: with its unit where that is another."""
        scale = self.scale(metric)
        return metric if scale.is_share else f"{metric} ({scale.unit})"

    def to_pandas(self) -> "pd.DataFrame":
        """Return a row a set of features: kind, features, each metric, and "<metric> error" where one is known."""
        import pandas as pd

        errors = dict.fromkeys(name for row in self.rows for name in row.standard_errors)
        records = [
            {"kind": row.kind, "features": row.name, **row.metrics}
            | {f"{name} error": row.standard_errors.get(name, math.nan) for name in errors}
            for row in self.rows
        ]
        return pd.DataFrame(records)


def describe_counts(counts: Mapping[str, Any]) -> str:
    """Say how many videos were scored of how many, against or after learning from how many."""
    scored, used = name_roles(counts)
    misses = counts.get("queries_without_their_class_in_gallery")
    return (
        f"{counts['queries_scored']} of {counts['queries']} {scored} videos scored; "
        f"{counts['gallery_used']} of {counts['gallery']} {used} videos used"
    ) + (f"; {misses} {scored} videos whose class no {used} video has count as misses" if misses else "")


def name_roles(counts: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a protocol calls the videos it scores and those it knows: query and gallery, or test and training."""
    scored, used = counts.get("roles", ("query", "gallery"))
    return str(scored), str(used)


def write_result(result: Result) -> None:
    """Write a result as JSON to its path, atomically. A number that does not exist (nan) is written as null.

    Results are shared: absolute paths in settings, reasons and remarks are cut down to names.

    Raises:
        UserError: the run's folder cannot be written.
    """
    values = {"format": FORMAT, **as_plain(asdict(result))}
    del values["path"]  # it moves with the run's folder
    values |= {name: without_folders(values[name]) for name in ("checkpoint", "data", "settings", "counts", "remarks")}
    values["scales"] = {}
    for row in [*values["rows"], *(row for one in values["curve"] for row in one["rows"])]:
        values["scales"] |= row.pop("scales")  # they are the same in every row
    write_json(Path(result.path), values, is_sealed=True)


def read_result(path: Path) -> Result:
    """Read what `write_result` wrote.

    Raises:
        UserError: no such file, not a result, damaged, or of another format.
    """
    try:
        values = read_json(path)
        again = f"coview evaluate {path.parents[1]} --data DATA --protocol {values.get('protocol')}"
        remedy = f"remove it and evaluate again with: {again}"
        check_format(values.pop("format"), known=FORMAT, what=str(path), remedy=remedy)
        scales = {name: Scale(**scale) for name, scale in values.pop("scales").items()}
        read = {
            "rows": _rows(values["rows"], scales),
            "remarks": tuple(values["remarks"]),
            "curve": tuple(
                StageScore(one["stage"], one["checkpoint"], tuple(one["trained"]), _rows(one["rows"], scales))
                for one in values["curve"]
            ),
        }
        return Result(**{**values, **read, "path": str(path)})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not a result of coview evaluate ({type(error).__name__}: {error})") from error


def read_results(run: Path) -> list[Result]:
    """Return the results of a run, the newest first; a file that cannot be used is left out with a warning."""
    return sorted(read_usable(run / FOLDER, read_result), key=lambda result: result.created_at, reverse=True)


def read_usable(folder: Path, read: Callable[[Path], Read]) -> list[Read]:
    """Return what the JSON files of a folder hold, by name; one that cannot be used is left out with a warning."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read(path))
        except UserError as error:
            logger.warning("left out: %s", error)
    return found


def _rows(rows: Sequence[Mapping[str, Any]], scales: Mapping[str, Scale]) -> tuple[ScoreRow, ...]:
    """Return rows as they were written; null is nan.

    Raises:
        ValueError: there is none, or one of an unknown kind, without a metric, or with a value that is no number.
    """
    read = [
        ScoreRow(
            **{
                **row,
                "metrics": _numbers(row["metrics"]),
                "standard_errors": _numbers(row["standard_errors"]),
                "scales": scales,
            }
        )
        for row in rows
    ]
    if not read or not all(row.metrics and row.kind in KIND_TITLES for row in read):
        raise ValueError(f"rows must be there, with metrics, and of the kinds {', '.join(KIND_TITLES)}")
    return tuple(read)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): math.nan if value is None else float(value) for name, value in values.items()}
