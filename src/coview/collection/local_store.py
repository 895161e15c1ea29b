"""A store in a folder of this machine: `index.sqlite` says what counts, `vectors/<view>-<part>.f16` hold the numbers.

Searches look at every window, up to some 300,000; beyond that at the nearest cells (`ann/`) and at what came later.

Part is "windows" or "videos". Vectors reach the disk before the transaction that makes them visible: killed at any
moment, what the table does not name is no part of the index, and the next process that writes cuts it off.
"""

import heapq
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coview.collection.catalogue_store import PARTS, CatalogueStore, Part
from coview.collection.cell_file import CellFile, SortedWindows
from coview.collection.cells import Cells, build_cells
from coview.collection.filters import Filter
from coview.collection.joint_products import JointProducts
from coview.collection.moments import find_moments
from coview.collection.placement import Placement
from coview.collection.ranking import best_of_each, best_places, join_parts, join_rows, mean_of_views
from coview.collection.store import Candidate, Floats, VideoTable, VideoVectors
from coview.collection.vectors import Product, VectorFile, cosines, cosines_at
from coview.errors import MissingExtraError, UserError

log = logging.getLogger(__name__)

FEWEST_SORTED = 300_000
"""Windows from which on they are sorted into cells."""
_MOST_UNSORTED = 0.1
"""Share of windows that may have come since."""


