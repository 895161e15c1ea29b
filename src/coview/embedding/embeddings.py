"""Vectors of videos, or of their windows, with names: indexed, iterated, kept in a Parquet or CSV file."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from coview.config import as_plain
from coview.datasets.sealed_table import read_sealed, write_sealed
from coview.datatypes import check_shape
from coview.errors import UserError
from coview.files import atomic_path, refusal
from coview.registry import did_you_mean
from coview.wording import without_folders

if TYPE_CHECKING:
    import pandas as pd

FILE_SUFFIXES = (".parquet", ".csv")
"""Endings of files of embeddings."""
_PREFIX = "feature:"
_DESCRIPTION = b"coview.embeddings"


@dataclass(frozen=True, eq=False)
class EmbeddingRow:
    """One video, or one of its windows.

    Attributes:
        id: the video's.
        path: source file; "" for frames that came as an array.
        label: class name, None where unknown.
        group: videos cut from one source share it; None where unknown.
        features: view name -> (D,) float32 of length 1.
        start_seconds: where a window begins; None for a whole video.
        end_seconds: where it ends.
    """

    id: str
    path: str
    label: str | None
    group: str | None
    features: Mapping[str, NDArray[np.float32]]
    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Embeddings:
    """One unit vector a video (or window) and view: `embeddings["rgb"]` is (n, D), `embeddings[3]` is one row.

    Attributes:
        ids: n video ids; those of windows repeat.
        features: view name -> (n, D) float32, unit rows.
        labels: n class names, None where unknown.
        groups: n group names, None where unknown.
        paths: n source files.
        description: how they were made (run, step, data, windows), for reports.
        start_seconds: (n,) float64, where each window begins; None where a row is a whole video.
        end_seconds: (n,) float64.
        sources: n texts that are equal where the source file is the same, whatever `paths` say; "" for arrays. Not
            given: taken from `paths`.
    """

    ids: tuple[str, ...]
    features: Mapping[str, NDArray[np.float32]]
    labels: tuple[str | None, ...]
    groups: tuple[str | None, ...]
    paths: tuple[str, ...]
    description: Mapping[str, Any] = field(default_factory=dict)
    start_seconds: NDArray[np.float64] | None = None
    end_seconds: NDArray[np.float64] | None = None
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.ids)
        if not self.sources:
            object.__setattr__(self, "sources", tuple(map(_source_of, self.paths)))
        for name, features in self.features.items():
            check_shape(f"features[{name!r}]", features, count, None)
        if not len(self.labels) == len(self.groups) == len(self.paths) == count:
            raise ValueError(
                f"{count} ids with {len(self.labels)} labels, {len(self.groups)} groups, {len(self.paths)} paths"
            )
        if (self.start_seconds is None) != (self.end_seconds is None):
            raise ValueError("start_seconds and end_seconds go together")
        for name, seconds in (("start_seconds", self.start_seconds), ("end_seconds", self.end_seconds)):
            if seconds is not None:
                check_shape(name, seconds, count)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        views = ", ".join(f"{view}: {rows.shape[1]}" for view, rows in self.features.items())
        what = "videos" if self.start_seconds is None else "windows"
        return f"Embeddings({len(self)} {what}, {{{views}}})"

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views."""
        return tuple(self.features)

    @overload
    def __getitem__(self, key: str) -> NDArray[np.float32]: ...

    @overload
    def __getitem__(self, key: int) -> EmbeddingRow: ...

    def __getitem__(self, key: str | int) -> NDArray[np.float32] | EmbeddingRow:
        """Return a view's vectors (n, D) by its name, or one row by its number.

        Raises:
            KeyError: no such view; says which there are.
            IndexError: no such row.
        """
        if isinstance(key, str):
            if key not in self.features:
                hint = did_you_mean(key, self.features) or "."
                raise KeyError(f"no view {key!r}{hint} There are: {', '.join(self.features)}")
            return self.features[key]
        place = range(len(self))[key]
        moment: tuple[float | None, float | None] = None, None
        if self.start_seconds is not None and self.end_seconds is not None:
            moment = float(self.start_seconds[place]), float(self.end_seconds[place])
        return EmbeddingRow(
            self.ids[place],
            self.paths[place],
            self.labels[place],
            self.groups[place],
            {view: rows[place] for view, rows in self.features.items()},
            *moment,
        )

    def __iter__(self) -> Iterator[EmbeddingRow]:
        """Yield the rows; without it Python would look for `self[0]`, `self[1]`, ... until an IndexError."""
        return (self[place] for place in range(len(self)))

    def to_pandas(self) -> "pd.DataFrame":
        """Return one row a video or window; a view's column holds its vectors."""
        import pandas as pd

        columns = self._columns()
        columns |= {view: list(rows) for view, rows in self.features.items()}
        return pd.DataFrame(columns)

    def save(self, path: Path | str, *, full_paths: bool = False) -> Path:
        """Write a Parquet file, one list of floats a view ("feature:<view>"), atomically; return its path.

        A name that ends in .csv makes a table of text, one column a number ("feature:<view>:<place>"), for programs
        that read nothing else: it is larger, and leaves the description out. Paths are written from the folder on that
        holds all the videos, since such files are shared; `full_paths` keeps them as they are.

        Raises:
            UserError: the name ends in something else, or the file cannot be written.
        """
        path = check_file_name(path)
        is_text = path.suffix.lower() == ".csv"
        values = self._columns() | {"source": self.sources}
        if not full_paths:
            values["path"] = _from_common_folder(self.paths)
        columns = {name: _column(name, found) for name, found in values.items()}
        for view, rows in self.features.items():
            rows = np.ascontiguousarray(rows, dtype=np.float32)
            if is_text:
                columns |= {f"{_PREFIX}{view}:{place}": pa.array(rows[:, place]) for place in range(rows.shape[1])}
            else:
                columns[_PREFIX + view] = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
        table = pa.table(columns)
        try:
            if is_text:
                with atomic_path(path) as aside:
                    pyarrow.csv.write_csv(table, aside)
            else:
                description = as_plain(self.description)
                text = json.dumps(description if full_paths else without_folders(description)).encode()
                write_sealed(table.replace_schema_metadata({_DESCRIPTION: text}), path)
        except OSError as error:
            cause = refusal(error, path.parent) or error
            raise UserError(f"cannot write the embeddings {path}: {cause}") from error
        return path

    @classmethod
    def load(cls, path: Path | str) -> "Embeddings":
        """Read what `save` wrote.

        Raises:
            UserError: no such file, or not embeddings.
        """
        path = Path(path)
        try:
            table = _read_csv(path) if path.suffix.lower() == ".csv" else read_sealed(path)
            columns = {name: table.column(name).combine_chunks() for name in table.column_names}
            names = {name: tuple(columns[name].to_pylist()) for name in ("id", "label", "group", "path")}
            seconds = [
                columns[name].to_numpy(zero_copy_only=False).astype(np.float64) if name in columns else None
                for name in ("start_seconds", "end_seconds")
            ]
            text = (table.schema.metadata or {}).get(_DESCRIPTION, b"{}")
            known = names["label"], names["group"], names["path"]
            sources = tuple(one or "" for one in columns["source"].to_pylist()) if "source" in columns else ()
            start, end = seconds
            return cls(
                names["id"],
                _features(columns),
                *known,
                description=json.loads(text),
                start_seconds=start,
                end_seconds=end,
                sources=sources,
            )
        except FileNotFoundError:
            raise UserError(
                f"there are no embeddings at {path}; make them with: coview embed RUN VIDEOS --out {path}"
            ) from None
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(
                f"{path} does not hold embeddings, or is damaged ({cause}); "
                "make it again with: coview embed RUN VIDEOS --out FILE"
            ) from error

    def _columns(self) -> dict[str, Sequence[Any]]:
        """Return what is known of each row besides its vectors."""
        columns: dict[str, Any] = {"id": self.ids, "path": self.paths, "label": self.labels, "group": self.groups}
        if self.start_seconds is not None:
            columns |= {"start_seconds": self.start_seconds, "end_seconds": self.end_seconds}
        return columns


