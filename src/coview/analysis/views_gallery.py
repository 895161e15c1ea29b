"""What each stored view shows: frames, flow by the colour wheel, skeletons, heatmaps, masks (CoCon, Figures 2, 7)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from coview.analysis.base import Analysis, AnalysisContext, Findings, FoundTable
from coview.analysis.figure import TONES, Figure
from coview.analysis.picture_wall import Tile, WallRow, strip, wall_figure
from coview.analysis.strips import spread_places
from coview.config import Positive
from coview.datatypes import Frame, VideoEntry
from coview.errors import UserError
from coview.views import VIEWS
from coview.views.base import View
from coview.views.flow.colour_wheel import colour_flow
from coview.views.opened import open_views
from coview.views.persons.heatmaps import draw_heatmaps
from coview.wording import counted

HEIGHT = 72
WHEEL_VIEW = "flow"
KEYPOINT_VIEW = "pose"


@dataclass(frozen=True)
class ViewsGallerySettings:
    """Which videos, and how many frames of each."""

    clips: Positive = 3
    """How many videos, evenly spread."""
    videos: tuple[str, ...] = ()
    """Ids of videos to show, in place of chosen ones."""
    frames: Positive = 6
    """Frames of each, evenly spread over it."""


class ViewsGallery(Analysis):
    """Every stored view of a few videos, the same frames below each other, to see that each shows what it should."""

    Settings = ViewsGallerySettings

    def analyse(self, context: AnalysisContext) -> Findings:
        """Draw the views of some videos, and count how far they show anything."""
        videos = self._videos(context)
        views = {name: context.data.view_options[name] for name in VIEWS if name in context.data.view_options}
        opened = open_views(views, views)
        read = {video.id: {name: self._read(context, view, video) for name, view in opened.items()} for video in videos}
        shares = [
            {"video": video.id, "label": video.label or "", "view": name, "mean": round(brightness(frames), 4)}
            for video in videos
            for name, frames in read[video.id].items()
        ]
        return Findings(
            sentences=(
                f"{counted(len(videos), 'video')} in {', '.join(views)}: the same frames below each other. A view that "
                "shows nothing, or something else, teaches nothing.",
                *_empty(shares),
            ),
            tables=(_table(shares),),
            values={"videos": [video.id for video in videos], "views": list(views)},
            records=shares,
            figures=tuple(
                self._figure(context, video, opened, read[video.id], place) for place, video in enumerate(videos, 1)
            ),
        )

    def _videos(self, context: AnalysisContext) -> list[VideoEntry]:
        if not self.settings.videos:
            places = spread_places(len(context.entries), self.settings.clips)
            return [context.entries[place] for place in places]
        chosen = [context.data.entry(str(name)) for name in self.settings.videos]
        for entry in chosen:
            if entry.status != "ready":
                raise UserError(f"video {entry.id!r} is not ready: {entry.reason or entry.status}")
        return chosen

    def _read(self, context: AnalysisContext, view: View, entry: VideoEntry) -> NDArray[Any]:
        """Return raw frames spread over a video."""
        total = entry.num_frames or 1
        wanted = np.array(spread_places(total, self.settings.frames))
        with context.data.stored_file(view.name, entry, view.suffix) as path:
            return view.read(path, wanted)

    def _figure(
        self,
        context: AnalysisContext,
        entry: VideoEntry,
        views: Mapping[str, View],
        read: Mapping[str, NDArray[Any]],
        place: int,
    ) -> Figure:
        width = round(HEIGHT * min(2.0, max(0.5, (entry.width or 4) / (entry.height or 3))))
        rows = [
            WallRow(name, [Tile(strip(frames))])
            for view_name, view in views.items()
            for name, frames in draw_frames(view_name, view, read[view_name], height=HEIGHT, width=width)
        ]
        wheel = WHEEL_VIEW in views
        return wall_figure(
            f"clip{place}",
            title=f"the views of {entry.label or entry.id}",
            caption=f"{entry.id} of {context.data.name}, {self.settings.frames} frames evenly spread"
            + (" · flow: the hue is the direction, see the wheel, the strength is the speed" if wheel else ""),
            rows=rows,
        )


def draw_frames(
    name: str, view: View, raw: NDArray[Any], *, height: int, width: int
) -> Iterator[tuple[str, list[Frame]]]:
    """Yield (heading, frames) of a view: as it is, for keypoints also as heatmaps, for flow with its wheel."""
    pictures = [view.picture(frame, height=height, width=width) for frame in raw]
    if name == WHEEL_VIEW:
        pictures.append(wheel_picture(height))
    yield name, pictures
    if name == KEYPOINT_VIEW:
        yield f"{name}, as heatmaps", heatmap_pictures(raw, height=height, width=width)


def wheel_picture(side: int) -> Frame:
    """Draw the colour wheel: motion to the right is coloured as on the right, (side, side, 3)."""
    offsets = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    motion = np.stack(np.broadcast_arrays(offsets[None, :], offsets[:, None]), axis=-1).astype(np.float32)
    picture = colour_flow(motion, full_speed=1.0)
    picture[np.hypot(motion[..., 0], motion[..., 1]) > 1] = 255
    return picture


def heatmap_pictures(keypoints: NDArray[Any], *, height: int, width: int) -> list[Frame]:
    """Draw heatmaps in one picture a frame, each keypoint in a colour of its own where it is likely.

    Args:
        keypoints: (T, R, K, 3).
        height: of a picture.
        width: of a picture.
    """
    maps = draw_heatmaps(torch.from_numpy(np.asarray(keypoints, np.float32))[None], height)[0]  # (K, T, side, side)
    hexes = [TONES[k % len(TONES)] for k in range(len(maps))]
    tones = np.array(
        [[int(tone[place : place + 2], 16) for place in (1, 3, 5)] for tone in hexes], np.float32
    )  # (K, 3)
    coloured = np.einsum("kthw,kc->thwc", maps.numpy(), tones)
    squares = np.clip(coloured, 0, 255).astype(np.uint8)
    return [np.asarray(cv2.resize(square, (width, height)), np.uint8) for square in squares]


def brightness(raw: NDArray[Any]) -> float:
    """Return how much a view shows: the mean of bytes as a share of 255, or of keypoints' scores."""
    if raw.dtype == np.uint8:
        return float(raw.mean() / 255)
    return float(raw[..., 2].max(axis=1).mean()) if raw.size else 0.0


def _empty(shares: list[dict[str, Any]]) -> list[str]:
    return [f"{one['view']} of {one['video']} shows nothing at all." for one in shares if one["mean"] == 0]


def _table(shares: list[dict[str, Any]]) -> FoundTable:
    rows = tuple((str(one["video"]), str(one["view"]), f"{one['mean']:.3f}") for one in shares)
    return FoundTable("mean value (of 1) of the frames shown", ("video", "view", "mean"), rows)
