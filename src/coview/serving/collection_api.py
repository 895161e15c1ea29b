"""Videos, searches and uploads: /api/..."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from coview.collection.store import VideoRow
from coview.serving.desk import Desk
from coview.serving.making import content_key
from coview.serving.searching import Example


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class LabelCount(_Model):
    """A label and how many videos have it."""

    label: str
    videos: int


class CollectionFacts(_Model):
    """The collection in short."""

    name: str
    videos: int
    windows: int
    failed: int
    views: list[str]
    """Views that one can search by."""
    views_to_show: list[str]
    """Views that can be drawn."""
    labels: list[LabelCount]
    fields: list[str]
    """Names of the owner's own fields, to filter by."""


class Video(_Model):
    """A video of the collection."""

    number: int
    """What it is asked for by."""
    key: str
    """Changes with the content of its file."""
    id: str
    label: str | None
    group: str | None
    seconds: float | None
    windows: int
    status: Literal["ready", "failed", "gone"]
    reason: str


class Videos(_Model):
    """Some of the videos that fit."""

    total: int
    videos: list[Video]


class Segment(_Model):
    """What to search for: a video by number, or an upload by token; or some seconds of it."""

    video: int | None = None
    upload: str | None = Field(default=None, max_length=64)
    start: float | None = Field(default=None, ge=0)
    end: float | None = Field(default=None, ge=0)

    def example(self) -> Example:
        """Return the same, as searches take it."""
        return Example(self.video, self.upload, self.start, self.end)


class Conditions(_Model):
    """Conditions that all hold."""

    label: list[str] = Field(default=[], max_length=1000)
    path: list[str] = Field(default=[], max_length=100)
    """Patterns such as "cam1/*"."""
    time: tuple[float | None, float | None] | None = None
    """Seconds from, to, within a video."""
    duration: tuple[float | None, float | None] | None = None
    fields: dict[str, list[str]] = {}
    """Own field -> any of these texts, or one range such as "20..25"."""

    def where(self) -> dict[str, Any]:
        """Return the same, as `Index.search` takes it."""
        own = {name: texts[0] if len(texts) == 1 else texts for name, texts in self.fields.items()}
        known = {"label": self.label, "path": self.path, "time": self.time, "duration": self.duration}
        return own | {name: value for name, value in known.items() if value}


class Question(_Model):
    """A search."""

    query: Segment
    views: list[str] = []
    """Views to compare; none: all, by their mean cosine."""
    moments: bool = True
    """Moments; otherwise whole videos."""
    top: int = Field(default=60, ge=1, le=500)
    per_video: int = Field(default=3, ge=1, le=100)
    where: Conditions = Conditions()


class Hit(_Model):
    """A moment, or a whole video."""

    rank: int
    video: Video
    cosine: float
    cosines: dict[str, float]
    start: float | None
    end: float | None
    is_query: bool


class Answer(_Model):
    """What was found, best first."""

    query: str
    hits: list[Hit]
    seconds: float
    """How long it took."""


class HeatQuestion(_Model):
    """A question for how like the query each window of a video is."""

    query: Segment
    video: int
    views: list[str] = []


class Heat(_Model):
    """Windows of a video in order of time."""

    start: list[float]
    end: list[float]
    cosine: list[float]


class Dropped(_Model):
    """A file that was taken in."""

    upload: str
    """Its token."""
    name: str
    size: int


def describe_video(row: VideoRow) -> Video:
    """Return what the page shows of a video; names that are no Unicode are shown with escapes."""
    facts = row.facts
    return Video(
        number=row.number,
        key=content_key(row),
        id=plain(facts.id),
        label=None if facts.label is None else plain(facts.label),
        group=None if facts.group is None else plain(facts.group),
        seconds=facts.duration_seconds,
        windows=row.num_windows,
        status=facts.status,
        reason=plain(facts.reason),
    )


def plain(text: str) -> str:
    """Return a text that can be sent: bytes of a file name that are no UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def collection_router(desk: Desk) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api", tags=["collection"])

    @router.get("/collection")
    def collection() -> CollectionFacts:
        """The collection in short: how much it holds, views, labels, own fields."""
        videos, windows, failed = desk.index.store.totals()
        return CollectionFacts(
            name=plain(desk.index.path.resolve().name),
            videos=videos,
            windows=windows,
            failed=failed,
            views=list(desk.index.views),
            views_to_show=list(desk.views_to_show),
            labels=[LabelCount(label=plain(label), videos=count) for label, count in desk.shelf.labels()],
            fields=[plain(name) for name in desk.index.store.field_names()],
        )

    @router.get("/videos")
    def videos(
        text: Annotated[str, Query(max_length=200)] = "",
        label: Annotated[list[str] | None, Query()] = None,
        number: Annotated[list[int] | None, Query(max_length=200)] = None,
        status: Literal["ready", "failed"] | None = "ready",
        order: Literal["name", "longest", "newest"] = "name",
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 60,
    ) -> Videos:
        """Videos by name and label, or by number, some at a time."""
        found = desk.shelf.rows(text=text, labels=label or (), status=status, order=order)
        if number is not None:
            wanted = {one: place for place, one in enumerate(number)}
            found = sorted((row for row in found if row.number in wanted), key=lambda row: wanted[row.number])
        return Videos(total=len(found), videos=[describe_video(row) for row in found[offset : offset + limit]])

    @router.get("/videos/{number}")
    def video(number: int) -> Video:
        """One video."""
        return describe_video(desk.shelf.video(number))

    @router.post("/search")
    async def search(question: Question) -> Answer:
        """Find what is most like an example."""
        started = time.perf_counter()
        found = await desk.searches.search(
            question.query.example(),
            views=question.views,
            top=question.top,
            moments=question.moments,
            per_video=question.per_video,
            where=question.where.where(),
        )
        numbers = desk.shelf.numbers([hit.id for hit in found])
        hits = [
            Hit(
                rank=hit.rank,
                video=describe_video(desk.shelf.video(number)),
                cosine=hit.cosine,
                cosines=dict(hit.cosines),
                start=hit.start_seconds,
                end=hit.end_seconds,
                is_query=hit.is_query,
            )
            for hit, number in zip(found, numbers, strict=True)
            if number is not None
        ]
        return Answer(query=plain(found.query), hits=hits, seconds=time.perf_counter() - started)

    @router.post("/heat")
    async def heat(question: HeatQuestion) -> Heat:
        """How like the query is each window of one video? For a strip over its length."""
        return Heat(**await desk.searches.heat(question.query.example(), question.video, views=question.views))

    @router.post("/uploads", status_code=201)
    async def upload(request: Request, name: Annotated[str, Query(max_length=1000)] = "") -> Dropped:
        """Take a video file in, as the body of the request; search with its token. The last few are kept."""
        taken = await desk.uploads.receive(request.stream(), name=name)
        return Dropped(upload=taken.token, name=plain(taken.name), size=taken.size)

    return router
