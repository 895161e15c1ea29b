"""Several sets of features of the same videos, judged on the same questions: hits of each, question by question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.datasets.splits import few_of_each_class, group_of
from coview.embedding.search import NOBODY
from coview.evaluation.metrics.base import training_classes
from coview.evaluation.metrics.linear import linear_accuracy
from coview.evaluation.query_gallery import EvaluationVideos, QueryGallerySplit
from coview.evaluation.statistics import paired_intervals
from coview.wording import counted

Features = Mapping[str, NDArray[np.float32]]
"""Name of a contestant -> (n, D) unit rows, in the order of the videos."""
LABELS, DRAWS = (1, 5), 5
RETRIEVAL, MOMENTS = "retrieval R@1", "the same video at another time R@1"


@dataclass(frozen=True)
class Question:
    """One thing that every contestant was asked.

    Attributes:
        name: of the measure.
        hits: contestant -> (q,), the share of its tries at each query that were right.
        groups: q group names; videos of one group succeed or fail together.
        needs_labels: whether it says something of what a person would call alike.
    """

    name: str
    hits: Mapping[str, NDArray[np.float64]]
    groups: tuple[str, ...]
    needs_labels: bool = True

    def score(self, name: str) -> float:
        """Return the mean over the queries."""
        return float(self.hits[name].mean())

    def difference(self, one: str, other: str) -> "Difference":
        """Return how one does against another on the same queries."""
        gains = self.hits[one] - self.hits[other]
        has_spread = len(set(self.groups)) > 1
        interval = (float("nan"), float("nan"))
        if has_spread:
            interval, _ = paired_intervals(gains, groups=self.groups, classes=["all"] * len(gains))
        return Difference(self.name, one, other, float(gains.mean()), *interval)


@dataclass(frozen=True)
class Difference:
    """One contestant against another in one measure.

    Attributes:
        measure: its name.
        one: the one.
        other: the other.
        gain: score of the one minus that of the other.
        low: lower end of the 95% interval, over draws of whole groups; nan where nothing can be said.
        high: upper end.
    """

    measure: str
    one: str
    other: str
    gain: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 where the one is better beyond chance, -1 where it is worse, 0 where that is open."""
        return int(self.low > 0) - int(self.high < 0)

    def describe(self) -> str:
        """Return "adapted against frozen, retrieval R@1: +5.0 points (95% interval +2.1 to +8.3)"."""
        interval = (
            "no interval: all videos are of one group"
            if np.isnan(self.low)
            else f"95% interval {100 * self.low:+.1f} to {100 * self.high:+.1f}"
        )
        return f"{self.one} against {self.other}, {self.measure}: {100 * self.gain:+.1f} points ({interval})"


def ask_with_labels(features: Features, videos: EvaluationVideos, *, seed: int) -> list[Question]:
    """Return what retrieval and a linear classifier of few labels make of each contestant's features.

    Every contestant answers the same queries after the same draws of labelled videos.
    """
    (fold,) = videos.folds
    groups = tuple(group_of(entry) for entry in videos.tested)
    wanted = np.array([videos.labels[row] for row in fold.queries])
    nearest = {}
    for name, rows in features.items():
        places, _ = fold.nearest(rows, k=1)
        found = [videos.labels[fold.gallery[place]] if place != NOBODY else "" for place in places[:, 0].tolist()]
        nearest[name] = (np.array(found) == wanted).astype(np.float64)
    questions = [Question(RETRIEVAL, nearest, groups)]
    if fold.groups is None and len(training_classes(videos.labels, fold)[0]) > 1:
        questions += [_few_labels(features, videos, fold, groups, wanted, count, seed=seed) for count in LABELS]
    return questions


def _few_labels(
    features: Features,
    videos: EvaluationVideos,
    fold: QueryGallerySplit,
    groups: tuple[str, ...],
    wanted: NDArray[Any],
    count: int,
    *,
    seed: int,
) -> Question:
    _, targets = training_classes(videos.labels, fold)
    hits = {name: np.zeros(len(fold.queries)) for name in features}
    for draw in range(DRAWS):
        kept = few_of_each_class(targets, count, seed=seed, draw=draw)
        few = QueryGallerySplit(fold.queries, tuple(fold.gallery[place] for place in kept))
        for name, rows in features.items():
            found = linear_accuracy(rows, videos.labels, few, seed=seed).predicted
            hits[name] += np.array(found) == wanted
    question = f"top-1 at {counted(count, 'label')} a class"
    return Question(question, {name: own / DRAWS for name, own in hits.items()}, groups)


@dataclass(frozen=True)
class Moments:
    """The first and the last window of videos, in which nothing is seen twice.

    Attributes:
        first: contestant -> (n, D) unit rows.
        last: the same.
        groups: n group names.
    """

    first: Features
    last: Features
    groups: tuple[str, ...]


def ask_without_labels(moments: Moments) -> Question:
    """Return how often the last window of a video finds its own first one among those of all videos."""
    hits = {}
    for name, first in moments.first.items():
        cosines = moments.last[name] @ first.T
        hits[name] = (cosines.argmax(axis=1) == np.arange(len(first))).astype(np.float64)
    return Question(MOMENTS, hits, moments.groups, needs_labels=False)


def judge(questions: Sequence[Question], *, scratch: str, frozen: str, adapted: str) -> str:
    """Return the verdict in a sentence or two; it claims nothing that the intervals do not carry.

    Args:
        questions: with every contestant that takes part; scratch may be absent.
        scratch: name of that contestant.
        frozen: likewise.
        adapted: likewise.
    """
    has_scratch = all(scratch in question.hits for question in questions)
    if not any(question.needs_labels for question in questions):
        only = questions[0].difference(adapted, frozen)
        return (
            f"without labels it is open which is better for you. {only.describe()}: that is close to what adapting "
            "trains for, and favours it. Label a few dozen videos (a CSV with path and label), prepare again, and ask "
            "again"
        )
    against_frozen = [question.difference(adapted, frozen) for question in questions]
    signs = {one.sign for one in against_frozen}
    best = "adapted"
    if signs == {0}:
        words = "adapted and frozen do not differ beyond chance: the frozen model is as good, use it"
        best = "frozen"
    elif -1 not in signs:
        better = [one for one in against_frozen if one.sign > 0]
        largest = max(better, key=lambda one: one.gain)
        words = f"adapted is better than frozen, by {_plus_minus(largest)} points of {largest.measure}: use it"
    elif 1 not in signs:
        words = "adapting made it worse: use the frozen model"
        best = "frozen"
    else:
        words = "adapted is better in one measure and worse in another: choose by what you need"
    if has_scratch:
        winner = adapted if best == "adapted" else frozen
        own = [question.difference(scratch, winner) for question in questions]
        if any(one.sign > 0 for one in own) and not any(one.sign < 0 for one in own):
            words += f"; but training from scratch is better than {winner}: do not start from this model"
        elif all(one.sign == 0 for one in own):
            words += f"; training from scratch does not differ from {winner} beyond chance"
    return words


def _plus_minus(difference: Difference) -> str:
    return f"{100 * difference.gain:.1f} ± {50 * (difference.high - difference.low):.1f}"
