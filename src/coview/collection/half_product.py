"""Products over a million rows of 16-bit numbers, compiled: widened to 32 bits in registers, summed in 32 bits.

Only half the bytes of a float32 matrix come from memory, which is what such a product waits for. NumPy widens half
numbers one by one, ten times slower than the product itself.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba.extending import intrinsic
from numpy.typing import NDArray


def is_fast_here() -> bool:
    """Say whether this processor widens half numbers by itself; elsewhere the compiler may have no way to do it."""
    return bool(binding.get_host_cpu_features().get("f16c")) or binding.get_process_triple().startswith(
        ("aarch64", "arm64")
    )


@intrinsic  # type: ignore[untyped-decorator]
def _widen(context: Any, half: Any) -> Any:
    """Return the number that 16 bits stand for."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return numba.float32(numba.uint16), generate


_ROWS_KEPT = 1024
"""Rows that stay in a core's own cache while one query after another passes over them."""


def _products(
    rows: NDArray[np.uint16], chosen: NDArray[np.bool_], queries: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write the dot products of rows with several queries; those that a query has not chosen stay as they are.

    Args:
        rows: (n, D).
        chosen: (Q, n).
        queries: (Q, D).
        out: (Q, n).
    """
    for first in range(0, rows.shape[0], _ROWS_KEPT):
        stop = min(first + _ROWS_KEPT, rows.shape[0])
        for number in range(queries.shape[0]):
            query = queries[number]
            for place in range(first, stop):
                if chosen[number, place]:
                    row, total = rows[place], np.float32(0)
                    for column in range(query.shape[0]):
                        total += _widen(row[column]) * query[column]
                    out[number, place] = total


def _gathered(
    rows: NDArray[np.uint16], places: NDArray[np.int64], query: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write the dot product of the rows at some places (m,) with the query into `out` (m,)."""
    for at in range(places.shape[0]):
        row, total = rows[places[at]], np.float32(0)
        for column in range(query.shape[0]):
            total += _widen(row[column]) * query[column]
        out[at] = total


# Sums may be taken in another order, but what is no number must stay one: not the whole of "fastmath".
_options: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract"}, "error_model": "numpy"}
try:
    half_products = numba.njit(**_options, cache=True)(_products)
    gathered_half_product = numba.njit(**_options, cache=True)(_gathered)
except RuntimeError:  # no folder in which compiled code could be kept
    half_products = numba.njit(**_options)(_products)
    gathered_half_product = numba.njit(**_options)(_gathered)


def _widen_rows(rows: NDArray[np.uint16], out: NDArray[np.float32]) -> None:
    """Write 16-bit rows (n, D) as 32-bit ones into `out` (n, D)."""
    for place in range(rows.shape[0]):
        row, wide = rows[place], out[place]
        for column in range(row.shape[0]):
            wide[column] = _widen(row[column])


try:
    widen_rows = numba.njit(nogil=True, cache=True)(_widen_rows)
except RuntimeError:
    widen_rows = numba.njit(nogil=True)(_widen_rows)
