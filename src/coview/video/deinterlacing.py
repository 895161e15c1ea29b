"""Pictures of which every other line was taken at another time -> pictures of one moment each."""

from collections import deque
from collections.abc import Iterator

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.stream import VideoStream

TimedPicture = tuple[av.VideoFrame, float]

_OPTIONS = "mode=send_frame:parity=auto:deint=interlaced"
"""One picture out for each one in; those that are not marked as interlaced pass as they are."""


class Deinterlacer(Iterator[TimedPicture]):
    """Passes pictures on, the interlaced ones through FFmpeg's bwdif filter; the filter starts at the first of them.

    Args:
        pictures: decoded pictures with their time stamps.
        stream: that they come from.
        is_on: else pictures pass as they are, and are only counted.
    """

    def __init__(self, pictures: Iterator[TimedPicture], stream: VideoStream, *, is_on: bool) -> None:
        self._num_pictures = 0
        self._num_interlaced = 0
        self._is_on = is_on
        self._stream = stream
        self._pictures = self._deinterlace(pictures)

    def __next__(self) -> TimedPicture:
        return next(self._pictures)

    def remark(self) -> str:
        """Say what was done about interlaced pictures so far; empty where there were none."""
        if not self._num_interlaced:
            return ""
        done = "deinterlaced" if self._is_on else "left as they are"
        return f"interlaced: {self._num_interlaced} of {self._num_pictures} frames, {done}"

    def _deinterlace(self, pictures: Iterator[TimedPicture]) -> Iterator[TimedPicture]:
        bwdif: _Bwdif | None = None
        for picture, stamp in pictures:
            self._num_pictures += 1
            self._num_interlaced += picture.interlaced_frame
            if bwdif is not None and not bwdif.fits(picture):
                yield from bwdif.finish()
                bwdif = None
            if bwdif is None and picture.interlaced_frame and self._is_on:
                bwdif = _Bwdif(picture, self._stream)
            if bwdif is None:
                yield picture, stamp
            else:
                yield from bwdif.push(picture, stamp)
        if bwdif is not None:
            yield from bwdif.finish()


class _Bwdif:
    """The filter, set up for pictures of one size and format."""

    def __init__(self, first: av.VideoFrame, stream: VideoStream) -> None:
        self._kind = first.width, first.height, first.format.name
        self._stamps: deque[float] = deque()
        self._graph = Graph()
        self._graph.threads = 1
        source: FilterContext = self._graph.add_buffer(
            width=first.width, height=first.height, format=first.format, time_base=stream.time_base
        )
        self._graph.link_nodes(source, self._graph.add("bwdif", _OPTIONS), self._graph.add("buffersink")).configure()

    def fits(self, picture: av.VideoFrame) -> bool:
        return (picture.width, picture.height, picture.format.name) == self._kind

    def push(self, picture: av.VideoFrame, stamp: float) -> Iterator[TimedPicture]:
        self._stamps.append(stamp)
        self._graph.vpush(picture)
        yield from self._pull()

    def finish(self) -> Iterator[TimedPicture]:
        self._graph.vpush(None)
        yield from self._pull()

    def _pull(self) -> Iterator[TimedPicture]:
        while True:
            try:
                picture = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield picture, self._stamps.popleft()
