"""What an index asks of the place that holds its vectors, and the rows that cross between the two.

The letters here: N windows in all, W windows of one video, D numbers a vector.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from coview.collection.filters import Filter

Floats = NDArray[np.float32]
Status = Literal["ready", "failed", "gone"]
"""ready: it can be found; failed: see its reason; gone: removed, replaced, or no longer in its source."""


@dataclass(frozen=True)
class VideoFacts:
    """All that an index knows of a video besides its vectors."""

    id: str
    """Unique among the videos that are not gone."""
    path: str
    """Of the file, relative to the folder of the index, with "/"."""
    source: str = ""
    """The folder or data set that it was listed from, relative as `path`; "" for a file that was named by itself."""
    label: str | None = None
    """Class name, None where unknown."""
    group: str | None = None
    """Videos cut from one recording share it."""
    size: int = 0
    """Of the file, in bytes."""
    mtime_ns: int = 0
    """When the file was last written, in nanoseconds since 1970."""
    content: str = ""
    """Hash of parts of the file: tells apart two files of one size and time."""
    fps: float | None = None
    """Frames a second of the frames that were embedded."""
    duration_seconds: float | None = None
    """Length."""
    status: Status = "ready"
    """Whether it can be found."""
    reason: str = ""
    """Why it failed, or a remark about a ready one."""

    @property
    def stamp(self) -> tuple[int, int, str]:
        """What tells one state of the file from another."""
        return self.size, self.mtime_ns, self.content


@dataclass(frozen=True)
class VideoVectors:
    """The vectors of one video.

    Attributes:
        windows: view name -> (W, D) unit rows, in order of time.
        starts: (W,) seconds at which windows begin, ascending.
        ends: (W,) seconds.
        whole: view name -> (D,) unit vector of the video: the mean over its windows.
    """

    windows: Mapping[str, Floats]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    whole: Mapping[str, Floats]

    def __post_init__(self) -> None:
        count = len(self.starts)
        if count == 0 or len(self.ends) != count or any(len(rows) != count for rows in self.windows.values()):
            raise ValueError(f"{count} starts, {len(self.ends)} ends: expected one of each a window, at least one")
        if self.windows.keys() != self.whole.keys():
            raise ValueError(f"windows of {list(self.windows)}, but whole videos of {list(self.whole)}")


@dataclass(frozen=True)
class NewVideo:
    """A video to add; one that failed has no vectors."""

    facts: VideoFacts
    vectors: VideoVectors | None = None
    replaces: int | None = None
    """Number of the row that it takes the place of, which is then gone."""


@dataclass(frozen=True)
class VideoRow:
    """A video as it is stored."""

    number: int
    """Its number in the store, never given twice."""
    facts: VideoFacts
    num_windows: int
    """W; 0 for one that failed."""


@dataclass(frozen=True)
class Candidate:
    """A moment or a whole video that a search found."""

    number: int
    """Of the video."""
    cosine: float
    """Mean over the views searched by."""
    cosines: Mapping[str, float] = field(default_factory=dict)
    """View name -> cosine: of a moment, at its best window."""
    start_seconds: float | None = None
    """Where a moment begins; None for a whole video."""
    end_seconds: float | None = None
    """Where it ends."""


@dataclass(frozen=True)
class VideoTable:
    """Vectors of many videos.

    Attributes:
        numbers: (V,) of the videos.
        counts: (V,) how many rows each has, one after the other: its windows, or 1.
        rows: view name -> (n, D) unit rows, float16.
    """

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]
    rows: Mapping[str, NDArray[np.float16]]


def mean_vector(rows: Floats) -> Floats:
    """Return the unit vector (D,) that is the mean of unit rows (W, D); zero where they cancel out."""
    mean = rows.astype(np.float32).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


class Store(Protocol):
    """Holds the videos of an index and their vectors, and searches them.

    Whatever a store has confirmed survives the death of the process; what it was told of and has not confirmed is
    there whole or not at all.
    """

    views: Mapping[str, int]
    """View name -> D."""

    def writing(self, *, mend: bool = False) -> AbstractContextManager[None]:
        """Hold the store for writing, one process at a time: what changes it is called within.

        With `mend`, vectors that are lost are no error; `damaged` then names their videos.

        Raises:
            UserError: another process holds it.
        """

    def add(self, videos: Sequence[NewVideo]) -> None:
        """Add videos, all or none.

        Raises:
            UserError: the disk is full or refuses.
        """

    def sort(self) -> None:
        """Make ready what keeps searches quick among very many windows, where enough of them have come; may be long.

        Called after videos were added. Searches find what was added in any case.

        Raises:
            UserError: the disk is full or refuses.
        """

    def check_table(self) -> None:
        """Look over what is known of videos after a change, so that the next process to open the store need not.

        Raises:
            UserError: it is damaged.
        """

    def remove(self, numbers: Iterable[int]) -> None:
        """Mark videos gone: they are not found any more."""

    def get(self, number: int) -> VideoVectors:
        """Return the vectors of a video.

        Raises:
            UserError: they are damaged.
        """

    def table(self, part: Literal["windows", "videos"], where: Filter) -> VideoTable:
        """Return the vectors of all ready videos that meet a filter, of their windows or as a whole."""

    def damaged(self) -> list[int]:
        """Return the ready videos whose vectors are not what was written, reading all of them."""

    def video(self, number: int) -> VideoRow:
        """Return a video, whatever its status."""

    def videos(self, numbers: Iterable[int]) -> dict[int, VideoRow]:
        """Return number -> video, whatever its status, in the order that they are named in."""

    def update(self, facts: Mapping[int, VideoFacts], *, ready: Iterable[int] = ()) -> None:
        """Write anew what is known of videos besides their vectors and status; `ready` ones are no longer gone."""

    def rows(
        self, *, status: Status | None = None, below: str | None = None, **equal: str | Iterable[str]
    ) -> list[VideoRow]:
        """Return videos by what is known of them: `rows(path=[...])`, `rows(source=...)`, `rows(status="failed")`.

        Without a status, those that are not gone; with `below`, those whose stored path lies in that folder.
        """

    def totals(self) -> tuple[int, int, int]:
        """Return how many videos are ready, how many windows they have, and how many videos failed."""

    def field_names(self) -> list[str]:
        """Return the names of the user's own fields."""

    def set_fields(self, values: Mapping[str, Mapping[str, str]]) -> None:
        """Note fields to filter by: stored path -> name -> text."""

    def close(self) -> None:
        """Close what is open."""

    def search(
        self,
        query: Mapping[str, Floats],
        *,
        top: int,
        kind: Literal["moments", "videos"],
        where: Filter,
        per_video: int,
    ) -> list[Candidate]:
        """Find what is most like a query, best first.

        Args:
            query: view name -> (D,) unit vector; the mean of their cosines decides.
            top: how many.
            kind: moments, or whole videos.
            where: which videos and times are looked at.
            per_video: at most this many moments of a video.
        """
