"""Labels, suggestions, timelines and how good the head is: /api/labelling/..."""

import asyncio
from collections import Counter
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from coview.collection.labels import Label
from coview.collection.labels.label import MOST_LETTERS
from coview.errors import UserError
from coview.serving.collection_api import Video, describe_video, plain
from coview.serving.desk import Desk
from coview.serving.labelling import Workbench

_LONGEST_TIMELINE = 20_000


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ClassStanding(_Model):
    """A class: how many labels, and how well it is found in recordings that the head has not seen."""

    name: str
    labels: int
    f1: float | None = None
    low: float | None = None
    """Of the 95% interval of F1."""
    high: float | None = None
    precision: float | None = None
    recall: float | None = None


class LabellingState(_Model):
    """How the labelling stands."""

    state: Literal["ready", "fitting"]
    classes: list[ClassStanding]
    labels: int
    none_labels: int
    """Labels that say: none of the classes."""
    videos: int
    """How many videos have a label."""
    has_head: bool
    reason: str
    """Why there is no head yet."""
    fit_seconds: float
    macro_f1: float | None = None
    low: float | None = None
    high: float | None = None
    calibration_error: float | None = None
    recordings: int = 0
    remarks: list[str] = []


class NewClass(_Model):
    """A class to name."""

    name: str = Field(max_length=MOST_LETTERS)


class GivenLabel(_Model):
    """What somebody says of a video, or of some seconds of it."""

    video: int
    start: float | None = Field(default=None, ge=0)
    end: float | None = Field(default=None, ge=0)
    classes: list[str] = Field(max_length=100)
    """Empty: none of the classes."""


class StoredLabel(_Model):
    """A label."""

    video: int
    start: float | None
    end: float | None
    classes: list[str]
    who: str
    made_at: str


class Undone(_Model):
    """What was taken back."""

    undone: str | None


class SuggestedMoment(_Model):
    """Something to label."""

    video: Video
    start: float | None
    end: float | None
    why: Literal["unsure", "rare", "new"]
    classes: list[str]
    """That it may be, the likeliest first."""
    probability: float


class SuggestedMoments(_Model):
    """A dozen, or none while they are being found."""

    state: Literal["ready", "making"]
    suggestions: list[SuggestedMoment]


class SegmentFound(_Model):
    """A stretch that shows a class."""

    start: float
    end: float
    label: str
    probability: float


class Timeline(_Model):
    """What the head says of a video over its length."""

    start: list[float]
    end: list[float]
    classes: list[str]
    chances: list[list[float]]
    """Of each class, of each window."""
    segments: list[SegmentFound]
    labels: list[StoredLabel]


