"""Is a run healthy? The newest meters of each view and what the log warned of, judged in words."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from coview.reports.facts import RunFacts, StageFacts
from coview.reports.words import Level, and_list
from coview.training.health import COLLAPSED_RANK, COLLAPSED_SPREAD

LEAST_STEPS = 50
"""Fewer steps of training show nothing but the weights that it began from."""
State = Literal["healthy", "collapsed", "learns nothing"]
MOST_WARNINGS, MOST_LOOKED = 3, 2
ANALYSIS = "health"
"""The analysis whose findings belong here: does the encoder see the motion or the scene?"""


@dataclass(frozen=True)
class ViewHealth:
    """One view as the newest log line that measured it tells.

    Attributes:
        view: its name.
        stage: the stage of that log line.
        spread: of the features, 1 even, 0 collapsed.
        rank: directions in use.
        loss: its part of the loss, None where the parts are not by view.
        knows_nothing_at: the loss of a guess, None where the method has no such value.
        steps: of training so far, over all stages that measured it.
    """

    view: str
    stage: str
    spread: float
    rank: float
    loss: float | None = None
    knows_nothing_at: float | None = None
    steps: int = LEAST_STEPS

    @property
    def state(self) -> State:
        """What the meters say."""
        if self.spread < COLLAPSED_SPREAD or self.rank < COLLAPSED_RANK:
            return "collapsed"
        if self.loss is not None and self.knows_nothing_at is not None and self.loss >= self.knows_nothing_at:
            return "learns nothing"
        return "healthy"

    @property
    def learnt_share(self) -> float | None:
        """How far the loss has come down from that of a guess, between 0 and 1; None where that is not known."""
        if self.loss is None or not self.knows_nothing_at:
            return None
        return min(1.0, max(0.0, 1 - self.loss / self.knows_nothing_at))


@dataclass(frozen=True)
class RunHealth:
    """The answer to "is it healthy?".

    Attributes:
        level: good, or what to look at.
        headline: in a few words.
        views: the newest condition of each view.
        warnings: the first few of the log's.
        num_more_warnings: how many others there are.
        looked: the first findings of the newest analysis of health.
    """

    level: Level
    headline: str
    views: Sequence[ViewHealth]
    warnings: Sequence[str] = ()
    num_more_warnings: int = 0
    looked: Sequence[str] = ()


def health(facts: RunFacts) -> RunHealth:
    """Judge a run by its newest meters and by what its log warned of."""
    views = conditions(facts.stages)
    level, headline = _judged(views, has_warnings=bool(facts.warnings))
    more = max(0, len(facts.warnings) - MOST_WARNINGS)
    own = (one for one in facts.analyses if one.analysis == ANALYSIS and one.is_on_own_data)
    analysed = next((one.findings.sentences for one in own), ())
    return RunHealth(level, headline, views, facts.warnings[:MOST_WARNINGS], more, analysed[:MOST_LOOKED])


def _judged(views: Sequence[ViewHealth], *, has_warnings: bool) -> tuple[Level, str]:
    """Return the verdict and its words, the worst news first."""
    collapsed = [one.view for one in views if one.state == "collapsed"]
    ignorant = [one.view for one in views if one.state == "learns nothing"]
    if collapsed:
        return "bad", f"No: {and_list(collapsed)} {_has(collapsed)} collapsed, all features are nearly alike."
    if has_warnings:
        return "bad", "Look at the warnings: training was not all well."
    if not views:
        return "note", "Not known yet: the log holds no measurement."
    early = [one.view for one in views if one.steps < LEAST_STEPS]
    if early:
        steps = min(one.steps for one in views)
        return (
            "note",
            f"Too early to tell: {and_list(early)} {_has(early)} had {steps} step{'s' * (steps != 1)} of training.",
        )
    if ignorant:
        return "note", f"Alive, but {and_list(ignorant)} {_has(ignorant)} not learnt anything yet."
    if any(one.learnt_share is None for one in views):
        return "good", "Yes: features are spread out."
    return "good", "Yes: features are spread out and every loss is below that of a guess."


def conditions(stages: Sequence[StageFacts]) -> list[ViewHealth]:
    """Return the condition of each view in the newest stage that measured it, in the order views first appear."""
    found: dict[str, ViewHealth] = {}
    steps: Counter[str] = Counter()
    for stage in stages:
        newest: Mapping[str, Any] = next((step for step in reversed(stage.steps) if step.get("health")), {})
        for view, meters in newest.get("health", {}).items():
            part = _part_of(view, newest)
            known = newest.get("chance_level", {}).get(part)
            loss = newest.get("parts", {}).get(part)
            steps[view] += stage.last_step
            meter = meters["std"], meters["effective_rank"]
            found[view] = ViewHealth(view, stage.name, *meter, loss, known, steps[view])
    return list(found.values())


def _part_of(view: str, step: Mapping[str, Any]) -> str | None:
    """Return the part of the loss that is this view's own: "rgb/cpc", "rgb/swapped"."""
    return next((part for part in step.get("chance_level", {}) if view in re.split(r"[/_]", part)), None)


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"
