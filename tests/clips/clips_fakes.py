"""A view without video files: pixel values say which video, frame and channel they are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from coview.clips.loader import TrainingLoader
from coview.clips.samples import ClipSamples
from coview.datasets.prepared import PreparedDataset
from coview.datatypes import ClipBatch, Frame, VideoEntry
from coview.errors import VideoError
from coview.views.base import StorageSettings, View
from coview.views.crop import Geometry


@dataclass(frozen=True)
class NoOptions:
    pass


class NumberedView(View):
    """Frame t of video n is filled with 10 * n + t, so that what was read is seen in the values."""

    name: ClassVar[str] = "numbered"
    channels: ClassVar[int] = 3
    suffix: ClassVar[str] = ".none"
    Options: ClassVar[type[Any]] = NoOptions

    def __init__(self, *, sizes: dict[str, tuple[int, int]] | None = None, broken: str = "") -> None:
        super().__init__(NoOptions())
        self.sizes = sizes or {}
        self.broken = broken
        self.reads: list[list[int]] = []

    def extract(self, frames: Iterable[Frame]) -> Iterator[NDArray[Any]]:
        raise NotImplementedError

    def write(self, frames: Iterable[NDArray[Any]], path: Path, *, fps: float, storage: StorageSettings) -> int:
        raise NotImplementedError

    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        if path.stem == self.broken:
            raise VideoError("corrupt", path, "decoding fails")
        self.reads.append(frame_indices.tolist())
        height, width = self.sizes.get(path.stem, (2, 3))
        values = (10 * int(path.stem[1:]) + frame_indices).astype(np.uint8)
        return np.broadcast_to(values[:, None, None, None], (len(values), height, width, self.channels)).copy()

    def render(self, raw: Tensor, frame_sizes: Tensor | None, geometry: Geometry, size: int) -> Tensor:
        raise NotImplementedError

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        raise NotImplementedError


class OtherView(NumberedView):
    """A second view of the same frames."""

    name: ClassVar[str] = "other"
    channels: ClassVar[int] = 2


def numbered_data(root: Path, num_frames: list[int]) -> PreparedDataset:
    """Videos v0, v1, ... of these lengths, after one that failed."""
    failed = VideoEntry(id="failed", path="/failed.mp4", status="failed")
    ready = [VideoEntry(id=f"v{n}", path=f"/v{n}.mp4", status="ready", num_frames=t) for n, t in enumerate(num_frames)]
    return PreparedDataset(root=root, entries=(failed, *ready), view_options={}, info={})


def one_epoch(
    dataset: ClipSamples, *, epoch: int, first_step: int = 0, workers: int = 0, **options: Any
) -> list[ClipBatch]:
    """Return the batches of an epoch from a step on, by a loader of its own."""
    with TrainingLoader(dataset, workers=workers, **options) as loader:
        return list(loader.epoch(epoch, first_step=first_step))
