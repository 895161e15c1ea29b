"""INDEX/ann/cells.safetensors: the cells of an index, one file that is replaced as a whole and can be made again.

It is no part of what an index promises to keep: where it is lost, damaged or of other vectors, a search looks at
everything, and the next `coview index` sorts again. A stranger's file is checked before it is used.
"""

import json
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from coview.collection.cells import Cells
from coview.files import atomic_path, disk_errors

log = logging.getLogger(__name__)

FOLDER, NAME = "ann", "cells.safetensors"
_FORMAT = "1"
_PARTS = ("centroids", "rows", "ends")


@dataclass(frozen=True)
class SortedWindows:
    """The first n windows of an index, in cells.

    Attributes:
        cells: views that are searched by together, joined by "+" -> cells of their vectors side by side.
        count: n.
    """

    cells: Mapping[str, Cells]
    count: int


class CellFile:
    """The file of one index; read when it is first needed, and again where it was replaced.

    Args:
        folder: of the index.
        sizes: view name -> D.
        vouch: count -> a text that tells what the first so many windows are.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int], vouch: Callable[[int], str]) -> None:
        self.path = folder / FOLDER / NAME
        self._sizes, self._vouch = sizes, vouch
        self._state: tuple[int, int, int] | None = None
        self._held: SortedWindows | None = None

    def write(self, held: SortedWindows) -> None:
        """Replace the file.

        Raises:
            UserError: the disk is full or refuses.
        """
        tensors = {
            f"{name}:{part}": np.ascontiguousarray(getattr(cells, part))
            for name, cells in held.cells.items()
            for part in _PARTS
        }
        about = {"format": _FORMAT, "count": str(held.count), "names": json.dumps([*held.cells]), "sum": _sum(tensors)}
        with disk_errors(self.path.parent.parent), atomic_path(self.path) as aside:
            save_file(tensors, aside, metadata={**about, "of": self._vouch(held.count)})

    def read(self) -> SortedWindows | None:
        """Return what the file holds; None where there is none, or none that can be trusted, which is told once."""
        try:
            found = self.path.stat()
        except OSError:
            self._state = self._held = None
            return None
        state = found.st_ino, found.st_size, found.st_mtime_ns
        if state != self._state:
            self._state, self._held = state, None
            try:
                self._held = self._load()
            except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
                log.warning("%s (%s): searches look at everything until coview index is called again", self.path, error)
        return self._held

    def _load(self) -> SortedWindows:
        with safe_open(self.path, framework="np") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        names = json.loads(about["names"])
        cells = {str(name): Cells(*(tensors[f"{name}:{part}"] for part in _PARTS)) for name in names}
        count = int(about["count"])
        if about["format"] != _FORMAT:
            raise ValueError("made by another version of coview")
        are_whole = (
            one.are_whole(sum(self._sizes[view] for view in name.split("+"))) and len(one.rows) == count
            for name, one in cells.items()
        )
        if about["sum"] != _sum(tensors) or not all(are_whole):
            raise ValueError("damaged")
        if about["of"] != self._vouch(count):
            raise ValueError("made of other vectors")
        return SortedWindows(cells, count)


def _sum(tensors: Mapping[str, NDArray[Any]]) -> str:
    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(tensors[name].tobytes(), zlib.crc32(name.encode(), total))
    return f"{total:08x}"
