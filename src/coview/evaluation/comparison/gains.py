"""Where one run gains over another on the same videos: over all of them and class by class. Numbers in and out."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.evaluation.results.predictions import Predictions
from coview.evaluation.statistics import LEVEL, holm, mcnemar, paired_intervals
from coview.wording import counted


@dataclass(frozen=True)
class Gain:
    """How two runs do on the same videos.

    Attributes:
        name: of the class, or "all videos".
        videos: how many.
        share_a: share of them that A is right about.
        share_b: and B.
        low: lower end of the 95% interval of share_a - share_b; nan where there is none.
        high: upper end.
        only_a: videos that A alone is right about.
        only_b: and B.
        p_value: of McNemar's exact test.
        p_adjusted: Holm's, for all classes at once; of all videos the same as `p_value`.
    """

    name: str
    videos: int
    share_a: float
    share_b: float
    low: float
    high: float
    only_a: int
    only_b: int
    p_value: float
    p_adjusted: float

    @property
    def gain(self) -> float:
        """share_a - share_b."""
        return self.share_a - self.share_b

    @property
    def is_real(self) -> bool | None:
        """Whether interval and test both exclude chance; None where only one of them does."""
        outside = self.low > 0 or self.high < 0
        is_unlikely = self.p_adjusted < 1 - LEVEL
        return outside if outside == is_unlikely else None

    def as_values(self) -> dict[str, Any]:
        """Return it as plain values."""
        values = {**asdict(self), "gain": self.gain}
        order = ("videos", "share_a", "share_b", "gain", "low", "high", "only_a", "only_b", "p_value", "p_adjusted")
        return {"class": self.name, **{name: values[name] for name in order}}


@dataclass(frozen=True)
class RowGains:
    """One set of features of A against one of B.

    Attributes:
        features_a: name of A's row.
        features_b: name of B's.
        overall: over all videos.
        classes: one a class, the largest gain first.
    """

    features_a: str
    features_b: str
    overall: Gain
    classes: tuple[Gain, ...]

    @property
    def name(self) -> str:
        """Name both where they differ."""
        if self.features_a == self.features_b:
            return self.features_a
        return f"{self.features_a} against {self.features_b}"

    def describe(self, a: str, b: str) -> str:
        """Say in a sentence whether the difference of two runs of these names over all videos is real."""
        gain = self.overall
        if not gain.only_a and not gain.only_b:
            return f"{self.name}: {a} and {b} are right about the same videos: no difference."
        better, worse = (a, b) if gain.gain >= 0 else (b, a)
        low, high = (gain.low, gain.high) if gain.gain >= 0 else (-gain.high, -gain.low)
        numbers = (
            f"{self.name}: {better} is right about {100 * abs(gain.gain):.1f} points more of the "
            f"{counted(gain.videos, 'video')} than {worse} "
            f"(95% interval {100 * low:+.1f} to {100 * high:+.1f}; McNemar p = {show_p(gain.p_value)})"
        )
        verdicts = {
            True: "the difference between these two is real",
            False: "that may be chance",
            None: "not settled, since interval and test disagree",
        }
        return f"{numbers}: {verdicts[gain.is_real]}."


def compare_rows(
    kept: Predictions, hits_a: NDArray[np.bool_], hits_b: NDArray[np.bool_], *, features_a: str, features_b: str
) -> RowGains:
    """Compare hits of the same videos.

    Args:
        kept: q videos with their classes and groups.
        hits_a: (q,) whether A is right.
        hits_b: (q,) whether B is right.
        features_a: name of A's row.
        features_b: name of B's row.
    """
    gains = hits_a.astype(np.float64) - hits_b
    interval, by_class = paired_intervals(gains, groups=kept.groups, classes=kept.labels)
    labels = np.asarray(kept.labels)
    own = {name: labels == name for name in by_class}
    p_values = [mcnemar(*_alone(hits_a[rows], hits_b[rows])) for rows in own.values()]
    classes = [
        _gain(name, hits_a[rows], hits_b[rows], by_class[name], adjusted)
        for (name, rows), adjusted in zip(own.items(), holm(p_values), strict=True)
    ]
    overall = _gain("all videos", hits_a, hits_b, interval, mcnemar(*_alone(hits_a, hits_b)))
    ordered = sorted(classes, key=lambda gain: (-gain.gain, gain.name))
    return RowGains(features_a, features_b, overall, tuple(ordered))


def show_p(value: float) -> str:
    """Return "0.031" or, for what is smaller than 0.001, "<0.001"."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _gain(
    name: str,
    hits_a: NDArray[np.bool_],
    hits_b: NDArray[np.bool_],
    interval: tuple[float, float],
    p_adjusted: float,
) -> Gain:
    only_a, only_b = _alone(hits_a, hits_b)
    return Gain(
        name=name,
        videos=len(hits_a),
        share_a=float(hits_a.mean()),
        share_b=float(hits_b.mean()),
        low=interval[0],
        high=interval[1],
        only_a=only_a,
        only_b=only_b,
        p_value=mcnemar(only_a, only_b),
        p_adjusted=p_adjusted,
    )


def _alone(hits_a: NDArray[np.bool_], hits_b: NDArray[np.bool_]) -> tuple[int, int]:
    """Count the videos that each alone is right about."""
    return int((hits_a & ~hits_b).sum()), int((hits_b & ~hits_a).sum())
