"""The videos on a plane, near ones near: per view and for all views together (CoCon, Figures 3 and 8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.figure import Figure, class_colours, draw, file_word
from coview.analysis.projection import (
    Layout,
    Points,
    fitting_perplexity,
    lay_out,
    nearest_rows,
    shared_neighbours,
    turned_like,
)
from coview.analysis.thumbnails import thumbnails
from coview.config import Count, Positive, PositiveFloat
from coview.errors import UserError
from coview.evaluation.metrics.clusters import fit_kmeans

NEIGHBOURS = 10
MOST_NAMES = 24
TITLES = {"tsne": "t-SNE", "pca": "principal axes", "umap": "UMAP"}
NO_LABEL = "no label"


@dataclass(frozen=True)
class FeatureMapSettings:
    """How the map is drawn."""

    method: Layout = "tsne"
    """tsne: near videos stay near; pca: the two axes of largest spread; umap: as tsne, needs the package umap-learn."""
    perplexity: PositiveFloat = 30.0
    """Neighbours that tsne and umap keep near; a tenth of the videos where that is less."""
    most: Positive = 2000
    """At most this many videos are drawn, chosen at random where there are more: the rest would hide each other."""
    clusters: Positive = 10
    """Without labels: k-means clusters that give the colours."""
    random: bool = False
    """Also draw the map of random weights."""
    thumbnails: Count = 1000
    """At most this many videos get a strip of frames for the report; 0: none."""
    seed: int = 0
    """Of tsne, umap, k-means and the choice of videos."""


@dataclass(frozen=True)
class DrawnMap:
    """One map.

    Attributes:
        view: a view or the ensemble.
        whose: "this run", or a run beside it.
        points: (n, 2) in 0 to 1.
        kept: share of each video's nearest in the features that are among its nearest on the map.
        alike: share of each video's nearest in the features that are of its class or cluster.
    """

    view: str
    whose: str
    points: Points
    kept: float
    alike: float


def groups_of(context: AnalysisContext, *, clusters: int, seed: int) -> list[str]:
    """Return what colours each video: its label, "no label" where others have one, or without labels its cluster.

    Clusters are those of this run's views together, the largest called "cluster 1".
    """
    if context.is_labelled:
        return [label or NO_LABEL for label in context.labels]
    *_, rows = context.own.with_ensemble().values()
    assigned = fit_kmeans(rows, rows, k=min(clusters, len(rows)), restarts=3, seed=seed)
    ranks = {int(cluster): place for place, cluster in enumerate(np.argsort(-np.bincount(assigned), kind="stable"), 1)}
    return [f"cluster {ranks[int(cluster)]}" for cluster in assigned]


def chance_alike(groups: Sequence[str]) -> float:
    """Return the share of neighbours of a video's own group if neighbours were any other videos."""
    sizes = np.unique(np.asarray(groups), return_counts=True)[1]
    return float((sizes * (sizes - 1)).sum() / (len(groups) * (len(groups) - 1)))


def share_alike(neighbours: NDArray[np.int64], groups: Sequence[str]) -> float:
    """Return the mean share of a video's neighbours (n, k) that are of its group."""
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    return float((codes[neighbours] == codes[:, None]).mean())


class FeatureMap(Analysis):
    """The videos on a plane (t-SNE, PCA, UMAP), per view and ensemble, coloured by label or cluster; runs side by side.

    Its payload: {"maps": [{"title", "view", "run", "points": [{"x", "y", "video", "label", "group"}, ...]}, ...],
    "thumbnails": {video id: data URI}, "colours": {group: "#rrggbb"}}, x and y in 0 to 1, y upwards; "group" gives the
    colour: the label, or a cluster where nothing is labelled.
    """

    Settings = FeatureMapSettings

    def analyse(self, context: AnalysisContext) -> Findings:
        """Draw the maps of this run and of those beside it."""
        chosen, whole = self.settings, len(context.entries)
        if whole < 3:
            raise UserError(f"a map of {whole} videos shows nothing; give data with more, or --part all")
        context = context.sample(chosen.most, seed=chosen.seed)
        groups = groups_of(context, clusters=chosen.clusters, seed=chosen.seed)
        maps = self._maps(context, groups)
        colours, chance = class_colours(groups), chance_alike(groups)
        drawn = "" if len(groups) == whole else f" · {len(groups):,} of {whole:,} videos, drawn at random"
        figures = [
            self._figure(context, [one for one in maps if one.view == view], groups, colours, drawn)
            for view in dict.fromkeys(one.view for one in maps)
        ]
        with_pictures = context.sample(chosen.thumbnails, seed=chosen.seed + 1).entries if chosen.thumbnails else ()
        return Findings(
            sentences=(
                *_sentences(maps, is_labelled=context.is_labelled, chance=chance),
                *([drawn[3:] + "."] if drawn else []),
            ),
            tables=(_table(maps, is_labelled=context.is_labelled),),
            values={
                "drawn": len(groups),
                "of": whole,
                "neighbours": NEIGHBOURS,
                "alike_by_chance": chance,
                "maps": [{"view": m.view, "run": m.whose, "kept": m.kept, "alike": m.alike} for m in maps],
            },
            records=_records(context, maps, groups),
            figures=tuple(figures),
            payload={
                "maps": [_points(context, one, groups) for one in maps],
                "thumbnails": thumbnails(context, with_pictures),
                "colours": colours,
            },
        )

    def _maps(self, context: AnalysisContext, groups: Sequence[str]) -> list[DrawnMap]:
        """Lay out every view and the ensemble of every run; runs beside this one are turned to be like it."""
        chosen = self.settings
        sets = context.sets if chosen.random else context.trained_sets
        tables = {given.name: given.with_ensemble() for given in sets}
        k = min(NEIGHBOURS, len(groups) - 1)
        maps = []
        done, total = 0, sum(len(rows) for rows in tables.values())
        for view in dict.fromkeys(view for rows in tables.values() for view in rows):
            first: Points | None = None
            for name, rows in tables.items():
                if view not in rows:
                    continue
                points = lay_out(rows[view], method=chosen.method, perplexity=chosen.perplexity, seed=chosen.seed)
                points = points if first is None else turned_like(points, first)
                first = points if first is None else first
                near = nearest_rows(rows[view], k)
                kept = shared_neighbours(near, nearest_rows(points, k))
                maps.append(DrawnMap(view, name, points, kept, share_alike(near, groups)))
                done += 1
                context.tell(done, total)
        return maps

    def _figure(
        self,
        context: AnalysisContext,
        maps: Sequence[DrawnMap],
        groups: Sequence[str],
        colours: Mapping[str, str],
        drawn: str,
    ) -> Figure:
        view = maps[0].view
        settings: dict[str, Any] = {"method": self.settings.method}
        if self.settings.method != "pca":
            perplexity = fitting_perplexity(self.settings.perplexity, len(groups))
            settings |= {"perplexity": round(perplexity, 1), "seed": self.settings.seed}
        colour = "label" if context.is_labelled else "k-means cluster"
        return draw(
            file_word(view),
            title=f"{TITLES[self.settings.method]} of {view}, coloured by {colour}",
            caption=context.about(view=view, settings=settings) + drawn,
            size=(4.1 * len(maps) + 1.7, 4.7),
            paint=partial(_paint, maps=maps, groups=groups, colours=colours),
        )


