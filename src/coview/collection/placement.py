"""Where the vectors of videos lie, as the table said at one moment: what a search goes by from beginning to end."""

from collections import OrderedDict
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coview.collection.catalogue import Catalogue
from coview.collection.filters import Filter

_KEPT_SELECTIONS = 16


class Placement:
    """The videos that have vectors, gone ones too (V), in the order of their rows, and their windows (N).

    Attributes:
        state: of the table, which differs after any change.
        rows: (V,) of their whole vectors.
        numbers: (V,).
        firsts: (V,) first window of each.
        counts: (V,) windows of each.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.state = catalogue.state()
        self.rows, self.numbers, self.firsts, self.counts = np.ascontiguousarray(catalogue.places().T)
        self._selections: OrderedDict[str, NDArray[np.bool_]] = OrderedDict()

    def __len__(self) -> int:
        """Return V."""
        return len(self.rows)

    @property
    def num_windows(self) -> int:
        """N."""
        return int(self.counts.sum())

    def select(self, where: Filter) -> NDArray[np.bool_]:
        """Return which videos (V,) a filter lets through."""
        key = repr(where)
        found = self._selections.get(key)
        if found is None:
            selected = self._catalogue.select(where)
            found = np.zeros(len(self), dtype=bool)
            found[selected[selected < len(self)]] = True  # a writer may have added some in between
            self._selections[key] = found
            if len(self._selections) > _KEPT_SELECTIONS:
                self._selections.popitem(last=False)
        return found

    def select_windows(self, where: Filter) -> NDArray[np.bool_]:
        """Return which windows (N,) a filter lets through, by their times too."""
        chosen = np.repeat(self.select(where), self.counts)
        if where.time is not None:
            chosen &= (self._times[:, 1] > where.time.low) & (self._times[:, 0] < where.time.high)
        return chosen

    @cached_property
    def _times(self) -> NDArray[np.float64]:
        """(N, 2) start and end in seconds."""
        return self._catalogue.times()[: self.num_windows]
