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

WIDE = 64
"""Numbers worked on at once where they lie side by side, four registers of 512 bits; buffers have as many to spare."""


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
def line_weights(length: int, size: int) -> tuple[NDArray[np.int64], Floats]:
    """Return how a line of `size` pixels is blended from one of `length`: bilinear, antialiased where it shrinks.

    Returns:
        (places, weights): (size, K) each, consecutive source pixels and their shares; K is at least 2, and pixels past
        the end have weight 0.
    """
    reach = max(length / size, 1.0)  # a source pixel counts less the farther it is away, and nothing from here on
    centres = (np.arange(size) + 0.5) * (length / size)
    first, last = np.empty(size, np.int64), np.empty(size, np.int64)
    for x in range(size):
        first[x] = max(np.int64(centres[x] - reach + 0.5), 0)
        last[x] = min(np.int64(centres[x] + reach + 0.5), length)
    count = max((last - first).max(), 2)
    places, weights = np.empty((size, count), np.int64), np.zeros((size, count), np.float32)
    for x in range(size):
        shares = np.zeros(count)
        for k in range(count):
            places[x, k] = first[x] + k
            if places[x, k] < last[x]:
                shares[k] = max(1 - abs(places[x, k] + 0.5 - centres[x]) / reach, 0.0)
        weights[x] = (shares / shares.sum()).astype(np.float32)
    return places, weights


@_compiled
def _line_shares(places: Any, weights: Floats, length: int) -> Floats:
    """Return how much each of `length` source pixels counts in the mean of a line."""
    shares = np.zeros(length, np.float32)
    for x in range(places.shape[0]):
        for k in range(places.shape[1]):
            if places[x, k] < length:
                shares[places[x, k]] += weights[x, k] / np.float32(places.shape[0])
    return shares


@_compiled
def _blend_rows(raw: Any, start: int, rows: Any, weights: Floats, lines: Floats, length: int) -> None:
    """Blend rows of a picture, `length` bytes of each from `start` on, to lines (S, stride)."""
    pixels, stride = raw.ravel(), lines.shape[1]
    for y in range(rows.shape[0]):
        for place in range(0, length if length >= WIDE else 0, WIDE):
            j = min(place, length - WIDE)  # nothing behind the crop is read: a picture may end there
            blended = scaled(load(raw, start + rows[y, 0] + j, WIDE), weights[y, 0])
            for k in range(1, rows.shape[1]):
                blended = total(blended, scaled(load(raw, start + rows[y, k] + j, WIDE), weights[y, k]))
            store(lines, y * stride + j, blended)
        for j in range(0 if length < WIDE else length, length):
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
def _mean(raw: Any, start: int, rows: Any, row_shares: Floats, byte_shares: Floats) -> np.float32:
    """Return the mean luminance of a resized picture: a sum of the bytes of its source by their shares."""
    pixels, length = raw.ravel(), byte_shares.shape[0]
    mean = np.float32(0)
    for y in range(row_shares.shape[0]):
        line = pixels[start + rows[y] : start + rows[y] + length]
        of_line = np.float32(0)
        for j in range(length):
            of_line += byte_shares[j] * np.float32(line[j])
        mean += row_shares[y] * of_line
    return mean


