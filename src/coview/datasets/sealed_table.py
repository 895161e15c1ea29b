"""Parquet files that tell when they are damaged: the checksum of all values stands in their metadata.

Parquet's own checksums leave out the footer, with its names, types and places; and they are not read by default.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coview.files import atomic_path

_KEY = b"coview.sha256"
_TEXTS_AT_ONCE = 2**16


class DamagedTableError(ValueError):
    """The values of a table are not those that were written."""


def write_sealed(table: Any, path: Path, *, compression: str = "snappy") -> None:
    """Write a table with its checksum, atomically.

    Raises:
        OSError: the disk refuses.
    """
    metadata = {**(table.schema.metadata or {}), _KEY: _digest(table)}
    with atomic_path(path) as aside:
        pq.write_table(table.replace_schema_metadata(metadata), aside, compression=compression)


def read_sealed(path: Path) -> Any:
    """Read a table; one that carries no checksum, because something else wrote it, is taken as it is.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read.
        ValueError: it is no Parquet file, or damaged (`DamagedTableError`).
    """
    try:
        table = pq.read_table(path, partitioning=None)
        expected = (table.schema.metadata or {}).get(_KEY)
        is_sound = expected is None or expected == _digest(table)
    except pa.ArrowException as error:  # some are no ValueError
        raise DamagedTableError(" ".join(str(error).split())) from error
    if not is_sound:
        raise DamagedTableError("its values are not those that were written")
    return table


def _digest(table: Any) -> bytes:
    """Return the SHA-256 of metadata, names, types and values, however they are divided into chunks."""
    digest = hashlib.sha256(
        str(sorted(item for item in (table.schema.metadata or {}).items() if item[0] != _KEY)).encode()
    )
    for name in table.column_names:
        column = table.column(name)
        digest.update(f"\n{name} {_kind(column)} {len(column)}\n".encode())
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
        for values in _values(column):
            digest.update(values)
    return digest.hexdigest().encode()


def _kind(column: Any) -> str:
    """Return the type of a column as it comes back from a file."""
    if pa.types.is_string(column.type):
        return "text"
    if pa.types.is_fixed_size_list(column.type):
        return f"{column.type.value_type} x {column.type.list_size}"
    return str(column.type)


def _values(column: Any) -> Iterator[Any]:
    """Yield the bytes of a column's values, piece by piece; texts are divided by a zero."""
    if pa.types.is_fixed_size_list(column.type):
        yield from (chunk.flatten().to_numpy(zero_copy_only=False).tobytes() for chunk in column.chunks)
    elif pa.types.is_string(column.type):
        is_first = True
        for first in range(0, len(column), _TEXTS_AT_ONCE):
            texts = column.slice(first, _TEXTS_AT_ONCE).fill_null("").to_pylist()
            yield ("" if is_first else "\0").encode() + "\0".join(texts).encode("utf-8", errors="surrogatepass")
            is_first = False
    else:
        yield column.fill_null(0).to_numpy().tobytes()
