"""Searches that wait at the same time are done together: the rows they look through come from memory once for all."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from coview.collection.vectors import Product, cosines

_MOST = 32
"""Products done together, which bounds the memory that they take."""


class JointProducts:
    """Does the products that threads ask for. Whoever finds nobody at work does those of all who wait."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Product, Future[NDArray[np.float32]]]] = deque()
        self._turn = threading.Lock()

    def cosines(self, products: Sequence[Product]) -> list[NDArray[np.float32]]:
        """Return each product, to the bit as `vectors.cosines` alone does."""
        own: list[Future[NDArray[np.float32]]] = [Future() for _ in products]
        self._waiting.extend(list(zip(products, own, strict=True)))
        while not all(one.done() for one in own):
            with self._turn:
                if not all(one.done() for one in own):
                    self._do_some()
        if any(one.cancelled() for one in own):  # who worked for all failed, which is nobody else's error
            return cosines(products)
        return [one.result() for one in own]

    def _do_some(self) -> None:
        """Do the products that have waited longest."""
        some = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
        try:
            found = cosines([product for product, _ in some])
            for (_, asked), values in zip(some, found, strict=True):
                asked.set_result(values)
        finally:
            for _, asked in some:
                asked.cancel()  # nothing where it is done
