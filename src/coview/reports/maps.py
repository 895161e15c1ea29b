"""Maps of clips that a reader can walk over: points for the page's script, and the frames of their videos."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coview.analysis.result import AnalysisResult

_TONE = re.compile(r"#[0-9a-fA-F]{6}")
_JPEG = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/=]*")


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
    colours = {name: tone for name, tone in _pairs(payload.get("colours")) if _TONE.fullmatch(tone)}
    maps = []
    for one in payload.get("maps", ()):
        points = [point for given in one.get("points", ()) if (point := _point(given)) is not None]
        if points:
            maps.append(ClipMap(str(one.get("title", "")), points, colours))
    return maps


def thumbnails(results: Sequence[AnalysisResult]) -> dict[str, dict[str, str]]:
    """Return data set -> video id -> the URI of a strip of its frames, each video once however many maps it is on."""
    found: dict[str, dict[str, str]] = {}
    for result in reversed(results):  # the newest counts
        pictures = _pairs(result.findings.payload.get("thumbnails"))
        found.setdefault(result.data_name, {}).update((name, uri) for name, uri in pictures if _JPEG.fullmatch(uri))
    return {name: pictures for name, pictures in found.items() if pictures}


def _pairs(given: Any) -> list[tuple[str, str]]:
    """Return the texts of a mapping: a run's files may hold anything, and a page only what it expects."""
    if not isinstance(given, Mapping):
        return []
    return [(str(name), value) for name, value in given.items() if isinstance(value, str)]


def _point(given: Any) -> dict[str, Any] | None:
    """Return a point of a map, None for what is none."""
    try:
        place = {"x": float(given["x"]), "y": float(given["y"])}
        names = {name: str(given[name]) for name in ("video", "group")}
    except (KeyError, TypeError, ValueError):
        return None
    label = given.get("label")
    return {**place, **names, "label": label if label is None else str(label)}
