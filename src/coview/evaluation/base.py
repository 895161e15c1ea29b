"""The contract of a protocol: a trained run and a prepared data set in, rows of scores out."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ProgressSink
from coview.embedding.run import Run

RowKind = Literal["trained", "random", "pixels", "chance"]


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one set of features.

    Attributes:
        kind: trained: this run; random: its encoders before training; pixels: no network; chance: guessing.
        name: the view, the ensemble of views, or the baseline's name.
        metrics: metric name -> value, nan where there is none; `coview.evaluation.metrics` says how each reads.
        standard_errors: metric name -> standard error, or the spread that the protocol's settings name, where known.
        description: what vector and what similarity, in words.
    """

    kind: RowKind
    name: str
    metrics: Mapping[str, float]
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    description: str = ""


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


@dataclass(frozen=True)
class Member:
    """One voice of an ensemble: a view of a run.

    Attributes:
        name: unique in the ensemble, such as "cocon:flow".
        run: the run.
        view: one of its views.
        weight: of its cosines or probabilities, 0 or more.
    """

    name: str
    run: Run
    view: str
    weight: float


@dataclass(frozen=True)
class Task:
    """What a protocol is to score.

    Attributes:
        run: the trained run; of an ensemble the first member's.
        data: the videos.
        split: split column; None where the data set has none, or none is to be used.
        device: "auto", "cpu" or "cuda".
        progress: told of the videos as they are embedded.
        members: the voices of an ensemble; empty: the run's own views.
        along_with: other splits that will be scored too, so that their videos are embedded at once.
    """

    run: Run
    data: PreparedDataset
    split: str | None
    device: str = "auto"
    progress: ProgressSink | None = None
    members: tuple[Member, ...] = ()
    along_with: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs whose encoders take part, each once."""
        return tuple({id(member.run): member.run for member in self.members}.values()) or (self.run,)


@dataclass(frozen=True)
class Scores:
    """What a protocol found.

    Attributes:
        rows: the table.
        counts: how many videos were scored of how many, and where the others went.
        settings: all that the numbers depend on besides run and data.
        split: the split column that was used, None without one.
        variant: "" for the default; else a word that becomes part of the result's file name.
        examples: row name -> cases to look at, for the report.
        remarks: sentences a reader of the numbers should know.
        curve: the run after each finished stage, in order; empty where that was not scored.
        details: row name -> more about it (accuracy per class, confusion matrix), for the file.
        outcomes: what became of each scored video, as `coview.evaluation.outcomes` packs it; empty where none is kept.
    """

    rows: tuple[ScoreRow, ...]
    counts: Mapping[str, Any]
    settings: Mapping[str, Any]
    split: str | None = None
    variant: str = ""
    examples: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    curve: tuple[StageScore, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    outcomes: Mapping[str, Any] = field(default_factory=dict)


class Protocol(abc.ABC):
    """A way to score a run. Final classes are rows of `coview.evaluation.PROTOCOLS`.

    Args:
        settings: an instance of the class's `Settings`.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass, every field with a default and a line of meaning."""
    takes_members: ClassVar[bool] = False
    """Whether `Task.members` is heeded: an ensemble of views of several runs can be scored."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abc.abstractmethod
    def score(self, task: Task) -> Scores:
        """Score a run.

        Raises:
            UserError: the data set lacks what the protocol needs (a split, labels, a view); says what to do.
        """
