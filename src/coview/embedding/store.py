"""Embeddings on disk: one Parquet file, a row a video, readable by any data tool."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coview.config import as_plain
from coview.datatypes import Embeddings
from coview.errors import UserError

FEATURE_PREFIX = "feature:"
_DESCRIPTION = b"coview.embeddings"


def write_embeddings(embeddings: Embeddings, path: Path) -> None:
    """Write id, path, label, group and one list of floats a view ("feature:<view>"), atomically.

    Raises:
        UserError: the folder cannot be written.
    """
    columns = {
        "id": pa.array(embeddings.ids, pa.string()),
        "path": pa.array(embeddings.paths, pa.string()),
        "label": pa.array(embeddings.labels, pa.string()),
        "group": pa.array(embeddings.groups, pa.string()),
    }
    for view, features in embeddings.features.items():
        flat = pa.array(np.ascontiguousarray(features, dtype=np.float32).reshape(-1))
        columns[FEATURE_PREFIX + view] = pa.FixedSizeListArray.from_arrays(flat, features.shape[1])
    table = pa.table(columns).replace_schema_metadata(
        {_DESCRIPTION: json.dumps(as_plain(embeddings.description)).encode()}
    )
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise UserError(f"cannot write the embeddings {path}: {error}") from error


def read_embeddings(path: Path) -> Embeddings:
    """Read what `write_embeddings` wrote.

    Raises:
        UserError: no such file, or not embeddings.
    """
    try:
        table = pq.read_table(path)
        columns = {name: table.column(name).combine_chunks() for name in table.column_names}
        metadata = table.schema.metadata or {}
        features = {
            name.removeprefix(FEATURE_PREFIX): _matrix(column)
            for name, column in columns.items()
            if name.startswith(FEATURE_PREFIX)
        }
        return Embeddings(
            ids=tuple(columns["id"].to_pylist()),
            features=features,
            labels=tuple(columns["label"].to_pylist()),
            groups=tuple(columns["group"].to_pylist()),
            paths=tuple(columns["path"].to_pylist()),
            description=json.loads(metadata.get(_DESCRIPTION, b"{}")),
        )
    except FileNotFoundError:
        raise UserError(
            f"there are no embeddings at {path}; make them with: coview embed RUN VIDEOS --out {path}"
        ) from None
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise UserError(
            f"{path} does not hold embeddings, or is damaged ({type(error).__name__}: {error}); "
            "make it again with: coview embed RUN VIDEOS --out FILE"
        ) from error


def _matrix(column: pa.Array) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return a fixed-size list column as (n, D) float32."""
    size: int = column.type.list_size
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(len(column), size)
