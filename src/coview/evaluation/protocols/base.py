"""The contract of a protocol: a trained run and a prepared data set in, rows of scores out."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from coview.clips.frame_memory import FrameMemory
from coview.config import Count, NonNegativeFloat
from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import Folds
from coview.datatypes import ProgressSink
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.ensembles import DEFAULT_WEIGHTS, EnsembleMember
from coview.evaluation.metrics.base import training_classes
from coview.evaluation.query_gallery import EvaluationVideos
from coview.evaluation.results.result import ScoreRow, StageScore

TEST_ROLES = ("test", "training")
"""What protocols that teach a classifier call queries and gallery."""


@dataclass(frozen=True)
class FeatureSettings:
    """Whose features a protocol scores, and how views are averaged."""

    baselines: bool = True
    """Also score random weights and the pixel baselines, each in the same way."""
    baseline: str | None = None
    """Folder of a pretrained network (config.json and safetensors, as transformers saves them) or of another run: also
    score it as it is, frozen. On the command line: --baseline DIR."""
    workers: Count = 2
    """Threads that read videos for the pixel baselines."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight in the ensemble "weighted views"; a view that is not named weighs 1, 0 leaves it out."""


@dataclass(frozen=True)
class FoldSettings:
    """Folds in place of a split."""

    folds: Folds | None = None
    """Deal the groups of all labelled videos into this many parts; each is tested once, by the others; mean and spread
    over parts. Not set: the split, or what `variant` says."""
    fold_seed: Count = 0
    """Of the deal; runs that are to be compared need the same."""


@dataclass(frozen=True)
class Task:
    """What a protocol is to score.

    Attributes:
        run: the trained run; of an ensemble the first member's.
        data: the videos.
        split: split column; None where the data set has none, or none is to be used.
        device: "auto", "cpu" or "cuda".
        progress: told of the videos as they are embedded.
        members: of an ensemble; empty: the run's own views.
        along_with: other splits that will be scored too, so that their videos are embedded at once.
        frame_memory: keeps the decoded frames of `data`, which are read several times; None: they do not fit.
        shard: "i/n": embed this share of the videos, and score where it is the last.
    """

    run: Run
    data: PreparedDataset
    split: str | None
    device: str = "auto"
    progress: ProgressSink | None = None
    members: tuple[EnsembleMember, ...] = ()
    along_with: tuple[str, ...] = ()
    frame_memory: FrameMemory | None = None
    shard: str | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs whose encoders are used, each once."""
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
        predictions: the class that each scored video was given, as `Predictions.packed` packs it; empty where none is.
    """

    rows: tuple[ScoreRow, ...]
    counts: Mapping[str, Any]
    settings: Mapping[str, Any]
    split: str | None = None
    variant: str = ""
    examples: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    curve: tuple[StageScore, ...] = ()
    predictions: Mapping[str, Any] = field(default_factory=dict)


class Protocol(abc.ABC):
    """A way to score a run. Final classes are rows of `coview.evaluation.PROTOCOLS`.

    Args:
        settings: an instance of the class's `Settings`.
    """

    Settings: ClassVar[type[Any]]
    """Frozen dataclass, every field with a default and a line of meaning."""
    takes_members: ClassVar[bool] = False
    """Whether `Task.members` is heeded: an ensemble of views of several runs can be scored."""
    takes_shards: ClassVar[bool] = False
    """Whether `Task.shard` is heeded: nearly all the work is embedding, which several processes can share."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abc.abstractmethod
    def score(self, task: Task) -> Scores:
        """Score a run.

        Raises:
            UserError: the data set lacks what the protocol needs (a split, labels, a view); says what to do.
        """


def require_two_classes(videos: EvaluationVideos, *, protocol: str) -> None:
    """Check that there is something to tell apart in every fold.

    Raises:
        UserError: the training videos are of one class.
    """
    for fold in videos.folds:
        classes, targets = training_classes(videos.labels, fold)
        if len(classes) < 2:
            raise UserError(
                f"{protocol} needs training videos of two classes or more; all {len(targets)} that are ready are of "
                f"class {classes[0]!r}"
            )
