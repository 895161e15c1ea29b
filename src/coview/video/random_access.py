"""Some frames of a stored file: which packets to decode, and nothing decoded or converted that is not asked for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from coview.errors import VideoError
from coview.video.opening import opened_video
from coview.video.planes import plane_samples

_OPTIONS = {"fpsprobesize": "0"}
"""Our files say in their header all that there is to know; decoding frames only to guess a rate is half of opening."""
_FORMATS = ("yuv420p", "yuvj420p")
"""Limited and full range."""
_SEEK_PAST = 48
"""Frames to skip from which on a seek is cheaper than reading past their packets."""


class StoredPicture:
    """One decoded yuv420p picture."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self._planes = frame.planes
        self.height: int = frame.height
        self.width: int = frame.width

    def luma(self) -> NDArray[np.uint8]:
        """Return the brightness, (H, W) uint8, valid as long as this object."""
        return plane_samples(self._planes[0], height=self.height, width=self.width)

    def copy_planes(self, out: NDArray[np.uint8]) -> None:
        """Lay the three planes one after the other into `out`, (H * 3 / 2, W) uint8 contiguous."""
        height, width = self.height, self.width
        flat = out.reshape(-1)
        out[:height] = self.luma()
        size, half = height * width, (height // 2, width // 2)
        for plane, rest in ((1, flat[size : size * 5 // 4]), (2, flat[size * 5 // 4 :])):
            rest.reshape(half)[:] = plane_samples(self._planes[plane], height=half[0], width=half[1])


def read_pictures(
    path: Path,
    frame_indices: NDArray[Any],
    *,
    shape_of: Callable[[int, int], tuple[int, ...]],
    convert: Callable[[StoredPicture, NDArray[np.uint8]], None],
) -> NDArray[np.uint8]:
    """Decode frames and convert each once.

    Args:
        path: a stored file.
        frame_indices: (T,) integers, ascending, repeats allowed.
        shape_of: (height, width) of the stored picture -> shape of one result.
        convert: fills one result, (H, W, C), from its picture.

    Returns:
        (T, *shape) uint8.

    Raises:
        VideoError: the file is damaged, not ours, or lacks a frame.
        ValueError: the indices descend, are negative or none.
    """
    wanted, positions = _checked(frame_indices)
    with opened_video(path, format="mp4", options=_OPTIONS) as (container, stream):
        out = np.empty((len(positions), *shape_of(stream.height, stream.width)), np.uint8)
        place = 0
        for index, frame in _frames_at(path, container, stream, wanted):
            same_size = (frame.width, frame.height) == (stream.width, stream.height)
            if not same_size or frame.format.name not in _FORMATS:
                raise VideoError("corrupt", path, f"frame {index} has another size or format than the header says")
            convert(StoredPicture(frame), out[place])
            repeats = int(np.searchsorted(positions, positions[place], side="right")) - place
            out[place + 1 : place + repeats] = out[place]
            place += repeats
    return out


def _checked(frame_indices: NDArray[Any]) -> tuple[list[int], NDArray[Any]]:
    """Return the distinct indices in order, and for each asked-for frame the rank of its index among them."""
    indices = np.asarray(frame_indices)
    if indices.ndim != 1 or len(indices) == 0 or indices.dtype.kind not in "iu":
        raise ValueError(f"frame_indices is {indices.shape} {indices.dtype}, expected (T,) integers with T >= 1")
    if indices[0] < 0 or (np.diff(indices) < 0).any():
        raise ValueError(f"frame_indices must ascend from 0 or more, got {indices.tolist()}")
    distinct, ranks = np.unique(indices, return_inverse=True)
    return [int(index) for index in distinct], ranks


def _frames_at(
    path: Path, container: InputContainer, stream: VideoStream, wanted: list[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield each wanted (index, frame), in order."""
    count = stream.frames
    if wanted[-1] >= count:
        raise VideoError("corrupt", path, f"it holds {count} frames, frame {wanted[-1]} was asked for")
    ticks = (stream.duration or 0) // count  # every frame lasts as long
    if ticks <= 0:
        raise VideoError("corrupt", path, "its header gives no duration")
    done = 0
    try:
        for frame in _decoded(stream, _needed_packets(container, stream, wanted, ticks=ticks)):
            if frame.pts == wanted[done] * ticks and not frame.is_corrupt:
                yield wanted[done], frame
                done += 1
                if done == len(wanted):
                    return
    except av.FFmpegError as error:
        raise VideoError("corrupt", path, f"decoding fails near frame {wanted[done]}: {error.strerror}") from error
    raise VideoError("corrupt", path, f"frame {wanted[done]} of {count} cannot be decoded")


def _needed_packets(
    container: InputContainer, stream: VideoStream, wanted: list[int], *, ticks: int
) -> Iterator[av.Packet]:
    """Yield the packets that lead from a key frame to each wanted frame.

    A packet waits until a wanted one of its group comes; the next key frame lets those go that wait in vain.
    """
    waiting: list[av.Packet] = []
    remaining = iter(wanted)
    target = next(remaining)
    container.seek(target * ticks, stream=stream)
    for packet in container.demux(stream):
        if packet.pts is None or packet.pts > target * ticks:  # the end, or the wanted packet is not there
            return
        if packet.is_keyframe:
            waiting.clear()
        waiting.append(packet)
        if packet.pts < target * ticks:
            continue
        yield from waiting
        waiting.clear()
        previous, target = target, next(remaining, -1)
        if target < 0:
            return
        if target - previous > _SEEK_PAST:
            container.seek(target * ticks, stream=stream)


def _decoded(stream: VideoStream, packets: Iterator[av.Packet]) -> Iterator[av.VideoFrame]:
    for packet in packets:
        yield from stream.codec_context.decode(packet)
    yield from stream.codec_context.decode(None)
