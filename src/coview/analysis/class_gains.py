"""Which classes one run finds better than another (CoCon, Figure 4): the nearest video of the same class, by class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.context import OWN
from coview.analysis.figure import TONES, Figure, draw, file_word
from coview.analysis.neighbours import nearest_videos
from coview.config import Positive
from coview.datasets.splits import group_of
from coview.errors import UserError
from coview.wording import counted


@dataclass(frozen=True)
class ClassGainsSettings:
    """Which classes are drawn."""

    most: Positive = 30
    """Classes drawn: those of the largest differences, where there are more."""


@dataclass(frozen=True)
class ClassGain:
    """One class.

    Attributes:
        name: of the class.
        videos: how many were asked.
        own: share of them whose nearest video in this run is of their class.
        other: the same in the other run.
    """

    name: str
    videos: int
    own: float
    other: float

    @property
    def difference(self) -> float:
        """How much better this run is."""
        return self.own - self.other


def hits(rows: Any, labels: Sequence[str], groups: Sequence[str]) -> list[bool | None]:
    """Return for each video whether the nearest of another recording is of its class; None where there is no other."""
    found = nearest_videos(rows, groups, count=1)
    pairs = [found.of(place)[:1] for place in range(len(labels))]
    return [labels[pair[0][0]] == labels[place] if pair else None for place, pair in enumerate(pairs)]


def class_gains(own: Sequence[bool | None], other: Sequence[bool | None], labels: Sequence[str]) -> list[ClassGain]:
    """Compare two runs class by class, the largest gain first; of equal ones by name."""
    gains = []
    for name in sorted(set(labels)):
        asked = [(a, b) for a, b, label in zip(own, other, labels, strict=True) if label == name and a is not None]
        if asked:
            a, b = (float(np.mean([bool(pair[side]) for pair in asked])) for side in (0, 1))
            gains.append(ClassGain(name, len(asked), a, b))
    return sorted(gains, key=lambda gain: (-gain.difference, gain.name))


class ClassGains(Analysis):
    """Class by class, how much better this run finds the same class than each run beside it, per view and ensemble."""

    Settings = ClassGainsSettings
    needs_labels = True

    def analyse(self, context: AnalysisContext) -> Findings:
        """Compare this run with those beside it, in the views they share."""
        others = [given for given in context.trained_sets if given.name != OWN]
        if not others:
            raise UserError("class-gains compares runs: name another with --beside RUN")
        labels, groups = context.labels, [group_of(entry) for entry in context.entries]
        if len(set(groups)) < 2:
            raise UserError("class-gains needs videos of at least two recordings")
        tables = {given.name: given.with_ensemble() for given in (context.own, *others)}
        asked = {
            (name, view): hits(rows, labels, groups) for name, table in tables.items() for view, rows in table.items()
        }
        found = {
            (given.name, view): class_gains(asked[OWN, view], asked[given.name, view], labels)
            for given in others
            for view in tables[OWN]
            if view in tables[given.name]
        }
        if not found:
            raise UserError(f"{', '.join(given.name for given in others)}: no view in common with this run")
        return Findings(
            sentences=(
                *(_sentence(name, view, gains) for (name, view), gains in found.items()),
                _caution(next(iter(found.values()))),
            ),
            tables=tuple(_table(name, view, gains) for (name, view), gains in found.items()),
            values={f"{view}, against {name}": _values(gains) for (name, view), gains in found.items()},
            records=[record for (name, view), gains in found.items() for record in _records(name, view, gains)],
            figures=tuple(self._figure(context, name, view, gains) for (name, view), gains in found.items()),
        )

    def _figure(self, context: AnalysisContext, name: str, view: str, gains: Sequence[ClassGain]) -> Figure:
        chosen = sorted(gains, key=lambda gain: -abs(gain.difference))[: self.settings.most]
        shown = [gain for gain in gains if gain in chosen][::-1]

        def paint(canvas: Any) -> None:
            axes = canvas.subplots()
            tones = [TONES[0] if gain.difference >= 0 else TONES[1] for gain in shown]
            axes.barh(range(len(shown)), [100 * gain.difference for gain in shown], color=tones)
            axes.set_yticks(range(len(shown)))
            axes.set_yticklabels([f"{gain.name[:24]} ({gain.videos})" for gain in shown], parse_math=False)
            axes.axvline(0, linewidth=0.8, color=axes.spines["left"].get_edgecolor())
            axes.set_xlabel(f"points of R@1 above {name}", parse_math=False)

        left_out = len(gains) - len(shown)
        return draw(
            file_word(f"{view}-{name}"),
            title=f"gains by class, {view}: this run against {name}",
            caption=context.about(view=view)
            + " · videos in brackets; the nearest of other recordings"
            + (f"; {counted(left_out, 'class')} of smaller differences left out" if left_out else ""),
            size=(6.2, 1.3 + 0.2 * len(shown)),
            paint=paint,
        )


def mean_gain(gains: Sequence[ClassGain]) -> float:
    """Return the difference of the two runs over all videos."""
    total = sum(gain.videos for gain in gains)
    return sum(gain.difference * gain.videos for gain in gains) / total


def _sentence(name: str, view: str, gains: Sequence[ClassGain]) -> str:
    better, worse = (sum(sign * gain.difference > 0 for gain in gains) for sign in (1, -1))
    text = (
        f"{view}: against {name} {better} of {len(gains)} classes gain and {worse} lose, "
        f"{100 * mean_gain(gains):+.1f} points over all videos"
    )
    ends = [gain for gain in (gains[0], gains[-1]) if gain.difference]
    named = [
        f"{gain.name} {100 * gain.difference:+.0f} ({counted(gain.videos, 'video')})" for gain in dict.fromkeys(ends)
    ]
    return f"{text}; the ends: {', '.join(named)}." if named else f"{text}."


def _caution(gains: Sequence[ClassGain]) -> str:
    """Say how much a single video weighs."""
    least = min(gain.videos for gain in gains)
    return f"In the smallest class one video is {100 / least:.0f} points: coview compare says what is more than luck."


def _table(name: str, view: str, gains: Sequence[ClassGain]) -> FoundTable:
    rows = tuple(
        (g.name, str(g.videos), f"{100 * g.own:.0f}", f"{100 * g.other:.0f}", f"{100 * g.difference:+.0f}")
        for g in gains
    )
    return FoundTable(f"R@1 by class, {view}", ("class", "videos", "this run", name, "gain"), rows)


def _values(gains: Sequence[ClassGain]) -> Mapping[str, Any]:
    return {gain.name: {"videos": gain.videos, "own": gain.own, "other": gain.other} for gain in gains}


def _records(name: str, view: str, gains: Sequence[ClassGain]) -> list[dict[str, Any]]:
    return [
        {
            "view": view,
            "against": name,
            "class": gain.name,
            "videos": gain.videos,
            "this run": round(gain.own, 6),
            "other run": round(gain.other, 6),
        }
        for gain in gains
    ]
