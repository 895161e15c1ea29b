"""What can be asked of a collection as a whole, besides what is like a query."""

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from coview.collection.curation import (
    Clusters,
    Outliers,
    Sample,
    Selection,
    check_counts,
    list_clusters,
    list_outliers,
    list_sample,
)
from coview.errors import UserError

if TYPE_CHECKING:
    from coview.collection.duplicates import Duplicates
    from coview.datatypes import ProgressSink


class CuratedCollection(abc.ABC):
    """A collection that names its duplicates, outliers and clusters, and a few videos that stand for all."""

    @abc.abstractmethod
    def select(
        self,
        view: str | Sequence[str] | None,
        where: Mapping[str, Any] | None,
        part: Literal["windows", "videos"] = "videos",
    ) -> Selection:
        """Return the ready videos that meet conditions, with vectors of some views."""

    def duplicates(
        self,
        *,
        min_confidence: float = 0.5,
        candidates: int = 12,
        fetch: bool = False,
        view: str | Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        threads: int | None = None,
        progress: "ProgressSink | None" = None,
    ) -> "Duplicates":
        """Find pairs of videos that show one event: encoded again, cropped, mirrored, cut, sped up or slowed down.

        Every video is decoded once or twice, at a small size: pairs whose vectors or pictures are near are laid on
        each other.

        Args:
            min_confidence: pairs less sure than this, 0 to 1, are left out.
            candidates: how many videos each one is compared with: its nearest by vectors, and by pictures.
            fetch: read videos in object storage and on web servers, too; otherwise only their exact copies are found.
            view: as for `search`.
            where: as for `search`, without "time".
            threads: that decode; not given: one a core, at most 4.
            progress: told (work done, all of it, {"unreadable": videos}).

        Raises:
            UserError: an unknown view or condition, or numbers that make no sense.
        """
        from coview.collection.duplicates import list_duplicates

        chosen: dict[str, Any] = {
            "min_confidence": min_confidence,
            "candidates": candidates,
            "fetch": fetch,
            "threads": threads,
        }
        return list_duplicates(self.select(view, where, part="windows"), **chosen, progress=progress)

    def outliers(
        self,
        *,
        top: int = 20,
        neighbours: int = 10,
        view: str | Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Outliers:
        """Find the videos that are farthest from their nearest neighbours.

        Args:
            top: how many.
            neighbours: how many neighbours are looked at; fewer look-alikes than that do not hide each other.
            view: as for `search`.
            where: as for `search`, without "time".

        Raises:
            UserError: an unknown view or condition, or a number below 1.
        """
        check_counts(top=top, neighbours=neighbours)
        return list_outliers(self.select(view, where), top=top, neighbours=neighbours)

    def clusters(
        self,
        *,
        min_size: int = 5,
        central: int = 3,
        view: str | Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Clusters:
        """Find groups of videos, as many as there are; each is named by its most central ones.

        Args:
            min_size: fewer videos than this are no cluster.
            central: how many videos name it.
            view: as for `search`.
            where: as for `search`, without "time".

        Raises:
            UserError: an unknown view or condition, or numbers that make no sense.
        """
        check_counts(min_size=min_size, central=central)
        if min_size < 2:
            raise UserError("min_size is 1: a cluster has at least 2 videos")
        return list_clusters(self.select(view, where), min_size=min_size, central=central)

    def sample(
        self, count: int, *, view: str | Sequence[str] | None = None, where: Mapping[str, Any] | None = None
    ) -> Sample:
        """Choose videos that differ from each other, such that none that is left out is far from all of them.

        Args:
            count: how many.
            view: as for `search`.
            where: as for `search`, without "time".

        Raises:
            UserError: an unknown view or condition, or a count below 1.
        """
        check_counts(count=count)
        return list_sample(self.select(view, where), count)
