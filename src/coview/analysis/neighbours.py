"""Which videos are nearest to a query, view by view, and whether they show the same (CoCon, Figure 11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.figure import Figure, file_word
from coview.analysis.picture_wall import Tile, WallRow, wall_figure
from coview.analysis.strips import Strips, spread_places
from coview.config import Positive
from coview.datasets.splits import group_of
from coview.datatypes import VideoEntry
from coview.embedding.search import NOBODY, nearest
from coview.errors import UserError
from coview.wording import counted

SHARED_AMONG = 5
"""Neighbours over which views are compared."""


@dataclass(frozen=True)
class NeighboursSettings:
    """Which queries, and how many neighbours."""

    queries: Positive = 6
    """How many queries are shown, evenly spread over the videos, not chosen by success."""
    neighbours: Positive = 5
    """Nearest videos of each."""
    videos: tuple[str, ...] = ()
    """Ids of videos that are the queries, in place of chosen ones."""


@dataclass(frozen=True)
class Nearest:
    """The nearest videos of every video by one view or ensemble.

    Attributes:
        indices: (n, k) places of the videos, the nearest first; -1 where no candidate is left.
        cosines: (n, k).
    """

    indices: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def of(self, place: int) -> list[tuple[int, float]]:
        """Return (place, cosine) of the nearest videos of one."""
        pairs = zip(self.indices[place].tolist(), self.cosines[place].tolist(), strict=True)
        return [(index, cosine) for index, cosine in pairs if index != NOBODY]


def nearest_videos(rows: NDArray[np.float32], groups: Sequence[str], *, count: int) -> Nearest:
    """Find the nearest videos of every video among those of other groups.

    Args:
        rows: (n, D) unit rows.
        groups: n names; two cuts of one recording share one and are no find.
        count: k.
    """
    numbers = torch.from_numpy(np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1].astype(np.int64))
    vectors = torch.from_numpy(np.ascontiguousarray(rows))
    indices, cosines = nearest(vectors, vectors, k=count, query_groups=numbers, gallery_groups=numbers)
    return Nearest(indices.numpy(), cosines.numpy())


def share_right(found: Nearest, labels: Sequence[str | None]) -> float:
    """Return for how many of the labelled videos the nearest video has the same label; nan where none can be asked."""
    asked = [place for place, label in enumerate(labels) if label is not None and found.of(place)]
    right = [labels[found.of(place)[0][0]] == labels[place] for place in asked]
    return float(np.mean(right)) if right else float("nan")


def shared_neighbours(one: Nearest, other: Nearest) -> float:
    """Return how many of the nearest videos two views have in common, on average over videos."""
    counts = [
        len({index for index, _ in one.of(place)} & {index for index, _ in other.of(place)})
        for place in range(len(one.indices))
    ]
    return float(np.mean(counts))


class Neighbours(Analysis):
    """A few queries with their nearest videos in each view and in the ensemble, right and wrong marked."""

    Settings = NeighboursSettings

    def analyse(self, context: AnalysisContext) -> Findings:
        """Show the nearest videos of some and count over all."""
        groups = [group_of(entry) for entry in context.entries]
        if len(set(groups)) < 2:
            raise UserError("neighbours need at least two videos that were not cut from one recording")
        queries, depth = self._queries(context), max(self.settings.neighbours, SHARED_AMONG)
        found = {name: nearest_videos(rows, groups, count=depth) for name, rows in context.own.with_ensemble().items()}
        examples = {name: self._examples(context, one, queries) for name, one in found.items()}
        strips = Strips(context)
        figures = tuple(self._figure(context, name, one, queries, strips) for name, one in found.items())
        labels = [entry.label for entry in context.entries]
        right = {name: share_right(one, labels) for name, one in found.items()} if context.is_labelled else {}
        return Findings(
            sentences=(*_sentences(context, found, right), *strips.failures[:3]),
            tables=_tables(right),
            values={"nearest is right": right, "examples": examples},
            records=_records(context, found, count=self.settings.neighbours),
            figures=figures,
            payload={"neighbours": examples},
        )

    def _queries(self, context: AnalysisContext) -> list[int]:
        """Return the places of the queries."""
        if not self.settings.videos:
            return spread_places(len(context.entries), self.settings.queries)
        places = {entry.id: place for place, entry in enumerate(context.entries)}
        unknown = [name for name in map(str, self.settings.videos) if name not in places]
        if unknown:
            raise UserError(
                f"--neighbours.videos names {', '.join(unknown)}, not among the {counted(len(places), 'video')} that "
                f"take part ({context.part}), such as {', '.join(list(places)[:3])}"
            )
        return [places[str(name)] for name in self.settings.videos]

    def _examples(self, context: AnalysisContext, found: Nearest, queries: Sequence[int]) -> list[dict[str, Any]]:
        """Return queries with their neighbours as plain values, as an evaluation keeps them."""
        return [
            {
                **_named(context.entries[query]),
                "neighbours": [
                    {**_named(context.entries[index]), "cosine": round(cosine, 4)}
                    for index, cosine in found.of(query)[: self.settings.neighbours]
                ],
            }
            for query in queries
        ]

    def _figure(
        self, context: AnalysisContext, name: str, found: Nearest, queries: Sequence[int], strips: Strips
    ) -> Figure:
        rows = []
        for query in queries:
            entry = context.entries[query]
            tiles = [Tile(strips.of(entry), f"query: {entry.label or entry.id}")]
            for index, cosine in found.of(query)[: self.settings.neighbours]:
                other = context.entries[index]
                tiles.append(Tile(strips.of(other), f"{other.label or other.id} {cosine:.2f}", _is_right(entry, other)))
            rows.append(WallRow("", tiles))
        how = "queries chosen by hand" if self.settings.videos else "queries evenly spread, not chosen by success"
        return wall_figure(
            file_word(name),
            title=f"nearest neighbours by {name}",
            caption=f"{context.about(view=name)} · {how}; among videos of other recordings; the number is the cosine",
            rows=rows,
        )


def _named(entry: VideoEntry) -> dict[str, str | None]:
    return {"id": entry.id, "label": entry.label}


def _is_right(one: VideoEntry, other: VideoEntry) -> bool | None:
    return None if one.label is None or other.label is None else one.label == other.label


def _sentences(context: AnalysisContext, found: Mapping[str, Nearest], right: Mapping[str, float]) -> list[str]:
    sentences = []
    if right:
        shares = ", ".join(f"{name} {100 * share:.0f}%" for name, share in right.items())
        sentences.append(
            f"The nearest of {counted(len(context.entries), 'video')} ({context.part}; its own recording left out) "
            f"shows the same class in: {shares}."
        )
    else:
        sentences.append("No video has a label: nobody can say which neighbours are right.")
    views = [name for name in found if name in context.own.features]
    pairs = [
        f"{one} and {other} {shared_neighbours(found[one], found[other]):.1f}" for one, other in combinations(views, 2)
    ]
    if pairs:
        depth = found[views[0]].indices.shape[1]
        sentences.append(f"Of a video's {depth} nearest, two views have in common on average: {', '.join(pairs)}.")
    return sentences


def _tables(right: Mapping[str, float]) -> tuple[FoundTable, ...]:
    rows = tuple((name, f"{100 * share:.1f}") for name, share in right.items())
    return (FoundTable("nearest video of the same class", ("features", "% of videos"), rows),) if rows else ()


def _records(context: AnalysisContext, found: Mapping[str, Nearest], *, count: int) -> list[dict[str, Any]]:
    """Return one row for each video, view and neighbour."""
    return [
        {
            "features": name,
            "video": entry.id,
            "label": entry.label or "",
            "rank": rank,
            "neighbour": context.entries[index].id,
            "its label": context.entries[index].label or "",
            "cosine": round(cosine, 6),
        }
        for name, one in found.items()
        for place, entry in enumerate(context.entries)
        for rank, (index, cosine) in enumerate(one.of(place)[:count], start=1)
    ]