def check_file_name(path: Path | str) -> Path:
    """Return the path of a file of embeddings.

    Raises:
        UserError: its name promises something that is not written.
    """
    path = Path(path)
    if path.suffix.lower() not in FILE_SUFFIXES:
        raise UserError(
            f"embeddings are written as {' or '.join(FILE_SUFFIXES)}, and {path.name!r} ends in "
            f"{path.suffix or 'neither'}; call it {path.with_suffix('.parquet').name}"
        )
    return path


def _source_of(path: str) -> str:
    """Return what tells a source file from others without saying where it lies."""
    return hashlib.sha256(os.path.abspath(path).encode(errors="surrogateescape")).hexdigest()[:20] if path else ""  # noqa: PTH100


def _from_common_folder(paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths from the deepest folder on that holds them all; names alone where there is none."""
    folders = {str(PurePath(path).parent) for path in paths if path}
    try:
        top = os.path.commonpath(folders) if folders else ""
    except ValueError:  # some are relative, or on another drive
        return tuple(PurePath(path).name for path in paths)
    return tuple(PurePath(path).relative_to(top).as_posix() if path else "" for path in paths)


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    return pa.array(values, pa.float64() if name.endswith("_seconds") else pa.string())


def _read_csv(path: Path) -> pa.Table:
    """Read a table of text: names as texts (an empty one in quotes is a text), everything else as numbers."""
    texts = dict.fromkeys(("id", "path", "label", "group", "source"), pa.string())
    options = pyarrow.csv.ConvertOptions(
        column_types=texts, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    return pyarrow.csv.read_csv(path, convert_options=options)


def _features(columns: Mapping[str, pa.Array]) -> dict[str, NDArray[np.float32]]:
    """Return view -> (n, D) float32, from a column of lists a view or a column a number."""
    found: dict[str, Any] = {}
    for name, column in columns.items():
        if name.startswith(_PREFIX):
            view, _, place = name.removeprefix(_PREFIX).partition(":")
            if place:
                found.setdefault(view, []).append(column.to_numpy(zero_copy_only=False))
            else:
                flat = column.flatten().to_numpy(zero_copy_only=False)
                found[view] = np.asarray(flat, dtype=np.float32).reshape(len(column), column.type.list_size)
    stacked = {view: np.stack(rows, axis=1) if isinstance(rows, list) else rows for view, rows in found.items()}
    return {view: rows.astype(np.float32, copy=False) for view, rows in stacked.items()}


def join_views(
    features: Mapping[str, NDArray[np.float32]], views: Sequence[str], weights: Mapping[str, float] | None = None
) -> NDArray[np.float32]:
    """Join views into one vector a video whose cosine is the weighted mean of the views' cosines: (n, sum of D_v).

    Args:
        features: view name -> unit rows.
        views: which of them.
        weights: view name -> weight; equal where not given.
    """
    shares = np.array([1.0 if weights is None else weights[view] for view in views], dtype=np.float64)
    shares /= shares.sum()
    parts = [features[view] * np.float32(math.sqrt(share)) for view, share in zip(views, shares, strict=True)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
