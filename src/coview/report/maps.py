"""Maps of clips that a reader can walk over: points for the page's script, and the frames of their videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coview.report.pictures import Album, spread

MOST_THUMBNAILS = 1000
"""Videos of one page whose frames can be seen, so that it stays small; the others show their names."""


@dataclass(frozen=True)
class ClipMap:
    """One map.

    Attributes:
        title: what it shows.
        points: {"x", "y", "video", "label"} each, and a "thumbnail" (URI) where the analysis made one.
    """

    title: str
    points: Sequence[Mapping[str, Any]]

    @property
    def has_labels(self) -> bool:
        """Whether any clip has one."""
        return any(point["label"] is not None for point in self.points)


def maps_of(payload: Mapping[str, Any], *, title: str) -> list[ClipMap]:
    """Return the maps in the payload of an analysis: its "points", or several such under the titles of its "maps".

    Args:
        payload: of the analysis's findings.
        title: for points without one of their own.
    """
    given = dict(payload.get("maps", {}))
    if payload.get("points"):
        given = {title: payload["points"], **given}
    return [ClipMap(name, [_complete(point) for point in points]) for name, points in given.items() if points]


def _complete(point: Mapping[str, Any]) -> dict[str, Any]:
    return {**point, "label": point.get("label") or None}


def thumbnails(maps: Sequence[ClipMap], album: Album | None) -> dict[str, str]:
    """Return video id -> the URI of a strip of its frames, each video once, for points that bring none."""
    videos = dict.fromkeys(p["video"] for one in maps for p in one.points if not p.get("thumbnail"))
    if album is None or not videos:
        return {}
    names = list(videos)
    chosen = names if len(names) <= MOST_THUMBNAILS else [names[i] for i in spread(len(names), MOST_THUMBNAILS)]
    strips = {video: album.thumbnail(video) for video in chosen}
    return {video: strip.uri for video, strip in strips.items() if strip is not None}
