"""Numbers as words: shares, lengths of time, how far one score is from another."""

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from coview.evaluation.results.result import ScoreRow, name_roles

Level = Literal["good", "note", "bad"]
Verdict = Literal["better", "unclear", "worse", "unknown"]
STANDARD_ERRORS_TO_BE_CLEAR = 2.0
LEAST_SOURCES = 10
"""Of fewer recordings than these nothing is clear, whatever the numbers are."""
VERDICT_WORDS: Mapping[Verdict, str] = {
    "better": "clearly better",
    "unclear": "no clear difference",
    "worse": "clearly worse",
    "unknown": "how sure is not known",
}


def count_sources(counts: Mapping[str, Any]) -> int:
    """Return of how many independent recordings the scored videos of a result are."""
    return int(counts.get("query_groups", counts.get("queries_scored", 0)))


def judge(row: ScoreRow, other: ScoreRow, *, metric: str, sources: int) -> Verdict:
    """Say whether a score is better than another by more than luck would make of it.

    Args:
        row: the score.
        other: what it is compared with.
        metric: which of their numbers.
        sources: of how many recordings the scored videos are.

    Returns:
        "unknown" where a number or a standard error is missing, or there are fewer sources than `LEAST_SOURCES`.
    """
    difference, error = _difference(row, other, metric=metric)
    if math.isnan(difference) or math.isnan(error) or sources < LEAST_SOURCES:
        return "unknown"
    if abs(difference) <= STANDARD_ERRORS_TO_BE_CLEAR * error:
        return "unclear"
    return "better" if difference > 0 else "worse"


def compare(row: ScoreRow, other: ScoreRow, *, metric: str, sources: int) -> str:
    """Say how far a score is from another, and whether that is more than luck would make of it; see `judge`."""
    verdict = VERDICT_WORDS[judge(row, other, metric=metric, sources=sources)]
    if sources < LEAST_SOURCES:
        verdict = "too few videos to tell"
    scale, (_, error) = row.scale(metric), _difference(row, other, metric=metric)
    digits, unit = (0, "points") if scale.is_share else (2, scale.unit)
    difference = scale.factor * (row.metrics[metric] - other.metrics[metric])
    spread = "" if math.isnan(error) else f" ± {scale.factor * error:.{digits}f}"
    return f"{verdict}, {difference:+.{digits}f}{spread} {unit}"


def _difference(row: ScoreRow, other: ScoreRow, *, metric: str) -> tuple[float, float]:
    """Return how much better a score is (below 0: worse) and the standard error of that, nan where it is not known."""
    sign = 1 if row.scale(metric).higher_is_better else -1
    # what guessing gives is counted, not measured: it has no error
    errors = [0.0 if scored.kind == "chance" else scored.standard_error(metric) for scored in (row, other)]
    return sign * (row.metrics[metric] - other.metrics[metric]), math.hypot(*errors)


def score_text(row: ScoreRow, metric: str) -> str:
    """Return "41%", or "1.40 nats" for what is no share; "?" for a number that does not exist."""
    value, known = row.metrics.get(metric, math.nan), row.scale(metric)
    if math.isnan(value):
        return "?"
    return percent(value) if known.is_share else f"{value:.2f} {known.unit}"


def interval_text(row: ScoreRow, metric: str) -> str:
    """Return "33 to 49%", the score give or take two standard errors; "" where those are not known."""
    value, error = row.metrics.get(metric, math.nan), row.standard_errors.get(metric, math.nan)
    reach = STANDARD_ERRORS_TO_BE_CLEAR * error
    if not row.scale(metric).is_share or math.isnan(value + reach):
        return ""
    return f"{100 * max(0.0, value - reach):.0f} to {percent(min(1.0, value + reach))}"


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


def shown_path(path: Path, *, full: bool) -> str:
    """Return a path as it stands in a command of a page: from the folder one works in, or no more than its name.

    Args:
        path: of a run or a data set.
        full: the whole path, for a page that is not shared.
    """
    if full:
        return shlex.quote(str(path))
    try:
        return shlex.quote(path.resolve().relative_to(Path.cwd()).as_posix())
    except ValueError:
        return shlex.quote(path.resolve().name)


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
