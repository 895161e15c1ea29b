"""A large manifest as processes share it: an Arrow file beside it that is mapped into memory, not read.

The manifest stays the source. The Arrow file is made from it when it is missing or made from another state, is compared
with its checksum and gone through when it is opened, and may be deleted at any time.
"""

import contextlib
import logging
import secrets
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coview.datasets.manifest import OUTSIDE, SHARED_TEXTS, SPLIT_PREFIX, read_manifest, read_table
from coview.datasets.video_rows import VideoRows
from coview.datatypes import VideoEntry
from coview.files import atomic_path, hash_file

logger = logging.getLogger(__name__)

MAPPED_FROM = 50_000
"""Rows from which a manifest is mapped. Below, reading it takes a fraction of a second and no file is kept."""
_LAYOUT = "1"
"""Raised when these files are written in another way; part of their names."""
_ROWS_PER_BATCH = 2**16


def open_manifest(path: Path) -> "tuple[VideoEntry, ...] | VideoRows":
    """Return the videos of a manifest, a large one as rows that are made when they are asked for.

    Raises:
        UserError: as `read_manifest`.
    """
    try:
        is_large = pq.read_metadata(path).num_rows >= MAPPED_FROM
    except (OSError, ValueError, pa.ArrowException):
        is_large = False  # `read_manifest` says what is wrong
    return open_rows(path) if is_large else read_manifest(path)


def open_rows(path: Path) -> VideoRows:
    """Return the rows of a manifest, mapped from the Arrow file beside it, which is made where it is needed.

    In a folder that cannot be written to they are in the memory of each process instead.

    Raises:
        UserError: as `read_manifest`.
    """
    begins = f".{path.name}.{_LAYOUT}.{hash_file(path)[:16]}."
    for kept in sorted(path.parent.glob(f"{begins}*.arrow")):
        try:
            return VideoRows(_opened(kept, begins), source=partial(open_rows, path))
        except (OSError, ValueError, pa.ArrowException) as error:
            logger.info("%s is made anew: %s", kept, error)
    table = _encoded(read_table(path))
    try:
        return VideoRows(_kept(table, path, begins), source=partial(open_rows, path))
    except OSError as error:
        logger.info("no mapped copy of %s, which each process now holds in memory: %s", path, error)
        return VideoRows(table)


def _encoded(table: Any) -> Any:
    """Return a table in which texts that many rows share are numbered."""
    for place, name in enumerate(table.column_names):
        if name in SHARED_TEXTS or name.startswith(SPLIT_PREFIX):
            table = table.set_column(place, name, table.column(name).dictionary_encode())
    return table.unify_dictionaries()


def _kept(table: Any, path: Path, begins: str) -> Any:
    """Write the Arrow file of a manifest and return it mapped; those of other states of the manifest go."""
    written = path.with_name(f"{begins}{secrets.token_hex(8)}.arrow")
    with atomic_path(written) as aside:
        with pa.OSFile(str(aside), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=_ROWS_PER_BATCH)
        kept = path.with_name(f"{begins}{hash_file(aside)[:16]}.arrow")
    written.replace(kept)
    for other in path.parent.glob(f".{path.name}.*.arrow"):
        if other != kept:
            with contextlib.suppress(OSError):
                other.unlink()
    return pa.ipc.open_file(pa.memory_map(str(kept))).read_all()


def _opened(kept: Path, begins: str) -> Any:
    """Return an Arrow file mapped, once all of it has been looked at; in pieces, so that no page stays in use.

    Raises:
        ValueError: it is damaged, or holds an id that leads out of the data set's folder.
    """
    if hash_file(kept)[:16] != kept.name.removeprefix(begins).removesuffix(".arrow"):
        raise ValueError("its checksum differs")
    with pa.OSFile(str(kept)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            batch.validate(full=True)
            if pc.any(pc.match_substring_regex(batch.column("id"), OUTSIDE)).as_py():
                raise ValueError("it holds an id that leads out of the folder")
    return pa.ipc.open_file(pa.memory_map(str(kept))).read_all()
