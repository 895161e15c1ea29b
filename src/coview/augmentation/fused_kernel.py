"""All that is done to one clip on a CPU, compiled: each frame is resized, recoloured, blurred and stored in the cache.

Done as tensor operations every step reads and writes the whole clip, and to move those bytes costs more than the
arithmetic. Within a frame the channels lie in planes, so that inner loops run over neighbours in memory; each loop
reads slices of equal length from 0, for only then does LLVM drop the checks of indices and vectorise.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Floats = NDArray[np.float32]


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


@_inlined
def _blend_columns(line: Floats, places: Any, weights: Floats, planes: Floats, y: int, channels: int) -> None:
    """Blend the pixels of a line (n + K * C,) to row `y` of the planes (C, S, S)."""
    first, second = weights[0], weights[1]
    step = np.uint64(channels)
    if weights.shape[0] == 2:
        for x in range(places.shape[0]):
            for c in range(channels):
                place = places[x] + np.uint64(c)
                planes[c, y, x] = first[x] * line[place] + second[x] * line[place + step]
    else:
        third = weights[2]
        for x in range(places.shape[0]):
            for c in range(channels):
                place = places[x] + np.uint64(c)
                value = first[x] * line[place] + second[x] * line[place + step]
                planes[c, y, x] = value + third[x] * line[place + step + step]
    for k in range(3, weights.shape[0]):
        further = weights[k]
        for x in range(places.shape[0]):
            for c in range(channels):
                planes[c, y, x] += further[x] * line[places[x] + np.uint64(k) * step + np.uint64(c)]


@_inlined
def _store(planes: Floats, y: int, out: Floats, channels: int) -> None:
    """Lay row `y` of the planes (C, S, S) into `out` (S * C,), channels last."""
    for x in range(planes.shape[2]):
        for c in range(channels):
            out[x * channels + c] = planes[c, y, x]


@_compiled
def _blend_rows(picture: Any, rows: Any, weights: Floats, first: int, out: Floats) -> None:
    """Blend source rows of a picture (H, W * C), from byte `first` on, to one line `out` (n,)."""
    length = out.shape[0]
    last = first + length
    one, two = picture[rows[0], first:last], picture[rows[1], first:last]
    if rows.shape[0] == 2:
        for j in range(length):
            out[j] = weights[0] * np.float32(one[j]) + weights[1] * np.float32(two[j])
        return
    three = picture[rows[2], first:last]
    for j in range(length):
        value = weights[0] * np.float32(one[j]) + weights[1] * np.float32(two[j])
        out[j] = value + weights[2] * np.float32(three[j])
    for k in range(3, rows.shape[0]):
        further = picture[rows[k], first:last]
        for j in range(length):
            out[j] += weights[k] * np.float32(further[j])


@_compiled
def _mean(planes: Floats, shares: Floats) -> np.float32:
    """Return the mean of the channels of planes (C, S, S), each by its share."""
    mean = np.float32(0)
    for c in range(planes.shape[0]):
        total = np.float32(0)
        for y in range(planes.shape[1]):
            row = planes[c, y]
            for x in range(row.shape[0]):
                total += row[x]
        mean += shares[c] * total
    return mean / np.float32(planes.shape[1] * planes.shape[2])


@_compiled
def _recolour(planes: Floats, matrix: Floats, offset: np.float32, gains: Floats, shifts: Floats) -> None:
    """Map the colours of planes (3, S, S) in place, clamp to [0, 1], scale."""
    zero, one = np.float32(0), np.float32(1)
    for y in range(planes.shape[1]):
        red, green, blue = planes[0, y], planes[1, y], planes[2, y]
        for x in range(red.shape[0]):
            r, g, b = red[x], green[x], blue[x]
            to_r = matrix[0, 0] * r + matrix[0, 1] * g + matrix[0, 2] * b + offset
            to_g = matrix[1, 0] * r + matrix[1, 1] * g + matrix[1, 2] * b + offset
            to_b = matrix[2, 0] * r + matrix[2, 1] * g + matrix[2, 2] * b + offset
            red[x] = min(max(to_r, zero), one) * gains[0] + shifts[0]
            green[x] = min(max(to_g, zero), one) * gains[1] + shifts[1]
            blue[x] = min(max(to_b, zero), one) * gains[2] + shifts[2]


@_compiled
def _scale(planes: Floats, gains: Floats, shifts: Floats) -> None:
    for c in range(planes.shape[0]):
        gain, shift = gains[c], shifts[c]
        for y in range(planes.shape[1]):
            row = planes[c, y]
            for x in range(row.shape[0]):
                row[x] = row[x] * gain + shift


@_compiled
def _blur(planes: Floats, bell: Floats, padded: Floats, out: Floats) -> None:
    """Blur planes (C, S, S) to `out`; `padded` (S + 2 * radius,) is room for one line."""
    for c in range(planes.shape[0]):
        for y in range(planes.shape[1]):
            _blur_down(planes[c], y, bell, padded)
            _blur_across(padded, bell, out[c, y])


@_compiled
def _blur_down(plane: Floats, y: int, bell: Floats, padded: Floats) -> None:
    """Blur row `y` of a plane (S, S) along its columns into the middle of `padded`; mirror the ends of that."""
    radius, (height, width) = bell.shape[0] - 1, plane.shape
    middle = padded[radius : radius + width]
    here = plane[y]
    for x in range(width):
        middle[x] = bell[0] * here[x]
    for k in range(1, radius + 1):
        above, below = y - k, y + k
        above = -1 - above if above < 0 else above
        below = 2 * height - 1 - below if below >= height else below
        upper, lower = plane[above], plane[below]
        for x in range(width):
            middle[x] += bell[k] * (upper[x] + lower[x])
    for k in range(radius):
        padded[radius - 1 - k] = middle[k]
        padded[radius + width + k] = middle[width - 1 - k]


@_compiled
def _blur_across(padded: Floats, bell: Floats, out: Floats) -> None:
    """Blur a padded line (S + 2 * radius,) to `out` (S,)."""
    radius, width = bell.shape[0] - 1, out.shape[0]
    middle = padded[radius : radius + width]
    for x in range(width):
        out[x] = bell[0] * middle[x]
    for k in range(1, radius + 1):
        left, right = padded[radius - k : radius - k + width], padded[radius + k : radius + k + width]
        for x in range(width):
            out[x] += bell[k] * (left[x] + right[x])


@_compiled
def fill_clip(
    raw: Any, out: Floats, rows: Any, row_weights: Floats, columns: Any, column_weights: Floats,
    first: int, length: int, matrices: Floats, lifts: Floats, shares: Floats,
    gains: Floats, shifts: Floats, bell: Floats,
) -> None:  # fmt: skip
    """Make one clip; all arrays are contiguous, and K, the source pixels of a result, is at least 2.

    Args:
        raw: (T, H, W * C) uint8.
        out: (T, S, S * C), filled.
        rows: (S, K) int64, the source rows of each line.
        row_weights: (S, K), their shares.
        columns: (S,) uint64, the first source byte of each column, counted from `first`; the other K - 1 pixels follow.
        column_weights: (K, S), the shares of the source pixels; 0 beyond the span.
        first: byte of a source row at which the crop begins.
        length: bytes that it is wide.
        matrices: (T, 3, 3), or (0, 3, 3) where colours stay as they are.
        lifts: (T,) or (0,), times the mean luminance of the frame.
        shares: (C,), of the channels in the luminance.
        gains: (C,), after colours are clamped to [0, 1].
        shifts: (C,), added to that.
        bell: (1 + radius,), the kernel of the blur from its middle on; radius 0 is no blur.
    """
    size, channels, radius = rows.shape[0], gains.shape[0], bell.shape[0] - 1
    line = np.zeros(length + column_weights.shape[0] * channels, np.float32)
    planes = np.empty((channels, size, size), np.float32)
    blurred = np.empty((channels, size, size) if radius else (channels, 0, 0), np.float32)
    padded = np.empty(size + 2 * radius, np.float32)
    for t in range(raw.shape[0]):
        for y in range(size):
            _blend_rows(raw[t], rows[y], row_weights[y], first, line[:length])
            # With a constant for C the loops over channels vanish.
            if channels == 3:
                _blend_columns(line, columns, column_weights, planes, y, 3)
            elif channels == 2:
                _blend_columns(line, columns, column_weights, planes, y, 2)
            else:
                _blend_columns(line, columns, column_weights, planes, y, channels)
        if matrices.shape[0]:
            _recolour(planes, matrices[t], lifts[t] * _mean(planes, shares), gains, shifts)
        else:
            _scale(planes, gains, shifts)
        if radius:
            _blur(planes, bell, padded, blurred)
        finished = blurred if radius else planes
        for y in range(size):
            if channels == 3:
                _store(finished, y, out[t, y], 3)
            elif channels == 2:
                _store(finished, y, out[t, y], 2)
            else:
                _store(finished, y, out[t, y], channels)
