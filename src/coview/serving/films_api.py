"""Pictures and films of videos: /api/videos/{number}/..."""

import asyncio
import os
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel
from starlette.responses import FileResponse

from coview.collection.store import VideoRow
from coview.errors import UserError
from coview.serving.desk import Desk
from coview.serving.fetching import LARGEST_GLANCED_BYTES
from coview.serving.making import content_key

POSTER_SECONDS, COPY_SECONDS, VIEW_SECONDS, PROBE_SECONDS = 60.0, 600.0, 300.0, 60.0
"""How long a process may be silent over a picture, a copy, a view, a look at the header."""
LONGEST_VIEW = 20.0
_SIDES = {"small": 180, "large": 480}
_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}
_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_ASK_AGAIN = {"Cache-Control": "private, no-cache"}

Moment = Annotated[float, Query(ge=0, le=1e6)]


class FilmState(BaseModel):
    """Whether a video can be played."""

    state: Literal["ready", "making", "failed"]
    share: float
    """How much of the copy is made."""
    reason: str = ""
    """Why there is none."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    seconds: float | None = None
    codec: str = ""
    is_copy: bool = False
    """Whether a copy is played, because browsers do not play the file itself."""
    is_fetched: bool = False
    """Whether the file is being fetched from elsewhere."""


def films_router(desk: Desk) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/videos/{number}", tags=["films"])

    @router.get("/poster.jpg", response_class=FileResponse, responses={200: {"content": {"image/jpeg": {}}}})
    async def poster(
        number: int, at: Moment | None = None, size: Literal["small", "large"] = "small", v: str = ""
    ) -> FileResponse:
        """A picture of one moment, in seconds; not given: a third of the way. `v` is the video's key, for caches."""
        row = desk.shelf.video(number)
        length = row.facts.duration_seconds or 0.0
        seconds = round(length / 3 if at is None else min(at, max(length - 0.05, 0.0)) if length else at, 1)
        name = f"{content_key(row)}-{size}-{round(seconds * 10)}.jpg"
        file = await desk.file(row, largest_bytes=LARGEST_GLANCED_BYTES)
        arguments: dict[str, Any] = {"path": str(file), "at": seconds, "height": _SIDES[size]}
        poster = partial(desk.pictures.submit, "poster", timeout_seconds=POSTER_SECONDS, **arguments)
        path = await desk.maker.make(name, poster)
        return FileResponse(path, media_type="image/jpeg", headers=_caching(row, v))

    @router.get("/film/state")
    async def film_state(number: int, begin: bool = True) -> FilmState:
        """Whether the film can be played; where browsers do not play the file, a copy is begun (unless told not to).

        What lies elsewhere is fetched first, whole.
        """
        row = desk.shelf.video(number)
        try:
            fetched = desk.fetched(row)
            if fetched is not None and desk.cache.find(fetched) is None:
                if begin:
                    desk.begin_fetching(row)
                return FilmState(state="making", share=desk.maker.share(fetched) or 0.0, is_fetched=True)
            known = await _describe(desk, row)
            given = {name: known[name] for name in ("width", "height", "fps", "seconds", "codec")}
            if known["is_played"]:
                return FilmState(state="ready", share=1.0, **given)
            name = f"{content_key(row)}-copy.mp4"
            if begin:
                path = str(await desk.file(row))
                desk.maker.begin(name, partial(desk.films.submit, "copy", timeout_seconds=COPY_SECONDS, path=path))
            share = desk.maker.share(name)
            return FilmState(state="ready" if share == 1.0 else "making", share=share or 0.0, is_copy=True, **given)
        except UserError as error:
            return FilmState(state="failed", share=0.0, reason=desk.explain(error))

    @router.get("/film", response_class=FileResponse, responses={206: {}, 409: {}})
    async def film(number: int, v: str = "") -> FileResponse:
        """The film itself, whole or a range of its bytes; 409 where a copy must be made first: see film/state."""
        row = desk.shelf.video(number)
        fetched = desk.fetched(row)
        if fetched is not None and desk.cache.find(fetched) is None:
            raise HTTPException(409, "it lies elsewhere and is not fetched yet: see film/state")
        path = await desk.file(row)
        if (await _describe(desk, row))["is_played"]:
            media_type = _TYPES[path.suffix.lower()]
            return FileResponse(path, media_type=media_type, headers=_caching(row, v))
        copy = desk.cache.find(f"{content_key(row)}-copy.mp4")
        if copy is None:
            raise HTTPException(409, "browsers do not play this file, and there is no copy of it yet: see film/state")
        return FileResponse(copy, media_type="video/mp4", headers=_caching(row, v))

    @router.get("/views/{view}", response_class=FileResponse, responses={200: {"content": {"video/mp4": {}}}})
    async def view(number: int, view: str, start: Moment = 0.0, end: Moment | None = None, v: str = "") -> FileResponse:
        """Some seconds of a view as a film: flow as colours, skeleton and mask over the pictures. 20 s at most."""
        if view not in desk.views_to_show:
            raise HTTPException(404, f"there is no view of this name; there are: {', '.join(desk.views_to_show)}")
        row = desk.shelf.video(number)
        until = row.facts.duration_seconds or start + LONGEST_VIEW
        until = until if end is None else end
        if until <= start:
            raise UserError(f"end is {until:g} s and start {start:g} s; the end must come after the start")
        until = min(until, start + LONGEST_VIEW)
        name = f"{content_key(row)}-{view}-{desk.run_key}-{round(start * 100)}-{round(until * 100)}.mp4"
        arguments: dict[str, Any] = {"path": str(await desk.file(row)), "view": view, "start": start, "end": until}
        film = partial(desk.films.submit, "view", timeout_seconds=VIEW_SECONDS, **arguments)
        path = await desk.maker.make(name, film)
        return FileResponse(path, media_type="video/mp4", headers=_caching(row, v))

    return router


def _caching(row: VideoRow, given: str) -> dict[str, str]:
    """Let browsers keep what was asked for by the key of its content."""
    return _FOR_EVER if given == content_key(row) else _ASK_AGAIN


async def _describe(desk: Desk, row: VideoRow) -> dict[str, Any]:
    """Return what `describe_film` says of a video, looked up once."""
    path = await desk.file(row)
    found = os.stat(path)  # noqa: PTH116
    key = f"{content_key(row)}-{found.st_mtime_ns}-{found.st_size}"
    if key not in desk.films_known:
        job = desk.pictures.submit("film", timeout_seconds=PROBE_SECONDS, path=str(path))
        desk.films_known[key] = await asyncio.wrap_future(job)
    return desk.films_known[key]