def labelling_router(desk: Desk) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/labelling", tags=["labelling"])
    bench: Workbench = desk.bench
    labels = desk.index.labels

    @router.get("")
    def standing() -> LabellingState:
        """How the labelling stands; asked again while "state" is "fitting"."""
        return _describe(bench, desk)

    @router.post("/classes", status_code=201)
    def add_class(given: NewClass) -> LabellingState:
        """Name a class."""
        labels.add_class(given.name)
        return _describe(bench, desk)

    @router.get("/labels")
    def list_labels(video: int | None = None) -> list[StoredLabel]:
        """All labels, or those of one video."""
        return [_stored(one) for one in labels.rows(video) if one.video is not None]

    @router.post("/labels", status_code=201)
    def label(given: GivenLabel) -> StoredLabel:
        """Label a video or some seconds of it; a label of the same seconds is replaced."""
        desk.shelf.video(given.video)
        known = {plain(name): name for name in labels.classes}
        unknown = [name for name in given.classes if name not in known]
        if unknown:
            raise UserError(f"there is no class {unknown[0]!r}; name it first")
        classes = [known[name] for name in given.classes]
        return _stored(labels.add(given.video, classes, start=given.start, end=given.end))

    @router.delete("/labels")
    def remove(
        video: int,
        start: Annotated[float | None, Query(ge=0)] = None,
        end: Annotated[float | None, Query(ge=0)] = None,
    ) -> int:
        """Remove the label of a video, or of exactly these seconds; says how many there were."""
        return labels.remove(video, start=start, end=end)

    @router.post("/undo")
    def undo() -> Undone:
        """Take the last step back."""
        undone = labels.undo()
        return Undone(undone=None if undone is None else plain(undone))

    @router.get("/suggestions")
    def suggestions(
        kind: Literal["moments", "videos"] = "moments", round: Annotated[int, Query(ge=0, le=10**9)] = 0
    ) -> SuggestedMoments:
        """What to label next: uncertain ones, likely members of rare classes, and what nothing is like so far."""
        found = bench.suggestions(kind, round)
        if found is None:
            return SuggestedMoments(state="making", suggestions=[])
        return SuggestedMoments(
            state="ready",
            suggestions=[
                SuggestedMoment(
                    video=describe_video(desk.index.store.video(one.number)),
                    start=one.start_seconds,
                    end=one.end_seconds,
                    why=one.why,  # type: ignore[arg-type]
                    classes=[plain(name) for name in one.classes],
                    probability=one.probability,
                )
                for one in found
            ],
        )

    @router.get("/timeline/{number}")
    async def timeline(number: int) -> Timeline:
        """What the head says of each window of a video, with its segments and labels."""
        desk.shelf.video(number)
        vectors, chances, segments = await asyncio.to_thread(bench.chances, number)
        head = bench.standing.head
        step = max(1, len(vectors.starts) // _LONGEST_TIMELINE)
        return Timeline(
            start=vectors.starts[::step].tolist(),
            end=vectors.ends[::step].tolist(),
            classes=[] if head is None else [plain(name) for name in head.classes],
            chances=[] if chances is None else [[round(float(value), 4) for value in row] for row in chances[::step].T],
            segments=[
                SegmentFound(
                    start=one.start_seconds, end=one.end_seconds, label=plain(one.label), probability=one.probability
                )
                for one in segments
            ],
            labels=[_stored(one) for one in labels.rows(number)],
        )

    return router


def _stored(one: Label) -> StoredLabel:
    return StoredLabel(
        video=one.video or 0,
        start=one.start_seconds,
        end=one.end_seconds,
        classes=[plain(name) for name in one.classes],
        who=plain(one.who),
        made_at=one.made_at,
    )


def _describe(bench: Workbench, desk: Desk) -> LabellingState:
    labels = desk.index.labels
    is_current = bench.is_current
    rows, standing = labels.rows(), bench.standing
    counts = Counter(name for one in rows for name in one.classes)
    quality = standing.quality
    scores = {} if quality is None else {row.name: row for row in quality.classes.rows}
    classes = []
    for name in labels.classes:
        known = ClassStanding(name=plain(name), labels=counts[name])
        if name in scores:
            row = scores[name]
            known.f1, known.precision, known.recall = _known(row.f1), _known(row.precision), _known(row.recall)
            known.low, known.high = map(_known, row.interval)
        classes.append(known)
    return LabellingState(
        state="ready" if is_current else "fitting",
        classes=classes,
        labels=len(rows),
        none_labels=sum(not one.classes for one in rows),
        videos=len({one.path for one in rows}),
        has_head=standing.head is not None,
        reason=plain(desk.explain(UserError(standing.reason))),
        fit_seconds=standing.seconds,
        macro_f1=None if quality is None else _known(quality.classes.macro_f1),
        low=None if quality is None else _known(quality.classes.interval[0]),
        high=None if quality is None else _known(quality.classes.interval[1]),
        calibration_error=None if quality is None else _known(quality.reliability.error),
        recordings=0 if quality is None else quality.recordings,
        remarks=[] if quality is None else [plain(remark) for remark in quality.remarks],
    )


def _known(value: float) -> float | None:
    """Return a number that exists, None for nan."""
    return value if value == value else None
