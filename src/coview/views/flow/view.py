"""The view `flow`: how far each pixel moves from this frame to the next."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from coview.config import NonNegativeFloat, PositiveFloat
from coview.datatypes import Frame
from coview.errors import UserError
from coview.video.stored import read_planes, write_planes
from coview.views.base import PixelScale, SourceVideo, StorageSettings, View
from coview.views.flow.colour_wheel import colour_flow

Grey = NDArray[np.uint8]
Motion = NDArray[np.float32]
PairFlow = Callable[[Grey, Grey], Motion]

REST = 128
"""The byte of no motion: a whole number, so that rest is exactly 0 for an encoder, mirrored or not."""
REACH = 127
"""Bytes from there to the bound on either side: 1 .. 255. Byte 0 is not written."""
TYPICAL_SPEED = 0.1
"""Root mean square of stored flow as a share of the bound, over real clips (benchmarks/bench_stored_flow.py)."""
PICTURE_SPEED = 0.25
"""Share of the bound at which a drawn colour is pure: most motion is slow."""
PAIRS_AT_ONCE = 32
"""Pairs of frames in a batch on a GPU."""


@dataclass(frozen=True)
class FlowOptions:
    """How flow is computed and stored."""

    algorithm: Literal["tvl1", "farneback", "dis"] = "tvl1"
    """tvl1 (CoCon on UCF101 and HMDB51, ViCC), farneback (CoCon on Kinetics) or dis (the fastest)."""
    bound: PositiveFloat = 20.0
    """Motion of a frame beyond this many pixels is clipped; the range +-bound fills the 256 stored values."""
    crf: NonNegativeFloat = 14.0
    """Quality of H.264: 0 is lossless."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where tvl1 is computed: cpu, one core a process, or cuda, in batches."""


class FlowView(View):
    """Flow as two planes in a small H.264 file; (H, W, 2) uint8, rendered to [-1, 1] for -bound .. bound pixels."""

    name: ClassVar[str] = "flow"
    channels: ClassVar[int] = 2
    suffix: ClassVar[str] = ".mp4"
    Options: ClassVar[type[Any]] = FlowOptions
    scale: ClassVar[PixelScale] = PixelScale(
        REST, REACH, mean=(0.0, 0.0), std=(TYPICAL_SPEED, TYPICAL_SPEED), mirror_signs=(-1.0, 1.0)
    )
    unrecorded: ClassVar[tuple[str, ...]] = ("device",)

    @property
    def reach(self) -> int | None:
        """A frame is made of itself and the next; on a GPU, of all at once."""
        return 1 if self.options.device == "cpu" else None

    def extract(self, frames: Iterable[Frame], video: SourceVideo | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the flow from each frame to the next as (H, W, 2) uint8; the last frame repeats the one before.

        A video of one frame does not move.

        Raises:
            UserError: the options ask for a device that is not there or that the algorithm does not use.
        """
        stored: NDArray[np.uint8] | None = None
        greys = _greys(frames)
        first = next(greys, None)
        if first is None:
            return
        for flow in _flows(first, greys, self.options):
            stored = encode_flow(flow, bound=self.options.bound)
            yield stored
        yield stored if stored is not None else encode_flow(np.zeros((*first.shape, 2), np.float32), bound=1.0)

    def write(self, frames: Iterable[NDArray[Any]], path: Path, *, fps: float, storage: StorageSettings) -> int:
        """Store frames (H, W, 2) uint8; return how many there were."""
        return write_planes(frames, path, fps=fps, gop=storage.gop, crf=self.options.crf, preset=storage.preset)

    def read(self, path: Path, frame_indices: NDArray[Any]) -> NDArray[Any]:
        """Return frames (T, H, W, 2) uint8. Raises `VideoError` for a damaged file or frames that it lacks."""
        return read_planes(path, frame_indices, channels=2)

    def picture(self, raw: NDArray[Any], *, height: int, width: int) -> Frame:
        """Draw one frame with the usual colour wheel: direction is hue, speed is saturation, rest is white."""
        drawn = colour_flow(decode_flow(raw, bound=1.0), full_speed=PICTURE_SPEED)
        shrinks = raw.shape[0] > height or raw.shape[1] > width
        resized = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return np.asarray(resized, np.uint8)


def encode_flow(flow: Motion, *, bound: float) -> NDArray[np.uint8]:
    """Map flow in pixels, clipped to +-bound, to bytes 1 .. 255; 0 becomes 128."""
    return np.asarray(np.rint(np.clip(flow, -bound, bound) * (REACH / bound)) + REST, np.uint8)


def decode_flow(stored: NDArray[np.uint8], *, bound: float) -> Motion:
    """Map bytes back to pixels; 128 becomes 0 exactly."""
    return (stored.astype(np.float32) - np.float32(REST)) * np.float32(bound / REACH)


def _greys(frames: Iterable[Frame]) -> Iterator[Grey]:
    return (np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8) for frame in frames)


def _flows(first: Grey, greys: Iterator[Grey], options: FlowOptions) -> Iterator[Motion]:
    """Yield the flow from each picture to the next."""
    if options.device == "cuda":
        _check_cuda(options)
        yield from _flows_in_batches(first, greys, device="cuda")
        return
    flow_between = pair_flow(options.algorithm)
    for second in greys:
        yield flow_between(first, second)
        first = second


def pair_flow(algorithm: str) -> PairFlow:
    """Return the function of an algorithm; numba loads only when it is used."""
    if algorithm == "tvl1":
        from coview.views.flow.tvl1_numba import tvl1_pair

        return tvl1_pair
    from coview.views.flow.opencv import dis_pair, farneback_pair

    return {"farneback": farneback_pair, "dis": dis_pair}[algorithm]


def _flows_in_batches(first: Grey, greys: Iterator[Grey], *, device: str) -> Iterator[Motion]:
    import torch

    from coview.views.flow.tvl1_torch import tvl1_flow_batch

    def flows_of(pictures: Sequence[Grey]) -> NDArray[np.float32]:
        stack = torch.from_numpy(np.stack(pictures)).to(device)
        return np.asarray(tvl1_flow_batch(stack[:-1], stack[1:]).cpu().numpy())

    waiting = [first]
    for grey in greys:
        waiting.append(grey)
        if len(waiting) > PAIRS_AT_ONCE:
            yield from flows_of(waiting)
            waiting = waiting[-1:]
    if len(waiting) > 1:
        yield from flows_of(waiting)


def _check_cuda(options: FlowOptions) -> None:
    if options.algorithm != "tvl1":
        raise UserError(f"flow on cuda exists for tvl1 only, not for {options.algorithm}; set device to cpu")
    import torch

    if not torch.cuda.is_available():
        raise UserError("flow.device is cuda, but PyTorch sees no CUDA device here; set device to cpu")
