"""What stores have in common whose table is SQLite in the folder of the index: only where vectors lie differs."""

import abc
import contextlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coview.collection.catalogue import Catalogue
from coview.collection.store import Floats, NewVideo, Status, VideoFacts, VideoRow, VideoVectors
from coview.errors import UserError
from coview.files import disk_errors
from coview.locks import folder_lock

LOCK = ".lock"
TABLE = "index.sqlite"
Part = Literal["windows", "videos"]
PARTS: tuple[Part, ...] = ("windows", "videos")


class CatalogueStore(abc.ABC):
    """See `coview.collection.store.Store`.

    Vectors reach their place before the transaction that makes them visible: killed at any moment, what the table does
    not name is no part of the index, and the next process that writes cuts it off.

    Args:
        folder: of the index.
        views: view name -> D.
        identity: what the table must say of itself, name -> text.
        create: make a new one.

    Raises:
        UserError: the table is gone, damaged, or of another index.
    """

    def __init__(self, folder: Path, views: Mapping[str, int], *, identity: Mapping[str, str], create: bool) -> None:
        self.folder = folder
        self.views: Mapping[str, int] = dict(views)
        self.catalogue = Catalogue(folder / TABLE, identity=identity, create=create)

    @abc.abstractmethod
    def append(self, view: str, videos: Sequence[VideoVectors], *, windows: int, rows: int) -> None:
        """Put vectors behind the first so many windows and rows of whole videos, as float16, in place of what is there.

        Raises:
            UserError: they cannot be written.
        """

    @abc.abstractmethod
    def read(self, view: str, part: Part, first: int, count: int) -> NDArray[np.float16]:
        """Return rows (count, D) from `first` on."""

    @abc.abstractmethod
    def fit(self, view: str, part: Part, count: int, *, mend: bool) -> None:
        """Drop what lies behind `count` rows; with `mend`, lost ones are no error."""

    @abc.abstractmethod
    def place(self, view: str, part: Part) -> str:
        """Return where rows lie, for messages."""

    @contextlib.contextmanager
    def writing(self, *, mend: bool = False) -> Iterator[None]:
        """Hold the store for writing; see `Store.writing`. With `mend` lost vectors become zeros, for `damaged`."""
        busy = f"another process is writing to {self.folder}; wait for it to end"
        with contextlib.ExitStack() as held:
            with disk_errors(self.folder):
                held.enter_context(folder_lock(self.folder / LOCK, otherwise=busy))
                for part, count in zip(PARTS, self.catalogue.counts(), strict=True):
                    for view in self.views:
                        self.fit(view, part, count, mend=mend)
            yield

    def add(self, videos: Sequence[NewVideo]) -> None:
        """Add videos, all or none; see `Store.add`."""
        next_window, next_row = self.catalogue.counts()
        with_vectors = [video.vectors for video in videos if video.vectors is not None]
        with disk_errors(self.folder):
            for view in self.views if with_vectors else ():
                self.append(view, with_vectors, windows=next_window, rows=next_row)
        with self.catalogue.transaction():
            for video in videos:
                vectors = video.vectors
                if vectors is None:
                    self.catalogue.insert(video, row=None, first_window=None, checksums={})
                    continue
                sums = {view: [_crc(vectors.windows[view]), _crc(vectors.whole[view])] for view in self.views}
                self.catalogue.insert(video, row=next_row, first_window=next_window, checksums=sums)
                next_window, next_row = next_window + len(vectors.starts), next_row + 1

    def remove(self, numbers: Iterable[int]) -> None:
        """Mark videos gone."""
        with self.catalogue.transaction():
            self.catalogue.mark_gone(numbers)

    def rows(
        self, *, status: Status | None = None, below: str | None = None, **equal: str | Iterable[str]
    ) -> list[VideoRow]:
        """Return videos by what is known of them; see `Store.rows`."""
        return self.catalogue.rows(status=status, below=below, **equal)

    def video(self, number: int) -> VideoRow:
        """Return one video."""
        return self.videos([number])[number]

    def check_table(self) -> None:
        """Look over the table; see `Store.check_table`."""
        self.catalogue.check()

    def videos(self, numbers: Iterable[int]) -> dict[int, VideoRow]:
        """Return number -> video."""
        return self.catalogue.videos(numbers)

    def update(self, facts: Mapping[int, VideoFacts], *, ready: Iterable[int] = ()) -> None:
        """Write anew what is known of videos besides their vectors, and bring back those that were gone."""
        with self.catalogue.transaction():
            for number in ready:
                self.catalogue.mark_ready(number)
            for number, known in facts.items():
                self.catalogue.update(number, known)

    def totals(self) -> tuple[int, int, int]:
        """Return how many videos are ready, how many windows they have, and how many videos failed."""
        return self.catalogue.totals()

    def field_names(self) -> list[str]:
        """Return the names of the user's own fields."""
        return self.catalogue.field_names()

    def set_fields(self, values: Mapping[str, Mapping[str, str]]) -> None:
        """Note own fields: stored path -> name -> text."""
        with self.catalogue.transaction():
            self.catalogue.set_fields(values)

    def close(self) -> None:
        """Close the table."""
        self.catalogue.close()

    def get(self, number: int) -> VideoVectors:
        """Return the vectors of a video; see `Store.get`."""
        (times,) = self.catalogue.times_of([number])
        rows = self.check([number])[number]
        return VideoVectors(
            windows={view: rows[view, "windows"].astype(np.float32) for view in self.views},
            starts=times[:, 0],
            ends=times[:, 1],
            whole={view: rows[view, "videos"][0].astype(np.float32) for view in self.views},
        )

    def check(self, numbers: Iterable[int]) -> dict[int, dict[tuple[str, Part], NDArray[np.float16]]]:
        """Compare the vectors of videos with the checksums that were noted when they were written; return them.

        Raises:
            UserError: they differ; names the place.
        """
        return {
            number: self._check(number, row, first, count, checksums)
            for number, (row, first, count, checksums) in self.catalogue.places_of(numbers).items()
        }

    def _check(
        self, number: int, row: int, first: int, count: int, checksums: Mapping[str, Sequence[int]]
    ) -> dict[tuple[str, Part], NDArray[np.float16]]:
        places: dict[Part, tuple[int, int]] = {"windows": (first, count), "videos": (row, 1)}
        found = {}
        for view in self.views:
            for part, noted in zip(PARTS, checksums[view], strict=True):
                rows = found[view, part] = self.read(view, part, *places[part])
                if _crc(rows) != noted:
                    raise UserError(
                        f"{self.place(view, part)} is damaged where it holds {self.video(number).facts.path}; "
                        "embed again what is damaged: coview index RUN SOURCE INDEX --verify"
                    )
        return found

    def damaged(self) -> list[int]:
        """Return the videos whose vectors are not what was written, reading all of them."""
        found = []
        for row in self.rows(status="ready"):
            try:
                self.check([row.number])
            except UserError:
                found.append(row.number)
        return found


def _crc(rows: Floats | NDArray[np.float16]) -> int:
    """Return the checksum of rows as they are stored."""
    return zlib.crc32(np.ascontiguousarray(rows, dtype="<f2").data)