class LocalStore(CatalogueStore):
    """See `coview.collection.store.Store`.

    Args:
        folder: of the index.
        views: view name -> D.
        identity: what the table must say of itself, name -> text.
        create: make a new one.

    Raises:
        UserError: files are gone, damaged, or of another index.
    """

    def __init__(
        self, folder: Path, views: Mapping[str, int], *, identity: Mapping[str, str], create: bool = False
    ) -> None:
        vectors = folder / "vectors"
        if create:
            vectors.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, views, identity=identity, create=create)
        self._files: dict[tuple[str, Part], VectorFile] = {
            (view, part): VectorFile(vectors / f"{view}-{part}.f16", size)
            for view, size in views.items()
            for part in PARTS
        }
        self._placement: Placement | None = None
        self._products = JointProducts()
        self._cell_file = CellFile(folder, self.views, self._vouch)

    def append(self, view: str, videos: Sequence[VideoVectors], *, windows: int, rows: int) -> None:
        """Write vectors to the disk; see `CatalogueStore.append`."""
        self._files[view, "windows"].append([one.windows[view] for one in videos], count=windows)
        self._files[view, "videos"].append([one.whole[view][None] for one in videos], count=rows)

    def read(self, view: str, part: Part, first: int, count: int) -> NDArray[np.float16]:
        """Return rows from `first` on, mapped."""
        return self._files[view, part].some(first, count)

    def fit(self, view: str, part: Part, count: int, *, mend: bool) -> None:
        """Cut off what lies behind `count` rows."""
        self._files[view, part].fit(count, mend=mend)

    def place(self, view: str, part: Part) -> str:
        """Return the path of the file."""
        return str(self._files[view, part].path)

    def _place_videos(self) -> Placement:
        """Return where the vectors of videos lie, read anew where anything has changed."""
        placement = self._placement
        if placement is None or placement.state != self.catalogue.state():
            placement = self._placement = Placement(self.catalogue)
        return placement

    def sort(self) -> None:
        """Sort windows into cells where they are many; see `Store.sort`."""
        windows, _ = self.catalogue.counts()
        if windows < FEWEST_SORTED:
            return
        held = self._cell_file.read()
        is_complete = held is not None and held.cells.keys() == {*self._searched_together()}
        if held is not None and is_complete and windows - held.count <= _MOST_UNSORTED * windows:
            return
        try:
            cells = {}
            for name in self._searched_together():
                files = [self._files[view, "windows"].rows(windows) for view in name.split("+")]
                cells[name] = build_cells(partial(join_rows, files), windows)
        except MissingExtraError as error:
            log.warning("every search looks at all %s windows: %s", f"{windows:,}", error)
            return
        self._cell_file.write(SortedWindows(cells, windows))

    def _searched_together(self) -> list[str]:
        """Return names of cells: of each view, and of all of them."""
        return list(dict.fromkeys([*self.views, "+".join(self.views)]))

    def _vouch(self, count: int) -> str:
        """Return the checksums of the video to which window `count - 1` belongs."""
        return self.catalogue.checksums_at(count - 1)

    def _cells(self, views: Sequence[str], windows: int) -> Cells | None:
        """Return cells to search by these views, None where a search has to look at everything."""
        held = self._cell_file.read() if windows >= FEWEST_SORTED else None
        name = "+".join(view for view in self.views if view in views)
        return held.cells.get(name) if held is not None and held.count <= windows else None

    def search(
        self,
        query: Mapping[str, Floats],
        *,
        top: int,
        kind: Literal["moments", "videos"],
        where: Filter,
        per_video: int,
    ) -> list[Candidate]:
        """Find what is most like a query; see `Store.search`."""
        placement = self._place_videos()
        if kind == "moments":
            found = self._search_moments(query, placement, top=top, where=where, per_video=per_video)
        else:
            if where.time is not None:
                raise UserError("a filter by time is about moments; leave it out, or search for moments")
            found = self._search_videos(query, placement, top=top, where=where)
        self.check([candidate.number for candidate in found])
        return found

    def table(self, part: Part, where: Filter) -> VideoTable:
        """Return the vectors of many videos; see `Store.table`."""
        placement = self._place_videos()
        selected = placement.select(where)
        is_chosen, counts = selected, np.ones(int(selected.sum()), np.int64)
        if part == "windows":
            is_chosen, counts = np.repeat(selected, placement.counts), placement.counts[selected]
        rows = {view: self._files[view, part].rows(len(is_chosen)) for view in self.views}
        every = is_chosen.all()
        return VideoTable(
            placement.numbers[selected], counts, rows if every else {view: rows[view][is_chosen] for view in rows}
        )

    def _cosines(
        self, query: Mapping[str, Floats], part: Part, chosen: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.float32]]:
        """Return view name -> (n,), -inf where a row is not chosen."""
        products = [Product(self._files[view, part].rows(len(chosen)), query[view], chosen) for view in query]
        return dict(zip(query, self._products.cosines(products), strict=True))

    def _search_videos(
        self, query: Mapping[str, Floats], placement: Placement, *, top: int, where: Filter
    ) -> list[Candidate]:
        by_view = self._cosines(query, "videos", placement.select(where))
        total = mean_of_views(by_view)
        return [
            Candidate(
                int(placement.numbers[row]), float(total[row]), {view: float(by_view[view][row]) for view in query}
            )
            for row in best_places(total, top)
        ]

    def _search_moments(
        self, query: Mapping[str, Floats], placement: Placement, *, top: int, where: Filter, per_video: int
    ) -> list[Candidate]:
        numbers, firsts, counts = placement.numbers, placement.firsts, placement.counts
        chosen = placement.select_windows(where)  # (N,)
        if not chosen.any():
            return []
        rows = {view: self._files[view, "windows"].rows(len(chosen)) for view in query}
        cells = self._cells([*query], len(chosen))
        if cells is None:
            by_view = self._cosines(query, "windows", chosen)
            looked_at, values = None, mean_of_views(by_view)
        else:
            looked_at = cells.choose(join_parts([query[view] for view in self.views if view in query]), chosen)
            values = mean_of_views({view: cosines_at(rows[view], vector, looked_at) for view, vector in query.items()})
        # A video that is not among the `top` by its best window has no moment among the `top` moments.
        best_of_video = best_of_each(values, firsts, looked_at)  # (V,)
        found: list[Candidate] = []
        best: list[float] = []  # a heap of the `top` best cosines
        best_videos = best_places(best_of_video, top)
        for row, times in zip(best_videos, self.catalogue.times_of(numbers[best_videos].tolist()), strict=True):
            if looked_at is None and len(best) == top and best_of_video[row] < best[0]:
                break  # this video has no moment that is better, nor have those after it
            windows = slice(int(firsts[row]), int(firsts[row] + counts[row]))
            if looked_at is None:
                of_views = {view: by_view[view][windows] for view in query}
            else:
                parts = [Product(rows[view][windows], query[view], chosen[windows]) for view in query]
                of_views = dict(zip(query, cosines(parts), strict=True))
            total = mean_of_views(of_views)
            for window, start, end in find_moments(total, times[:, 0], times[:, 1], most=per_video):
                cosine_of = {view: float(of_views[view][window]) for view in query}
                found.append(Candidate(int(numbers[row]), float(total[window]), cosine_of, start, end))
                (heapq.heappushpop if len(best) == top else heapq.heappush)(best, found[-1].cosine)
        return sorted(found, key=lambda one: (-one.cosine, one.number))[:top]
