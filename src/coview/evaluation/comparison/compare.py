"""Two runs, video by video, under one protocol: where the one gains over the other, and whether that is real."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coview.errors import UserError
from coview.evaluation.comparison.choice import NamedResult, choose_pair
from coview.evaluation.comparison.gains import RowGains, compare_rows
from coview.evaluation.ensembles import ENSEMBLE, MEAN_OF_VIEWS, WEIGHTED_VIEWS
from coview.evaluation.results.predictions import Predictions
from coview.evaluation.results.result import Result
from coview.registry import did_you_mean

_ENSEMBLES = (ENSEMBLE, WEIGHTED_VIEWS, MEAN_OF_VIEWS)
"""Rows that are looked into by themselves where both runs have them, the first of these."""


@dataclass(frozen=True)
class Comparison:
    """Two runs under one protocol.

    Attributes:
        a: name of the one run.
        b: name of the other.
        result_a: its result.
        result_b: its result.
        rows: every set of features that was compared.
        closer: those of `rows` to look into class by class.
    """

    a: str
    b: str
    result_a: Result
    result_b: Result
    rows: tuple[RowGains, ...]
    closer: tuple[RowGains, ...]

    def sentences(self) -> list[str]:
        """Say of each row that is looked into whether the difference is real."""
        return [row.describe(self.a, self.b) for row in self.closer]


def compare(
    a: str,
    b: str,
    *,
    protocol: str | None = None,
    features: Sequence[str] = (),
    split: str | None = None,
    data: Path | None = None,
) -> Comparison:
    """Compare two runs that were evaluated under the same protocol, on the same videos, with the same settings.

    Args:
        a: RUN, RUN@CHECKPOINT, or a result file.
        b: the same.
        protocol: not set: the first that both have, in the order of `coview list protocols`.
        features: a name that both have, or A's and B's; none: all shared ones, the ensemble class by class.
        split: only results of this split.
        data: only results on this data set.

    Raises:
        UserError: the results cannot be compared, hold no predictions for single videos, or have no such features.
    """
    one, other = choose_pair(a, b, protocol=protocol, split=split, data=data)
    kept_a, kept_b = _predictions(one), _predictions(other)
    order = _same_videos(one, kept_a, other, kept_b)
    names = _names(kept_a, kept_b, features, a=one.name, b=other.name)
    rows = tuple(
        compare_rows(kept_a, kept_a.hits(name_a), kept_b.hits(name_b)[order], features_a=name_a, features_b=name_b)
        for name_a, name_b in names
    )
    shared = [row.features_a for row in rows]
    first = next((name for name in _ENSEMBLES if name in shared and not features), None)
    closer = tuple(row for row in rows if first in (None, row.features_a))
    return Comparison(one.name, other.name, one.result, other.result, rows, closer)


def as_values(comparison: Comparison) -> dict[str, Any]:
    """Return all of a comparison as plain values for a JSON file."""
    one, other = comparison.result_a, comparison.result_b
    return {
        "protocol": one.protocol,
        "split": one.split,
        "data": one.data_name,
        "settings": one.settings,
        "counts": one.counts,
        "a": _origin(comparison.a, one),
        "b": _origin(comparison.b, other),
        "method": "hits of A minus hits of B on the same videos; 95% percentile intervals over draws of whole groups; "
        "McNemar's exact test, p_adjusted: Holm over the classes of a row",
        "sentences": comparison.sentences(),
        "rows": [
            {
                "features_a": row.features_a,
                "features_b": row.features_b,
                "overall": row.overall.as_values(),
                "classes": [gain.as_values() for gain in row.classes],
            }
            for row in comparison.rows
        ],
    }


def as_records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return one mapping a row and class, for a CSV file."""
    return [
        {"features_a": row.features_a, "features_b": row.features_b, **gain.as_values()}
        for row in comparison.rows
        for gain in (row.overall, *row.classes)
    ]


def _origin(name: str, result: Result) -> Mapping[str, Any]:
    return {
        "name": name,
        "run": result.run,
        "checkpoint": result.checkpoint,
        "seed": result.seed,
        "preset": result.preset,
        "created_at": result.created_at,
        "file": Path(result.path).name,
    }


def _predictions(one: NamedResult) -> Predictions:
    result = one.result
    if not result.predictions:
        raise UserError(
            f"{result.path} does not hold the class that each video was given; evaluate {one.name} again with: "
            f"coview evaluate {Path(result.path).parents[1]} --data DATA --protocol {result.protocol}. Protocols that "
            "name no class for single videos (clusters, few-labels) cannot be compared"
        )
    return Predictions.unpacked(result.predictions)


def _same_videos(one: NamedResult, kept_a: Predictions, other: NamedResult, kept_b: Predictions) -> list[int]:
    """Return where the videos of A stand in B."""
    places = {video: place for place, video in enumerate(kept_b.videos)}
    if places.keys() != set(kept_a.videos):
        raise UserError(
            f"{one.name} and {other.name} were not scored on the same videos: {len(kept_a.videos)} and "
            f"{len(kept_b.videos)}, {len(places.keys() & set(kept_a.videos))} of them shared; evaluate both again on "
            "the data set as it is now"
        )
    order = [places[video] for video in kept_a.videos]
    if [kept_b.labels[place] for place in order] != list(kept_a.labels):
        raise UserError(
            f"{one.name} and {other.name} were scored against different labels of the same videos; evaluate both again"
        )
    return order


def _names(
    kept_a: Predictions, kept_b: Predictions, features: Sequence[str], *, a: str, b: str
) -> list[tuple[str, str]]:
    """Return which row of A stands against which of B."""
    if len(features) > 2:
        raise UserError(f"--features takes one name or two (A's and B's), got {len(features)}: {', '.join(features)}")
    if features:
        pair = (features[0], features[-1])
        for name, kept, run in zip(pair, (kept_a, kept_b), (a, b), strict=True):
            if name not in kept.given:
                hint = did_you_mean(name, kept.given) or "."
                raise UserError(f"{run} has no features {name!r}{hint} It has: {', '.join(kept.given)}")
        return [pair]
    shared = [(name, name) for name in kept_a.given if name in kept_b.given]
    if not shared:
        raise UserError(
            f"{a} and {b} share no features: {', '.join(kept_a.given)} and {', '.join(kept_b.given)}; name one of "
            "each: --features A_NAME B_NAME"
        )
    return shared
