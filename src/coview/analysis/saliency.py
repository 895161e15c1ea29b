"""Where an encoder looks: the places and moments of a clip that make it like its neighbour, without any class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.figure import Figure
from coview.analysis.middle_clip import middle_clip, person_mask
from coview.analysis.neighbours import nearest_videos
from coview.analysis.occlusion import gradient_map, occlusion_map
from coview.analysis.overlay import overlaid, squares, write_overlays
from coview.analysis.picture_wall import Tile, WallRow, strip, wall_figure
from coview.analysis.strips import spread_places
from coview.clips.sampling import Indices
from coview.config import Positive
from coview.datasets.splits import group_of
from coview.datatypes import VideoEntry
from coview.embedding.extract import window_features
from coview.errors import UserError
from coview.training.distributed import choose_device
from coview.wording import counted

FIGURE_FRAMES, FIGURE_SIDE = 8, 96


@dataclass(frozen=True)
class SaliencySettings:
    """Which clips, and how they are looked at."""

    clips: Positive = 2
    """How many videos, evenly spread; the window in the middle of each is looked at."""
    videos: tuple[str, ...] = ()
    """Ids of videos to look at, in place of chosen ones."""
    neighbour: str | None = None
    """Id of the video whose likeness is explained; not set: for each clip the nearest in the same view."""
    views: tuple[str, ...] = ()
    """Views; not set: all of the run."""
    how: Literal["occlusion", "gradient"] = "occlusion"
    """occlusion: how far the cosine falls where a box is covered; gradient: how fast it changes with each pixel."""
    across: Annotated[int, Field(ge=2, le=16)] = 4
    """Boxes side by side over the picture; they overlap by half. More: finer, and slower by the square."""
    moments: Annotated[int, Field(ge=1, le=32)] = 4
    """Spans of time that are covered one by one."""


@dataclass(frozen=True)
class Looked:
    """One clip in one view.

    Attributes:
        entry: the video.
        neighbour: the video it is compared with.
        view: whose encoder.
        cosine: of the clip and the neighbour.
        frame_indices: (T,), of the clip.
        saliency: (T, size, size), above 0 where it makes them alike.
        on_person: share of it on the person, None where no mask is stored or nobody is in it.
        person_area: share of the clip that the person covers.
    """

    entry: VideoEntry
    neighbour: VideoEntry
    view: str
    cosine: float
    frame_indices: Indices
    saliency: NDArray[np.float32]
    on_person: float | None
    person_area: float | None


def shares_on(saliency: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return which share of the saliency above 0 lies in a mask, and which share of the clip the mask covers.

    Args:
        saliency: (T, H, W).
        mask: (T, H, W).

    Returns:
        None where the mask is empty or nothing is salient.
    """
    positive = np.maximum(saliency, 0)
    if not mask.any() or positive.sum() <= 0:
        return None
    return float(positive[mask].sum() / positive.sum()), float(mask.mean())


class Saliency(Analysis):
    """Where it looks: what in a clip makes it like its neighbour, as frames and as a video with an overlay."""

    Settings = SaliencySettings

    def analyse(self, context: AnalysisContext) -> Findings:
        """Look at a few clips in each view; the overlay videos are written beside the figures."""
        views = self._views(context)
        places = self._places(context)
        found: list[Looked] = []
        for place in places:
            for view in views:
                found.append(self._looked(context, place, view))
                if context.progress is not None:
                    context.progress(len(found), len(places) * len(views), {})
        by_video = [[one for one in found if one.entry is context.entries[place]] for place in places]
        stem = f"{context.stem}-clip"
        names = {f"{stem}{place}-{one.view}.mp4": one for place, own in enumerate(by_video, start=1) for one in own}
        videos = write_overlays(context, names, stem=stem)
        return Findings(
            sentences=_sentences(found),
            tables=_tables(found),
            values={"clips": [_values(one) for one in found]},
            records=[record for one in found for record in _records(one)],
            figures=tuple(self._figure(context, own, f"clip{place}") for place, own in enumerate(by_video, start=1)),
            payload={"videos": videos},
        )

    def _views(self, context: AnalysisContext) -> tuple[str, ...]:
        chosen = self.settings.views or context.run.views
        unknown = [view for view in chosen if view not in context.run.views]
        if unknown:
            raise UserError(f"--saliency.views {', '.join(unknown)}: the run has {', '.join(context.run.views)}")
        return tuple(chosen)

    def _places(self, context: AnalysisContext) -> list[int]:
        """Return the places of the videos to look at."""
        if len({group_of(entry) for entry in context.entries}) < 2:
            raise UserError("saliency compares a clip with a neighbour: it needs two videos of different recordings")
        if not self.settings.videos:
            return spread_places(len(context.entries), self.settings.clips)
        return list(dict.fromkeys(_place_of(context, name, "videos") for name in self.settings.videos))

    def _looked(self, context: AnalysisContext, place: int, view: str) -> Looked:
        """Look at the middle window of one video in one view."""
        rows, entry = context.own.features[view], context.entries[place]
        other = self._neighbour(context, place, rows)
        clip, frame_indices = middle_clip(context, entry, view)
        device = choose_device(context.device)
        encoder = context.run.encoders[view].to(device)
        target = torch.from_numpy(rows[other]).to(device)

        def score(clips: Tensor) -> Tensor:
            config = context.run.config
            return window_features(encoder, clips, clip=config.clip, pool=context.run.method.pool) @ target

        clip = clip.to(device)
        if self.settings.how == "occlusion":
            made = occlusion_map(score, clip, moments=self.settings.moments, across=self.settings.across)
        else:
            made = gradient_map(score, clip, draws=8, noise=0.1, seed=context.run.config.seed)
        with torch.no_grad():
            cosine = float(score(clip[None])[0])
        saliency = made.numpy().astype(np.float32)
        mask = person_mask(context, entry, frame_indices, size=clip.shape[-1])
        shares = None if mask is None else shares_on(saliency, mask)
        on_person, area = shares or (None, None)
        return Looked(entry, context.entries[other], view, cosine, frame_indices, saliency, on_person, area)

    def _neighbour(self, context: AnalysisContext, place: int, rows: NDArray[np.float32]) -> int:
        if self.settings.neighbour is not None:
            return _place_of(context, self.settings.neighbour, "neighbour")
        groups = [group_of(entry) for entry in context.entries]
        return nearest_videos(rows, groups, count=1).of(place)[0][0]

    def _figure(self, context: AnalysisContext, found: Sequence[Looked], name: str) -> Figure:
        """Draw one video: its frames, then each view's saliency on them, the neighbour beside."""
        first = found[0]
        chosen = spread_places(len(first.frame_indices), FIGURE_FRAMES)
        frames = squares(context, first.entry, first.frame_indices[chosen], side=FIGURE_SIDE)
        rows = [WallRow("the clip", [Tile(strip(frames))])]
        for one in found:
            shown = overlaid(frames, one.saliency[chosen], most=float(one.saliency.max()))
            rows.append(
                WallRow(f"{one.view}: cosine {one.cosine:.2f} with {_named(one.neighbour)}", [Tile(strip(shown))])
            )
        words = f"{self.settings.how}, {self.settings.across} boxes across, {self.settings.moments} moments"
        return wall_figure(
            name,
            title=f"where it looks: {_named(first.entry)}",
            caption=f"{first.entry.id}, the window in the middle · {context.run.name} at "
            f"{context.run.checkpoint.name} · {words} · red: what makes the clip like its neighbour",
            rows=rows,
        )


