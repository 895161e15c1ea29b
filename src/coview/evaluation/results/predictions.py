"""The class that each scored video was given under each set of features: small enough for every result file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.evaluation.metrics.accuracy import count_confusions


@dataclass(frozen=True)
class Predictions:
    """The class that each scored video was given.

    Attributes:
        videos: q ids.
        labels: their classes.
        groups: the groups they belong to; videos of one group succeed or fail together.
        given: row name -> q class names: the class that a classifier named, or that of the nearest video; "" for none.
    """

    videos: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    given: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        for name, column in {"labels": self.labels, "groups": self.groups, **self.given}.items():
            if len(column) != len(self.videos):
                raise ValueError(f"{len(column)} {name} for {len(self.videos)} videos")

    def hits(self, name: str) -> NDArray[np.bool_]:
        """Return (q,) whether each video was given its own class in that row."""
        pairs = zip(self.given[name], self.labels, strict=True)
        return np.array([given == label for given, label in pairs], dtype=bool)

    def confusions(self, name: str) -> dict[str, dict[str, int]]:
        """Return class -> class given in that row -> how many videos; zeros left out."""
        return count_confusions(self.labels, self.given[name])

    def packed(self) -> dict[str, Any]:
        """Return plain values for a file: each name once, and a row as one text of numbers."""
        classes, (labels, *given) = _coded([self.labels, *self.given.values()])
        groups, (of_group,) = _coded([self.groups])
        return {
            "classes": classes,
            "groups": groups,
            "videos": list(self.videos),
            "label": labels,
            "group": of_group,
            "given": dict(zip(self.given, given, strict=True)),
        }

    @classmethod
    def unpacked(cls, values: Mapping[str, Any]) -> "Predictions":
        """Return what `packed` packed."""
        classes = values["classes"]
        return cls(
            videos=tuple(values["videos"]),
            labels=_named(values["label"], classes),
            groups=_named(values["group"], values["groups"]),
            given={name: _named(row, classes) for name, row in values["given"].items()},
        )


def _coded(columns: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """Return the names in use, sorted, and each column as the places of its names in that list."""
    names = sorted({name for column in columns for name in column})
    places = {name: str(place) for place, name in enumerate(names)}
    return names, [" ".join(places[name] for name in column) for column in columns]


def _named(places: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[int(place)] for place in places.split())
