"""Who is tested by whom: once, by a split or across groups, or in several rounds, each video in one (folds)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.datasets.folds import deal
from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import group_of
from coview.errors import UserError
from coview.evaluation.base import RowKind, ScoreRow, Task
from coview.evaluation.outcomes import Outcomes
from coview.evaluation.recall import bootstrap_error
from coview.evaluation.sides import LEAVE_GROUP_OUT, SPLIT, Sides, choose_sides, gallery_elsewhere


@dataclass(frozen=True)
class Rounds:
    """The rounds of an evaluation, over the same embedded videos.

    Attributes:
        sides: one a round; all have the same entries.
        split: the split column in use, None without one.
        variant: "" for a split; else a word for the result's file name.
        counts: scored of how many, over all rounds.
        remarks: what a reader of the scores should know.
    """

    sides: tuple[Sides, ...]
    split: str | None
    variant: str
    counts: Mapping[str, Any]
    remarks: tuple[str, ...] = ()

    @property
    def all_sides(self) -> Sides:
        """Any of them, for its entries."""
        return self.sides[0]

    def labels(self) -> tuple[str, ...]:
        """Return the classes of the tested videos, round after round."""
        return tuple(sides.entries[row].label or "" for sides in self.sides for row in sides.queries)

    def outcomes(self, given: Mapping[str, Sequence[str]]) -> Outcomes:
        """Return what became of each tested video, for row name -> classes, round after round."""
        tested = [sides.entries[row] for sides in self.sides for row in sides.queries]
        return Outcomes(
            videos=tuple(entry.id for entry in tested),
            labels=self.labels(),
            groups=tuple(group_of(entry) for entry in tested),
            given={name: tuple(classes) for name, classes in given.items()},
        )

    def spread_in_words(self, metric: str, *, tested: str) -> str:
        """Say what the standard error of a row is."""
        if len(self.sides) > 1:
            return f"standard deviation over {len(self.sides)} folds"
        return f"bootstrap of {metric} over whole groups of {tested}"


@dataclass(frozen=True)
class Judged:
    """One set of features in one round.

    Attributes:
        metrics: name -> value.
        hits: (q,) bool, whether the first metric counts each tested video as right.
        given: q class names.
    """

    metrics: Mapping[str, float]
    hits: NDArray[np.bool_]
    given: Sequence[str]


def choose_rounds(
    task: Task, *, variant: str, folds: int | None = None, fold_seed: int = 0, gallery: str | None = None
) -> Rounds:
    """Decide who is tested by whom.

    Args:
        task: the data and its split.
        variant: "split", "leave-group-out", or "auto": split where the data set has splits. Any other word is another
            way to compare the two sides of a split.
        folds: deal the groups of all labelled videos into this many parts, each tested by the others.
        fold_seed: of the deal.
        gallery: folder of another data set whose videos are to be found.

    Raises:
        UserError: no such split, no labelled video on one of the sides, or settings that exclude each other.
    """
    if gallery is not None:
        return _with_gallery(task, Path(gallery), variant=variant, folds=folds)
    if folds is not None:
        return _folded(task, folds, seed=fold_seed, variant=variant)
    if variant == "auto":
        variant = SPLIT if task.data.splits else LEAVE_GROUP_OUT
    by_groups = variant == LEAVE_GROUP_OUT
    kind = variant if by_groups else SPLIT
    sides = choose_sides(task.data, task.split, variant=kind, along_with=task.along_with)
    return Rounds((sides,), None if by_groups else task.split, "" if variant == SPLIT else variant, sides.counts)


def judged_row(
    kind: RowKind, name: str, rounds: Rounds, found: Sequence[Judged], *, seed: int, description: str
) -> tuple[ScoreRow, list[str]]:
    """Put what one set of features did in every round into one row.

    Returns:
        The row: of one round its metrics with the bootstrap error of the first; of several the means with the
        standard deviation over rounds. And the classes given, round after round.
    """
    first = next(iter(found[0].metrics))
    metrics = {metric: float(np.mean([one.metrics[metric] for one in found])) for metric in found[0].metrics}
    if len(found) == 1:
        groups = [group_of(rounds.all_sides.entries[row]) for row in rounds.all_sides.queries]
        errors = {first: bootstrap_error(found[0].hits, groups, seed=seed)}
    else:
        errors = {metric: float(np.std([one.metrics[metric] for one in found], ddof=1)) for metric in metrics}
    return ScoreRow(kind, name, metrics, errors, description), [given for one in found for given in one.given]


def mean_of_rounds(rounds: Rounds, measure: Callable[[Sides], Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over rounds of some metrics, such as those of chance."""
    found = [measure(sides) for sides in rounds.sides]
    return {metric: float(np.mean([one[metric] for one in found])) for metric in found[0]}


def _folded(task: Task, folds: int, *, seed: int, variant: str) -> Rounds:
    if variant not in ("auto", SPLIT):
        raise UserError(f"folds and the variant {variant} exclude each other: give one of them")
    everyone = choose_sides(task.data, None, variant=LEAVE_GROUP_OUT)
    parts = deal([group_of(entry) for entry in everyone.entries], folds, seed=seed)
    sides = tuple(
        Sides(
            everyone.entries,
            queries=tuple(np.flatnonzero(parts == part).tolist()),
            gallery=tuple(np.flatnonzero(parts != part).tolist()),
            leaves_out_groups=False,
            counts={},
        )
        for part in range(folds)
    )
    return Rounds(
        sides,
        None,
        f"{folds}-fold",
        {**everyone.counts, "folds": [len(one.queries) for one in sides]},
        remarks=("folds test every labelled video, those too that the encoder has seen without their labels",),
    )


def _with_gallery(task: Task, root: Path, *, variant: str, folds: int | None) -> Rounds:
    if folds is not None or variant not in ("auto", SPLIT):
        other = "folds" if folds is not None else f"the variant {variant}"
        raise UserError(f"a gallery from another data set and {other} exclude each other: give one of them")
    gallery = PreparedDataset.open(root)
    sides = gallery_elsewhere(task.data, task.split, gallery)
    split = task.split if task.data.splits else None
    return Rounds((sides,), split, f"gallery-{root.resolve().name}", sides.counts, task.run.differences(gallery))
