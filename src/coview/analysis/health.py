"""Whether a representation is sound, and what it looks at: the scene or the motion."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.changed_clips import CHANGES, changed_clips
from coview.analysis.context import OWN, RANDOM, Rows
from coview.analysis.feature_geometry import (
    FeatureGeometry,
    Hubs,
    alignment,
    chance_overlap,
    hubs,
    measure_geometry,
    share_of_distance,
)
from coview.analysis.health_figures import neighbours_figure, spectrum_figure, time_figure
from coview.analysis.health_words import health_sentences
from coview.analysis.projection import nearest_rows, shared_neighbours
from coview.config import Count, Positive
from coview.errors import UserError
from coview.evaluation.statistics import bootstrap_error


@dataclass(frozen=True)
class HealthSettings:
    """What is measured."""

    neighbours: Positive = 10
    """k, of the neighbour lists that are compared and in which hubs are counted."""
    clips: Count = 24
    """Videos whose clips are shuffled, reversed and stilled, drawn at random; 0: none, which saves their encoding."""
    pixels: bool = True
    """Compare the neighbours with those by plain pixels; false saves reading all videos where no evaluation has."""
    seed: int = 0
    """Of the choice of videos and of the random orders."""


@dataclass(frozen=True)
class OfView:
    """What was found of one view or ensemble of one set of features.

    Attributes:
        whose: "this run", "random weights" or a run beside it.
        view: the view or ensemble.
        spread: see `FeatureGeometry`.
        hubs: see `Hubs`.
        explained: name of a baseline or of other features -> share of the nearest neighbours that are its, too.
    """

    whose: str
    view: str
    geometry: FeatureGeometry
    hubs: Hubs
    explained: Mapping[str, float]


@dataclass(frozen=True)
class ViewReading:
    """How one view of one set of features sees changed clips.

    Attributes:
        whose: "this run" or "random weights".
        view: the view.
        cosines: name in `CHANGES` -> mean cosine of the changed clip and the clip.
        shares: name -> how far that is, 0 not seen, 1 as far as another video.
        alignment: mean squared distance of the first and the last clip of a video (Wang and Isola's alignment).
        still_neighbours: share of a clip's nearest neighbours, among the chosen videos, that are those of its still.
        same_video: share of last clips whose nearest first clip, among those of the chosen videos, is of their own
            video: what can be scored without labels. The background helps, so it is read beside random weights.
        same_video_error: its standard error.
    """

    whose: str
    view: str
    cosines: Mapping[str, float]
    shares: Mapping[str, float]
    alignment: float
    still_neighbours: float
    same_video: float
    same_video_error: float


class HealthAnalysis(Analysis):
    """Rank, uniformity and hubs of the features; do pixels explain the neighbours, do motion and its order matter."""

    Settings = HealthSettings

    def analyse(self, context: AnalysisContext) -> Findings:
        """Measure this run beside random weights and other runs."""
        count, k = len(context.entries), self.settings.neighbours
        if count < 4:
            raise UserError(f"{count} videos are too few to speak of a representation's health; give --part all")
        k = min(k, max(1, (count - 1) // 5))  # of few videos, most are neighbours by chance
        found = self._of_views(context, k)
        seen = self._seen(context) if self.settings.clips else []
        chance = chance_overlap(count, k)
        clips = min(self.settings.clips, count)
        figures = [spectrum_figure(context, found)]
        if any(one.explained for one in found):
            figures.append(neighbours_figure(context, found, k=k, chance=chance))
        if seen:
            figures.append(time_figure(context, seen, clips=clips))
        return Findings(
            sentences=health_sentences(found, seen, k=k, chance=chance, clips=clips),
            tables=(_spread_table(found, k), *_neighbour_tables(found, k, chance), *_time_tables(seen, clips)),
            values={
                "neighbours": k,
                "overlap_by_chance": chance,
                "views": [_plain(one) for one in found],
                "changed_clips": [asdict(one) for one in seen],
                "changes": CHANGES,
                "clips": clips if seen else 0,
            },
            records=_records(found, seen),
            figures=tuple(figures),
        )

    def _of_views(self, context: AnalysisContext, k: int) -> list[OfView]:
        """Measure every view of every set, and how much its neighbours are those of pixels and of random weights."""
        pixels = context.pixels() if self.settings.pixels else {}
        others = {name: nearest_rows(rows, k) for name, rows in pixels.items()}
        tables = {given.name: given.with_ensemble() for given in context.sets}
        lists = {
            (whose, view): nearest_rows(rows, k) for whose, table in tables.items() for view, rows in table.items()
        }
        found = []
        for (whose, view), near in lists.items():
            explained = {name: shared_neighbours(near, other) for name, other in others.items()}
            if whose != RANDOM and (RANDOM, view) in lists:
                explained[RANDOM] = shared_neighbours(near, lists[RANDOM, view])
            found.append(OfView(whose, view, measure_geometry(tables[whose][view]), hubs(near), explained))
            context.tell(len(found), len(lists))
        return found

    def _seen(self, context: AnalysisContext) -> list[ViewReading]:
        """Embed changed clips of some videos with this run's encoders and with random ones."""
        chosen = context.sample(self.settings.clips, seed=self.settings.seed)
        clip = context.run.config.clip
        frames = [
            changed_clips(entry.num_frames or 1, clip, key=self.settings.seed + place)
            for place, entry in enumerate(chosen.entries)
        ]
        found = []
        for whose in (OWN, RANDOM):
            made = context.clips(chosen.entries, frames, num_blocks=clip.num_blocks, whose=whose)
            found += [_seen_by(whose, view, np.stack(videos, axis=1)) for view, videos in made.items()]
        return found


def _seen_by(whose: str, view: str, clips: Rows) -> ViewReading:
    """Compare changed clips with what they were.

    Args:
        whose: whose features.
        view: the view.
        clips: (6, n, D) unit rows, in the order of `changed_clips`.
    """
    middle, *changed, first = clips
    originals = {name: first if name == "later" else middle for name in CHANGES}
    pairs = {name: share_of_distance(originals[name], rows) for name, rows in zip(CHANGES, changed, strict=True)}
    k = max(1, min(5, len(middle) - 2))
    later, still = changed[list(CHANGES).index("later")], changed[list(CHANGES).index("still")]
    is_found = (later @ first.T).argmax(axis=1) == np.arange(len(first))  # (n,)
    return ViewReading(
        whose,
        view,
        {name: cosine for name, (cosine, _) in pairs.items()},
        {name: share for name, (_, share) in pairs.items()},
        alignment(first, later),
        shared_neighbours(nearest_rows(middle, k), nearest_rows(still, k)),
        same_video=float(is_found.mean()),
        same_video_error=bootstrap_error(is_found, [str(place) for place in range(len(first))]),
    )


def _spread_table(found: Sequence[OfView], k: int) -> FoundTable:
    return FoundTable(
        f"spread and hubs ({k} nearest neighbours)",
        ("features", "view", "effective rank", "uniformity", "mean cosine", "skewness of hubs", "nobody's neighbour"),
        tuple(
            (
                one.whose,
                one.view,
                f"{one.geometry.effective_rank:.1f}",
                f"{one.geometry.uniformity:.2f}",
                f"{one.geometry.mean_cosine:.3f}",
                f"{one.hubs.skewness:.2f}",
                f"{one.hubs.antihubs:.1%}",
            )
            for one in found
        ),
    )


def _neighbour_tables(found: Sequence[OfView], k: int, chance: float) -> list[FoundTable]:
    names = list(dict.fromkeys(name for one in found for name in one.explained))
    if not names:
        return []
    rows = [
        (one.whose, one.view, *(f"{one.explained[name]:.1%}" if name in one.explained else "" for name in names))
        for one in found
    ]
    title = f"share of the {k} nearest neighbours that are also the nearest by ... (chance {chance:.1%})"
    return [FoundTable(title, ("features", "view", *names), tuple(rows))]


def _time_tables(seen: Sequence[ViewReading], clips: int) -> list[FoundTable]:
    if not seen:
        return []
    rows = [
        (one.whose, one.view, *(f"{one.shares[name]:.2f} ({one.cosines[name]:.3f})" for name in CHANGES))
        for one in seen
    ]
    title = f"how far a changed clip is, 0: not seen, 1: as far as another video (cosine); {clips} videos"
    found = [(one.whose, one.view, f"{one.same_video:.1%} ± {one.same_video_error:.1%}") for one in seen]
    again = f"last clips whose nearest first clip is of their own video, among {clips} (chance {1 / clips:.1%})"
    return [
        FoundTable(title, ("features", "view", *CHANGES), tuple(rows)),
        FoundTable(again, ("features", "view", "own video found"), tuple(found)),
    ]


def _plain(one: OfView) -> dict[str, Any]:
    return {
        "features": one.whose,
        "view": one.view,
        "effective_rank": one.geometry.effective_rank,
        "uniformity": one.geometry.uniformity,
        "mean_cosine": one.geometry.mean_cosine,
        "spectrum": one.geometry.spectrum[:64].round(6).tolist(),
        "hub_skewness": one.hubs.skewness,
        "antihubs": one.hubs.antihubs,
        "largest_hub": one.hubs.largest,
        "occurrences": _histogram(one.hubs.occurrences),
        "explained_by": one.explained,
    }


def _histogram(occurrences: NDArray[np.int64]) -> dict[str, int]:
    """Return how many videos occur so often in neighbour lists, for those numbers that occur."""
    values, counts = np.unique(occurrences, return_counts=True)
    return {str(value): int(number) for value, number in zip(values, counts, strict=True)}


def _records(found: Sequence[OfView], seen: Sequence[ViewReading]) -> list[dict[str, Any]]:
    """Return one row a number."""
    rows = []
    for one in found:
        numbers = {name: value for name, value in _plain(one).items() if isinstance(value, float)}
        numbers |= {f"neighbours shared with {name}": share for name, share in one.explained.items()}
        rows += [(one.whose, one.view, name, value) for name, value in numbers.items()]
    for changed in seen:
        numbers = {f"{name}: cosine": value for name, value in changed.cosines.items()}
        numbers |= {f"{name}: share of distance": value for name, value in changed.shares.items()}
        numbers |= {"first and last clip: squared distance": changed.alignment}
        numbers |= {"neighbours of stills": changed.still_neighbours}
        numbers |= {"last clips that find their own video": changed.same_video}
        rows += [(changed.whose, changed.view, name, value) for name, value in numbers.items()]
    return [
        {"features": whose, "view": view, "what": name, "value": round(value, 6)} for whose, view, name, value in rows
    ]