def _paint(canvas: Any, *, maps: Sequence[DrawnMap], groups: Sequence[str], colours: Mapping[str, str]) -> None:
    """Draw maps side by side, with names of the groups beside them, or in them where there are many."""
    many, shades = len(groups) > 400, [colours[group] for group in groups]
    for axes, one in zip(canvas.subplots(1, len(maps), squeeze=False)[0], maps, strict=True):
        axes.scatter(
            *one.points.T, c=shades, s=5 if many else 16, alpha=0.75, linewidths=0, rasterized=len(groups) > 1000
        )
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axes.set_xticks([])
        axes.set_yticks([])
        kept = f"{one.kept:.0%} of neighbours kept"
        axes.set_title(f"{one.whose}: {kept}" if len(maps) > 1 else kept, parse_math=False)
        if len(colours) > MOST_NAMES:
            _name_groups(axes, one.points, groups)
    if len(colours) <= MOST_NAMES:
        from matplotlib.lines import Line2D

        handles = [Line2D([], [], marker="o", linestyle="", color=shade, markersize=4.5) for shade in colours.values()]
        names = [name.replace("$", r"\$")[:24] for name in colours]
        canvas.legend(handles, names, loc="outside right center", handletextpad=0.2)


def _name_groups(axes: Any, points: Points, groups: Sequence[str]) -> None:
    """Write the names of the tightest groups at their medians: with many, colours alone tell nothing."""
    places = {group: points[[own == group for own in groups]] for group in dict.fromkeys(groups)}
    spreads = {group: np.median(np.abs(own - np.median(own, axis=0))) for group, own in places.items() if len(own) > 2}
    for group in sorted(spreads, key=lambda name: spreads[name])[:MOST_NAMES]:
        x, y = np.median(places[group], axis=0)
        axes.text(x, y, group[:20], fontsize=6, ha="center", va="center", parse_math=False)


def _sentences(maps: Sequence[DrawnMap], *, is_labelled: bool, chance: float) -> list[str]:
    best = {whose: [one for one in maps if one.whose == whose][-1] for whose in dict.fromkeys(m.whose for m in maps)}
    kind = "class" if is_labelled else "cluster"
    told = "; ".join([*(f"{whose} {one.alike:.0%}" for whose, one in best.items()), f"by chance {chance:.0%}"])
    view = next(iter(best.values())).view
    return [
        f"Of a video's {NEIGHBOURS} nearest by {view}, these are of its {kind}: {told}.",
        "Maps keep who is near whom, not how far: read groups, not distances between them.",
    ]


def _table(maps: Sequence[DrawnMap], *, is_labelled: bool) -> FoundTable:
    kind = "class" if is_labelled else "cluster"
    return FoundTable(
        f"of each video's {NEIGHBOURS} nearest neighbours",
        ("view", "run", f"of its {kind}", "near on the map, too"),
        tuple((one.view, one.whose, f"{one.alike:.1%}", f"{one.kept:.1%}") for one in maps),
    )


def _records(context: AnalysisContext, maps: Sequence[DrawnMap], groups: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"view": one.view, "run": one.whose, "video": entry.id, "group": group, "x": round(x, 5), "y": round(y, 5)}
        for one in maps
        for entry, group, (x, y) in zip(context.entries, groups, one.points.tolist(), strict=True)
    ]


def _points(context: AnalysisContext, one: DrawnMap, groups: Sequence[str]) -> dict[str, Any]:
    points = [
        {"x": round(x, 4), "y": round(y, 4), "video": entry.id, "label": entry.label, "group": group}
        for entry, group, (x, y) in zip(context.entries, groups, one.points.tolist(), strict=True)
    ]
    return {"title": f"{one.view}, {one.whose}", "view": one.view, "run": one.whose, "points": points}
