"""Numbers as words: shares, lengths of time, how far one score is from another."""

import math
from collections.abc import Mapping
from typing import Any, Literal

from coview.evaluation.results.result import ScoreRow, name_roles

Level = Literal["good", "note", "bad"]
Verdict = Literal["better", "unclear", "worse"]
STANDARD_ERRORS_TO_BE_CLEAR = 2.0
VERDICT_WORDS: Mapping[Verdict, str] = {
    "better": "clearly better",
    "unclear": "no clear difference",
    "worse": "clearly worse",
}


def judge(row: ScoreRow, other: ScoreRow, *, metric: str) -> Verdict:
    """Say whether a score is better than another by more than luck would make of it; nan is never clear."""
    difference, error = _difference(row, other, metric=metric)
    if math.isnan(difference) or abs(difference) <= STANDARD_ERRORS_TO_BE_CLEAR * error:
        return "unclear"
    return "better" if difference > 0 else "worse"


def compare(row: ScoreRow, other: ScoreRow, *, metric: str) -> str:
    """Say how far a score is from another, and whether that is more than luck would make of it."""
    verdict = VERDICT_WORDS[judge(row, other, metric=metric)]
    difference = row.metrics[metric] - other.metrics[metric]
    _, error = _difference(row, other, metric=metric)
    if not row.scale(metric).is_share:
        return f"{verdict}, {difference:+.2f} ± {error:.2f} {row.scale(metric).unit}"
    return f"{verdict}, {100 * difference:+.0f} ± {100 * error:.0f} points"


def _difference(row: ScoreRow, other: ScoreRow, *, metric: str) -> tuple[float, float]:
    """Return how much better a score is (below 0: worse) and the standard error of that."""
    sign = 1 if row.scale(metric).higher_is_better else -1
    error = math.hypot(*(scored.standard_errors.get(metric, 0.0) for scored in (row, other)))
    return sign * (row.metrics[metric] - other.metrics[metric]), error


def score_text(row: ScoreRow, metric: str) -> str:
    """Return "41%", or "1.40 nats" for what is no share; "?" for a number that does not exist."""
    value, known = row.metrics.get(metric, math.nan), row.scale(metric)
    if math.isnan(value):
        return "?"
    return percent(value) if known.is_share else f"{value:.2f} {known.unit}"


def percent(share: float) -> str:
    """Return 0.413 as "41%"."""
    return "?" if math.isnan(share) else f"{100 * share:.0f}%"


def duration(seconds: float) -> str:
    """Return seconds as "45 s", "12 min" or "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def and_list(words: list[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def counted(counts: Mapping[str, Any]) -> str:
    """Say what an evaluation scored of what, and where the other videos went."""
    scored, used = name_roles(counts)
    parts = [
        f"{counts['queries_scored']:,} of {counts['queries']:,} {scored} videos scored against "
        f"{counts['gallery_used']:,} of {counts['gallery']:,} {used} videos, {counts['classes']:,} classes"
    ]
    parts += [f"{count:,} {status}" for status, count in counts.get("not_ready", {}).items()]
    names = {
        "unlabelled": "without a label",
        "not_in_this_split": "not part of this split",
        "queries_without_their_class_in_gallery": f"{scored} videos whose class no {used} video has "
        "(counted as misses)",
    }
    parts += [f"{counts[key]:,} {name}" for key, name in names.items() if counts.get(key)]
    return "; ".join(parts) + "."
