"""How good is a run? The newest result of each protocol beside random weights, pixels and chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from coview.evaluation.results.result import Result, ScoreRow
from coview.reports.facts import RunFacts
from coview.reports.words import Level, Verdict, count_sources, judge

SAYINGS = {
    "retrieval": "the nearest video shows the same class",
    "linear": "a linear classifier on frozen features is right",
    "finetune": "after fine-tuning on labels it is right",
    "inference": "the classifier is right",
    "few-labels": "a classifier taught by the fewest labels is right",
    "knn": "the vote of the nearest videos is right",
    "clusters": "clusters found without labels match the classes",
}
"""Protocol -> what its first metric says."""


@dataclass(frozen=True)
class HeadlineScores:
    """The best of a run's rows under one protocol, beside what it must beat.

    Attributes:
        result: where the rows come from.
        metric: the protocol's first metric.
        best: the best of the run's rows.
        num_rows: how many of the run's rows it is the best of.
        random: the same view or ensemble with random weights.
        pixels: the best pixel baseline.
        chance: guessing.
    """

    result: Result
    metric: str
    best: ScoreRow
    num_rows: int
    random: ScoreRow | None
    pixels: ScoreRow | None
    chance: ScoreRow | None

    @property
    def sources(self) -> int:
        """Of how many recordings the scored videos are."""
        return count_sources(self.result.counts)

    def against(self, other: ScoreRow | None) -> Verdict | None:
        """Say how the best row does against another; None where there is none."""
        return None if other is None else self.judge(self.best, other)

    def judge(self, row: ScoreRow, other: ScoreRow) -> Verdict:
        """Say how one row does against another."""
        return judge(row, other, metric=self.metric, sources=self.sources)

    @property
    def level(self) -> Level:
        """Good only where it is clearly better than all there is to compare with."""
        verdicts = [v for v in map(self.against, (self.random, self.pixels, self.chance)) if v is not None]
        if verdicts and all(verdict == "better" for verdict in verdicts):
            return "good"
        return "bad" if self.against(self.random) == "worse" else "note"

    @property
    def saying(self) -> str:
        """What the metric says, in words."""
        return SAYINGS.get(self.result.protocol, f"{self.result.protocol}: {self.metric}")


def best_row(rows: Sequence[ScoreRow], metric: str) -> ScoreRow | None:
    """Return the first of the best rows by a metric; None where no row has it."""
    best: ScoreRow | None = None
    for row in rows:
        value = row.metrics.get(metric, math.nan)
        if not math.isnan(value) and (best is None or row.scale(metric).better(value, best.metrics[metric])):
            best = row
    return best


def standing(result: Result) -> HeadlineScores | None:
    """Pick the rows of a result that answer how good the run is; None where no row of the run has a score."""
    metric = next(iter(result.rows[0].metrics))
    own = [row for row in result.rows if row.kind == "trained" and not math.isnan(row.metrics.get(metric, math.nan))]
    best = best_row(own, metric)
    if best is None:
        return None
    pixels = best_row([row for row in result.rows if row.kind == "pixels"], metric)
    chance = best_row([row for row in result.rows if row.kind == "chance"], metric)
    random = best_row([row for row in result.rows if row.kind == "random" and row.name == best.name], metric)
    return HeadlineScores(result, metric, best, len(own), random, pixels, chance)


def standings(facts: RunFacts) -> list[HeadlineScores]:
    """Return the standing under each protocol by its newest result on the run's own data, the newest first.

    Results on other data and ensembles with other runs say little of this run, and are left to their sections.
    Few labels come last: with one label a class it depends most on which videos have it.
    """
    newest: dict[str, Result] = {}
    for result in facts.results:
        if result.is_on_own_data and not result.settings.get("members"):
            newest.setdefault(result.protocol, result)
    found = [standing(result) for result in newest.values()]
    known = [one for one in found if one is not None]
    return sorted(known, key=lambda one: one.result.protocol == "few-labels")


@dataclass(frozen=True)
class ViewScore:
    """One view or ensemble of a run beside what it must beat.

    Attributes:
        own: its row.
        random: the same view or ensemble with random weights; None where that was not scored.
        pixels: the best pixel baseline.
        level: good where it is clearly better than both.
    """

    own: ScoreRow
    random: ScoreRow | None
    pixels: ScoreRow | None
    level: Level


def view_scores(one: HeadlineScores) -> tuple[ViewScore, ...]:
    """Return every row of the run that has a score under a protocol, in the order of the result."""
    found = []
    for row in one.result.rows:
        if row.kind != "trained" or math.isnan(row.metrics.get(one.metric, math.nan)):
            continue
        same = [other for other in one.result.rows if (other.kind, other.name) == ("random", row.name)]
        random = best_row(same, one.metric)
        verdicts = [one.judge(row, other) for other in (random, one.pixels) if other is not None]
        level: Level = "bad" if "worse" in verdicts else "note"
        if verdicts and all(verdict == "better" for verdict in verdicts):
            level = "good"
        found.append(ViewScore(row, random, one.pixels, level))
    return tuple(found)
