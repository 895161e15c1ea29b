"""All that is done to one clip on a CPU, compiled: each line is resized, recoloured, blurred and stored in the cache.

Done as tensor operations every step reads and writes the whole clip, and to move those bytes costs more than the
arithmetic. Channels stay side by side, as they come and as they are wanted: four of them, or of the next pixel, make
one vector (`coview.augmentation.lanes`). What a vector holds beyond its pixel is written over by the next one.

Functions take whole frames: numba counts references to each array at every call, which would cost as much as a line.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from coview.augmentation.lanes import load, product, repeat, scaled, spread, store, total, within_one

F = TypeVar("F", bound=Callable[..., Any])
Floats = NDArray[np.float32]

WIDE = 16
"""Numbers that are worked on at once where they lie side by side; buffers of lines end in as many to spare."""


def _compiled(function: F, **more: Any) -> F:
    """Compile without the GIL and keep the result on disk, or only in memory where no folder can be written."""
    options: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy", **more}
    try:
        return numba.njit(**options, cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


def _inlined(function: F) -> F:
    """Compile as part of each caller, and so anew for each constant it is called with."""
    return _compiled(function, inline="always")


@_compiled
def _blend_rows(raw: Any, start: int, rows: Any, weights: Floats, lines: Floats, length: int) -> None:
    """Blend rows of a picture, `length` bytes of each from `start` on, to lines (S, stride)."""
    pixels = raw.ravel()
    whole, stride = length - length % WIDE, lines.shape[1]
    for y in range(rows.shape[0]):
        for j in range(0, whole, WIDE):
            blended = scaled(load(raw, start + rows[y, 0] + j, WIDE), weights[y, 0])
            for k in range(1, rows.shape[1]):
                blended = total(blended, scaled(load(raw, start + rows[y, k] + j, WIDE), weights[y, k]))
            store(lines, y * stride + j, blended)
        for j in range(whole, length):  # a picture may end here, and have nothing to fill a vector with
            value = np.float32(0)
            for k in range(rows.shape[1]):
                value += weights[y, k] * np.float32(pixels[start + rows[y, k] + j])
            lines[y, j] = value


@_inlined
def _standardise(
    lines: Floats, columns: Any, weights: Floats, count: int, gains: Floats, shifts: Floats, channels: int,
    out: Floats, start: int,
) -> None:  # fmt: skip
    """Blend the pixels of lines (S, stride) to a frame in `out` from `start` on, scale and shift them."""
    size = columns.shape[0]
    for c in range((channels - 1) // 4 * 4, -1, -4):  # of more than four, the last ones may overwrite the first
        gain, shift = load(gains, c, 4), load(shifts, c, 4)
        for y in range(size):
            line, at = y * lines.shape[1] + c, start + y * size * channels + c
            for x in range(size):
                place = line + columns[x]
                blended = scaled(load(lines, place, 4), weights[0, x])
                for k in range(1, count):
                    blended = total(blended, scaled(load(lines, place + k * channels, 4), weights[k, x]))
                store(out, at + x * channels, total(product(blended, gain), shift))


@_inlined
def _recolour(
    lines: Floats, columns: Any, weights: Floats, count: int, gains: Floats, shifts: Floats, matrix: Floats,
    offset: np.float32, out: Floats, start: int,
) -> None:  # fmt: skip
    """Blend rgb pixels of lines as `_standardise`, but map their colours and clamp them to [0, 1] before."""
    size = columns.shape[0]
    gain, shift, lift = load(gains, 0, 4), load(shifts, 0, 4), repeat(offset, 4)
    red, green, blue = load(matrix, 0, 4), load(matrix, 4, 4), load(matrix, 8, 4)
    for y in range(size):
        line, at = y * lines.shape[1], start + y * size * 3
        for x in range(size):
            place = line + columns[x]
            rgb = scaled(load(lines, place, 4), weights[0, x])
            for k in range(1, count):
                rgb = total(rgb, scaled(load(lines, place + 3 * k, 4), weights[k, x]))
            mapped = total(product(red, spread(rgb, 0)), product(green, spread(rgb, 1)))
            mapped = total(mapped, total(product(blue, spread(rgb, 2)), lift))
            store(out, at + 3 * x, total(product(within_one(mapped), gain), shift))


@_compiled
def _mean(raw: Any, start: int, row_shares: Floats, byte_shares: Floats) -> np.float32:
    """Return the mean luminance of a resized picture: a weighted sum of the bytes of its source, from `start` on."""
    pixels, width = raw.ravel(), raw.shape[2]
    mean = np.float32(0)
    for y in range(row_shares.shape[0]):
        line = pixels[start + y * width : start + y * width + byte_shares.shape[0]]
        of_line = np.float32(0)
        for j in range(byte_shares.shape[0]):
            of_line += byte_shares[j] * np.float32(line[j])
        mean += row_shares[y] * of_line
    return mean


@_compiled
def _blur(frame: Floats, starts: Any, channels: int, bell: Floats, padded: Floats, out: Floats) -> None:
    """Blur a frame (S * S * C + 16,) to another; beyond its ends a picture goes on as its mirror image.

    `starts` (S + 2 * radius,) says where the rows begin, those of the mirror images too; `padded`
    ((S + 2 * radius) * C + 16,) is room for a row.
    """
    radius, size = bell.shape[0] - 1, starts.shape[0] - 2 * (bell.shape[0] - 1)
    width, margin = size * channels, radius * channels
    for y in range(size):
        for j in range(0, width, WIDE):
            blurred = scaled(load(frame, y * width + j, WIDE), bell[0])
            for k in range(1, radius + 1):
                above, below = starts[radius + y - k], starts[radius + y + k]
                both = total(load(frame, above + j, WIDE), load(frame, below + j, WIDE))
                blurred = total(blurred, scaled(both, bell[k]))
            store(padded, margin + j, blurred)
        for k in range(radius):
            for c in range(channels):
                padded[margin - (k + 1) * channels + c] = padded[margin + k * channels + c]
                padded[margin + width + k * channels + c] = padded[margin + width - (k + 1) * channels + c]
        for j in range(0, width, WIDE):
            blurred = scaled(load(padded, margin + j, WIDE), bell[0])
            for k in range(1, radius + 1):
                left, right = margin + j - k * channels, margin + j + k * channels
                blurred = total(blurred, scaled(total(load(padded, left, WIDE), load(padded, right, WIDE)), bell[k]))
            store(out, y * width + j, blurred)


@_compiled
def fill_clip(
    raw: Any, out: Floats, rows: Any, row_weights: Floats, columns: Any, column_weights: Floats,
    first: int, length: int, matrices: Floats, lifts: Floats, row_shares: Floats, byte_shares: Floats,
    gains: Floats, shifts: Floats, bell: Floats,
) -> None:  # fmt: skip
    """Make one clip; all arrays are contiguous, and K, the source pixels of a result, is at least 2.

    Args:
        raw: (T, H, W * C) uint8.
        out: (T * S * S * C,), filled.
        rows: (S, K) int64, the source rows of each line, as bytes from the first byte of the crop on.
        row_weights: (S, K), their shares.
        columns: (S,) int64, the first source byte of each column, counted from `first`; the other K - 1 pixels follow.
        column_weights: (K, S), the shares of the source pixels; 0 beyond the span.
        first: byte of a picture at which the crop begins.
        length: bytes that a row of it has.
        matrices: (T, 3, 4), what a source colour adds to each result, or (0, 3, 4) where colours stay as they are.
        lifts: (T,) or (0,), times the mean luminance of the frame.
        row_shares: (h,), of the rows of the crop in the mean luminance.
        byte_shares: (length,), of the bytes of a row.
        gains: (C + 3,), after colours are clamped to [0, 1]; the last three count nowhere.
        shifts: (C + 3,), added to that.
        bell: (1 + radius,), the kernel of the blur from its middle on; radius 0 is no blur.
    """
    size, channels, count = rows.shape[0], gains.shape[0] - 3, column_weights.shape[0]
    radius, is_coloured = bell.shape[0] - 1, matrices.shape[0] > 0
    num_frames, length_of_frame = raw.shape[0], size * size * channels
    lines = np.zeros((size, length + count * channels + WIDE), np.float32)
    frame = np.zeros(length_of_frame + WIDE, np.float32)
    blurred = np.zeros(frame.shape[0] if radius else 0, np.float32)
    padded = np.zeros((size + 2 * radius) * channels + WIDE, np.float32)
    starts = np.empty(size + 2 * radius, np.int64)
    for place in range(starts.shape[0]):
        y = place - radius
        starts[place] = (-1 - y if y < 0 else 2 * size - 1 - y if y >= size else y) * size * channels
    for t in range(num_frames):
        start = t * raw.shape[1] * raw.shape[2] + first
        _blend_rows(raw, start, rows, row_weights, lines, length)
        is_apart = radius > 0 or t == num_frames - 1  # nothing is to be written behind the clip
        made, at = (frame, 0) if is_apart else (out, t * length_of_frame)
        # With a constant for the count of source pixels the loop over them vanishes.
        if is_coloured:
            offset = lifts[t] * _mean(raw, start, row_shares, byte_shares) if lifts[t] != 0 else np.float32(0)
            if count == 2:
                _recolour(lines, columns, column_weights, 2, gains, shifts, matrices[t], offset, made, at)
            elif count == 3:
                _recolour(lines, columns, column_weights, 3, gains, shifts, matrices[t], offset, made, at)
            else:
                _recolour(lines, columns, column_weights, count, gains, shifts, matrices[t], offset, made, at)
        elif count == 2:
            _standardise(lines, columns, column_weights, 2, gains, shifts, channels, made, at)
        else:
            _standardise(lines, columns, column_weights, count, gains, shifts, channels, made, at)
        if radius:
            _blur(frame, starts, channels, bell, padded, blurred)
        if is_apart:
            finished, done = out[t * length_of_frame : (t + 1) * length_of_frame], blurred if radius else frame
            for j in range(length_of_frame):
                finished[j] = done[j]
