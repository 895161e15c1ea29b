"""The video files that coview itself keeps: frame-exact random access to a few frames of many files.

H.264 in MP4, a key frame every `gop` frames and every other frame predicted from the one before it only, so that
frame t is reached by decoding at most `gop` frames. Frame t has time stamp t / fps. Everything runs on one thread:
those who read many clips do so in many processes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from coview.datatypes import Frame
from coview.errors import VideoError
from coview.video.encode import PRESET, Encoding, Preset, encode_pictures, plane_pictures, rgb_pictures
from coview.video.random_access import StoredPicture, read_pictures

RGB_CRF = 18.0
"""Looks lossless; mean error about 2 of 255 on real clips, of which 0.6 is the halved colour resolution."""


def write_rgb(
    frames: Iterable[Frame], path: Path, *, fps: float, gop: int, crf: float = RGB_CRF, preset: Preset = PRESET
) -> int:
    """Store RGB frames; see `write_yuv` for pictures that are of the encoder's format already.

    Args:
        frames: (H, W, 3) uint8 each, all of one even size.
        path: the file to write.
        fps: frames a second, at most 1000.
        gop: frames from one key frame to the next.
        crf: quality of H.264, 0 is lossless (but for the halved colour resolution).
        preset: x264's trade of time for size; "medium" spreads bytes as looks best to an eye, "veryfast" for the
            least squared error.

    Returns:
        How many frames there were; when none, no file is written.

    Raises:
        ValueError: frames of unequal or odd size.
    """
    return write_yuv(rgb_pictures(frames), path, fps=fps, gop=gop, crf=crf, preset=preset)


def write_yuv(
    pictures: Iterable[av.VideoFrame], path: Path, *, fps: float, gop: int, crf: float, preset: Preset = PRESET
) -> int:
    """Store yuv420p pictures, BT.601 in limited range, all of one even size; the rest is as with `write_rgb`."""
    tune = "" if preset == "medium" else "psnr"
    encoding = Encoding(fps=fps, gop=gop, crf=crf, tune=tune, color_range=ColorRange.MPEG, preset=preset)
    return encode_pictures(pictures, path, encoding)


def write_planes(
    frames: Iterable[Frame], path: Path, *, fps: float, gop: int, crf: float, preset: Preset = PRESET
) -> int:
    """Store frames of C planes whose values matter as numbers, such as flow: one above the other, in luma alone.

    Args:
        frames: (H, W, C) uint8 each, all of one even size; all 256 values are used as they are.
        path: the file to write; a player shows a grey picture of C * H rows.
        fps: frames a second, at most 1000.
        gop: frames from one key frame to the next.
        crf: quality of H.264, 0 is lossless.
        preset: x264's trade of time for size.

    Returns:
        How many frames there were; when none, no file is written.

    Raises:
        ValueError: frames of unequal or odd size.
    """
    encoding = Encoding(fps=fps, gop=gop, crf=crf, tune="psnr", color_range=ColorRange.JPEG, preset=preset)
    return encode_pictures(plane_pictures(frames), path, encoding)


def read_rgb(path: Path, frame_indices: NDArray[Any]) -> NDArray[np.uint8]:
    """Read some frames of a file that `write_rgb` made.

    Args:
        path: the file.
        frame_indices: (T,) integers, ascending, repeats allowed, T >= 1.

    Returns:
        (T, H, W, 3) uint8.

    Raises:
        VideoError: the file is damaged, not ours, or lacks a frame.
        ValueError: the indices descend, are negative or none.
    """
    buffer: NDArray[np.uint8] | None = None

    def convert(picture: StoredPicture, out: NDArray[np.uint8]) -> None:
        nonlocal buffer
        if buffer is None:
            buffer = np.empty((picture.height * 3 // 2, picture.width), np.uint8)
        picture.copy_planes(buffer)
        cv2.cvtColor(buffer, cv2.COLOR_YUV2RGB_I420, dst=out)

    return read_pictures(path, frame_indices, shape_of=lambda height, width: (height, width, 3), convert=convert)


def read_planes(path: Path, frame_indices: NDArray[Any], *, channels: int) -> NDArray[np.uint8]:
    """Read some frames of a file that `write_planes` made.

    Args:
        path: the file.
        frame_indices: (T,) integers, ascending, repeats allowed, T >= 1.
        channels: C, as written.

    Returns:
        (T, H, W, C) uint8, the luma as decoded, through no colour conversion.

    Raises:
        VideoError: the file is damaged, not ours, or lacks a frame.
        ValueError: the indices descend, are negative or none.
    """

    def shape_of(height: int, width: int) -> tuple[int, int, int]:
        if height % channels:
            raise VideoError("corrupt", path, f"{height} rows do not hold {channels} planes")
        return height // channels, width, channels

    def convert(picture: StoredPicture, out: NDArray[np.uint8]) -> None:
        planes = picture.luma().reshape(channels, *out.shape[:2])  # (C, H, W)
        for channel in range(channels):
            out[:, :, channel] = planes[channel]

    return read_pictures(path, frame_indices, shape_of=shape_of, convert=convert)
