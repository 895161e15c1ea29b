"""The collection as a whole: /api/map, /api/clusters, /api/outliers, /api/duplicates, /api/sample.

Each begins its work when it is first asked for, and is asked again until "state" is "ready".
"""

import json
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from coview.errors import UserError
from coview.serving.collection_api import Video, describe_video, plain
from coview.serving.desk import Desk

_SILENT_SECONDS = 1800.0


class Work(BaseModel):
    """How far it is."""

    state: Literal["ready", "making", "failed"]
    share: float
    """How much is done, as far as is known."""
    reason: str = ""
    """Why it failed."""


class Map(Work):
    """Videos on a plane: near ones are alike. One entry a video in each list."""

    numbers: list[int] = []
    x: list[float] = []
    """0 to 1."""
    y: list[float] = []
    labels: list[str | None] = []


class ClusterFound(BaseModel):
    """Videos that belong together."""

    number: int
    size: int
    label: str | None
    """The most frequent one."""
    label_share: float | None
    videos: list[Video]
    """The most central ones, at most 12."""
    numbers: list[int]
    """Of all, the most central first."""


class ClustersFound(Work):
    """Clusters, the largest first."""

    clusters: list[ClusterFound] = []


class OutlierFound(BaseModel):
    """A video that is far from all others."""

    video: Video
    score: float
    """Above 3 or so is unusual."""
    distance: float
    nearest: Video | None


class OutliersFound(Work):
    """Outliers, the farthest first."""

    outliers: list[OutlierFound] = []


class PairFound(BaseModel):
    """Two videos that show one event."""

    confidence: float
    video: Video
    start: float
    end: float
    other: Video
    other_start: float
    other_end: float
    speed: float
    """How many times as fast the other shows it."""
    is_mirrored: bool


class PairsFound(Work):
    """Pairs, the surest first."""

    pairs: list[PairFound] = []


class ChosenFound(BaseModel):
    """A video of a sample."""

    video: Video
    distance: float
    """1 - cosine to the nearest that was chosen before it."""


class SampleFound(Work):
    """Videos that differ from each other, in the order of choice: the first few are a sample, too."""

    chosen: list[ChosenFound] = []


def findings_router(desk: Desk) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api", tags=["findings"])

    def look(kind: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return how far the work is, and what was found where it is done."""
        name = f"{kind}-{desk.shelf.fingerprint}-{desk.run_key}.json"
        try:
            begin = partial(desk.over.submit, "look_over", timeout_seconds=_SILENT_SECONDS, kind=kind)
            if desk.maker.begin(name, begin) is not None:
                return {"state": "making", "share": desk.maker.share(name) or 0.0}, None
        except UserError as error:
            return {"state": "failed", "share": 0.0, "reason": plain(desk.explain(error))}, None
        return {"state": "ready", "share": 1.0}, json.loads(desk.cache.path(name).read_text(encoding="utf-8"))

    def known(ids: list[str]) -> list[Video | None]:
        """Return videos by id; None for one that has gone meanwhile."""
        return [
            None if number is None else describe_video(desk.shelf.video(number)) for number in desk.shelf.numbers(ids)
        ]

    @router.get("/map")
    def draw_map() -> Map:
        """The videos on a plane (t-SNE of the mean over views): near ones are alike."""
        state, found = look("map")
        if found is None:
            return Map(**state)
        labels = {row.number: row.facts.label for row in desk.shelf.rows(status="ready")}
        names = [labels.get(number) for number in found["numbers"]]
        return Map(**state, **found, labels=[None if name is None else plain(name) for name in names])

    @router.get("/clusters")
    def clusters() -> ClustersFound:
        """Groups of videos, as many as there are, the largest first."""
        state, found = look("clusters")
        groups = []
        for one in [] if found is None else found["found"]:
            numbers = [number for number in desk.shelf.numbers(one["ids"]) if number is not None]
            videos = [describe_video(desk.shelf.video(number)) for number in numbers[:12]]
            label = None if one["label"] is None else plain(one["label"])
            groups.append(
                ClusterFound(
                    number=one["number"],
                    size=one["size"],
                    label=label,
                    label_share=one["label_share"],
                    videos=videos,
                    numbers=numbers,
                )
            )
        return ClustersFound(**state, clusters=groups)

    @router.get("/outliers")
    def outliers() -> OutliersFound:
        """Videos that are far from all others, the farthest first."""
        state, found = look("outliers")
        rows = [] if found is None else found["found"]
        videos, nearest = known([one["id"] for one in rows]), known([one["nearest"] for one in rows])
        listed = [
            OutlierFound(video=video, score=one["score"], distance=one["distance"], nearest=near)
            for one, video, near in zip(rows, videos, nearest, strict=True)
            if video is not None
        ]
        return OutliersFound(**state, outliers=listed)

    @router.get("/duplicates")
    def duplicates() -> PairsFound:
        """Pairs of videos that show one event: encoded again, cropped, mirrored, cut, sped up. Decodes every video."""
        state, found = look("duplicates")
        rows = [] if found is None else found["found"]
        ones, others = known([one["id"] for one in rows]), known([one["other_id"] for one in rows])
        pairs = [
            PairFound(
                confidence=one["confidence"],
                video=video,
                start=one["start_seconds"],
                end=one["end_seconds"],
                other=other,
                other_start=one["other_start_seconds"],
                other_end=one["other_end_seconds"],
                speed=one["speed"],
                is_mirrored=one["is_mirrored"],
            )
            for one, video, other in zip(rows, ones, others, strict=True)
            if video is not None and other is not None
        ]
        return PairsFound(**state, pairs=pairs)

    @router.get("/sample")
    def sample() -> SampleFound:
        """Videos that differ from each other: each next one is the farthest from those before it. 240 at most."""
        state, found = look("sample")
        rows = [] if found is None else found["found"]
        videos = known([one["id"] for one in rows])
        chosen = [
            ChosenFound(video=video, distance=one["distance"])
            for one, video in zip(rows, videos, strict=True)
            if video is not None
        ]
        return SampleFound(**state, chosen=chosen)

    return router
