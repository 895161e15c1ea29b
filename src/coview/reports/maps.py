"""Maps of clips that a reader can walk over: points for the page's script, and the frames of their videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coview.analysis.result import AnalysisResult


@dataclass(frozen=True)
class ClipMap:
    """One map.

    Attributes:
        title: what it shows.
        points: {"x", "y", "video", "label", "group"} each, y upwards.
        colours: group -> "#rrggbb".
    """

    title: str
    points: Sequence[Mapping[str, Any]]
    colours: Mapping[str, str]


def maps_of(payload: Mapping[str, Any]) -> list[ClipMap]:
    """Return the maps in the payload of an analysis, see `coview.analysis.feature_map.FeatureMap`."""
    colours = payload.get("colours", {})
    return [ClipMap(one["title"], one["points"], colours) for one in payload.get("maps", ()) if one["points"]]


def thumbnails(results: Sequence[AnalysisResult]) -> dict[str, str]:
    """Return video id -> the URI of a strip of its frames, each video once however many maps it is on."""
    found: dict[str, str] = {}
    for result in reversed(results):  # the newest counts
        found.update(result.findings.payload.get("thumbnails", {}))
    return found