@_compiled
def _blur(frame: Floats, size: int, channels: int, bell: Floats, padded: Floats, out: Floats) -> None:
    """Blur a frame (S * S * C + 64,) to another; `padded` ((S + 2 * radius) * C + 64,) is room for a row.

    Beyond its ends a picture goes on as its mirror image.
    """
    radius, width = bell.shape[0] - 1, size * channels
    margin, starts = radius * channels, np.empty(size + 2 * radius, np.int64)
    for place in range(starts.shape[0]):
        y = place - radius
        starts[place] = (-1 - y if y < 0 else 2 * size - 1 - y if y >= size else y) * width
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
    raw: Any, out: Floats, crop: tuple[int, int, int, int], is_mirrored: bool, unit: float,
    matrices: Floats, lifts: Floats, luminance: Floats, gains: Floats, shifts: Floats, bell: Floats,
) -> None:  # fmt: skip
    """Make one clip; all arrays are contiguous.

    Args:
        raw: (T, H, W * C) uint8.
        out: (T, S * S * C), filled.
        crop: first row, row after the last, first column, column after the last.
        is_mirrored: whether columns are read from the last to the first.
        unit: bytes are divided by it.
        matrices: (T, 3, 3), or (0, 3, 3) where colours stay as they are.
        lifts: (T,) or (0,), times the mean luminance of the frame.
        luminance: (C,), shares of the channels in it.
        gains: (C,), after colours are clamped to [0, 1].
        shifts: (C,), added to that.
        bell: (1 + radius,), the kernel of the blur from its middle on; radius 0 is no blur.
    """
    channels, radius, is_coloured = gains.shape[0], bell.shape[0] - 1, matrices.shape[0] > 0
    size, row_bytes = int(np.sqrt(out.shape[1] // channels) + 0.5), raw.shape[2]
    height, width, length = crop[1] - crop[0], crop[3] - crop[2], (crop[3] - crop[2]) * channels
    rows, row_weights = line_weights(height, size)
    columns, column_weights = line_weights(width, size)
    row_weights /= np.float32(unit)
    row_shares, column_shares = _line_shares(rows, row_weights, height), _line_shares(columns, column_weights, width)
    byte_shares = np.empty(length, np.float32)
    for j in range(length):
        byte_shares[j] = column_shares[j // channels] * luminance[j % channels]
    row_starts = np.arange(height) * row_bytes
    rows = np.minimum(rows, height - 1) * row_bytes
    if is_mirrored:
        columns, column_weights = columns[::-1].copy(), column_weights[::-1].copy()
    places, shares, count = columns[:, 0] * channels, column_weights.T.copy(), columns.shape[1]
    gain, shift = np.zeros(channels + 3, np.float32), np.zeros(channels + 3, np.float32)  # loaded four at a time
    gain[:channels], shift[:channels] = gains, shifts
    matrix = np.zeros((3, 4), np.float32)
    lines = np.zeros((size, length + count * channels + WIDE), np.float32)
    frame = np.zeros(out.shape[1] + WIDE, np.float32)
    blurred = np.zeros(frame.shape[0] if radius else 0, np.float32)
    padded = np.zeros((size + 2 * radius) * channels + WIDE, np.float32)
    flat = out.ravel()
    for t in range(raw.shape[0]):
        start = (t * raw.shape[1] + crop[0]) * row_bytes + crop[2] * channels
        _blend_rows(raw, start, rows, row_weights, lines, length)
        is_apart = radius > 0 or t == raw.shape[0] - 1  # nothing is to be written behind the clip
        made, at = (frame, 0) if is_apart else (flat, t * out.shape[1])
        # With a constant for the count of source pixels the loop over them vanishes.
        if is_coloured:
            matrix[:, :3] = matrices[t].T
            offset = lifts[t] * _mean(raw, start, row_starts, row_shares, byte_shares) if lifts[t] else np.float32(0)
            if count == 2:
                _recolour(lines, places, shares, 2, gain, shift, matrix, offset, made, at)
            elif count == 3:
                _recolour(lines, places, shares, 3, gain, shift, matrix, offset, made, at)
            else:
                _recolour(lines, places, shares, count, gain, shift, matrix, offset, made, at)
        elif count == 2:
            _standardise(lines, places, shares, 2, gain, shift, channels, made, at)
        else:
            _standardise(lines, places, shares, count, gain, shift, channels, made, at)
        if radius:
            _blur(frame, size, channels, bell, padded, blurred)
        if is_apart:
            done = blurred if radius else frame
            for j in range(out.shape[1]):
                out[t, j] = done[j]