def _place_of(context: AnalysisContext, name: Any, setting: str) -> int:
    places = {entry.id: place for place, entry in enumerate(context.entries)}
    if str(name) not in places:
        raise UserError(
            f"--saliency.{setting} names {name}, not among the {counted(len(places), 'video')} that take part "
            f"({context.part}), such as {', '.join(list(places)[:3])}"
        )
    return places[str(name)]


def _named(entry: VideoEntry) -> str:
    return f"{entry.label} ({entry.id.rsplit('/', 1)[-1]})" if entry.label else entry.id


def _sentences(found: Sequence[Looked]) -> tuple[str, ...]:
    """Say for each view whether it looks at the person more than at as much of anything else."""
    sentences = []
    for view in dict.fromkeys(one.view for one in found):
        own = [one for one in found if one.view == view]
        shares = [one.on_person for one in own if one.on_person is not None]
        areas = [one.person_area for one in own if one.person_area is not None]
        if shares:
            share, area = float(np.mean(shares)), float(np.mean(areas))
            sentences.append(
                f"{view}: {100 * share:.0f}% of what makes a clip like its neighbour lies on the person, who covers "
                f"{100 * area:.0f}% of the clip ({counted(len(shares), 'clip')}): {share / area:.1f} times as much as "
                "by chance."
            )
    return tuple(sentences) or (
        "Red marks what makes a clip like its neighbour. Whether that is the person cannot be counted without masks "
        "(view segmentation).",
    )


def _tables(found: Sequence[Looked]) -> tuple[FoundTable, ...]:
    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.0f}%"

    rows = [
        (
            _named(one.entry),
            one.view,
            _named(one.neighbour),
            f"{one.cosine:.2f}",
            share(one.on_person),
            share(one.person_area),
        )
        for one in found
    ]
    columns = ("clip", "view", "neighbour", "cosine", "on the person", "person covers")
    return (FoundTable("what was looked at", columns, tuple(rows)),)


def _values(one: Looked) -> dict[str, Any]:
    return {
        "video": one.entry.id,
        "view": one.view,
        "neighbour": one.neighbour.id,
        "cosine": one.cosine,
        "frames": one.frame_indices.tolist(),
        "saliency by frame": one.saliency.mean(axis=(1, 2)).round(6).tolist(),
        "on person": one.on_person,
        "person area": one.person_area,
    }


def _records(one: Looked) -> list[dict[str, Any]]:
    """Return one row for each frame: how much lies in it, and where the most of it lies, as shares of the picture."""
    records = []
    for frame, picture in zip(one.frame_indices.tolist(), one.saliency, strict=True):
        row, column = np.unravel_index(int(picture.argmax()), picture.shape)
        records.append(
            {
                "video": one.entry.id,
                "view": one.view,
                "neighbour": one.neighbour.id,
                "frame": frame,
                "mean": round(float(picture.mean()), 6),
                "most": round(float(picture.max()), 6),
                "most at y": round((float(row) + 0.5) / picture.shape[0], 4),
                "most at x": round((float(column) + 0.5) / picture.shape[1], 4),
            }
        )
    return records
