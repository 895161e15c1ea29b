"""Stored views in tar files, here or in object storage: any file is read by its place in its tar, nothing is unpacked.

The tars are laid out as WebDataset has them (a sample's files follow one another, `<id>.<view>.<suffix>` and
`<id>.json`), so that other loaders stream them. Here `shards.parquet` says where each file begins, and clips are drawn
as from a folder: the same ones, in the same order, from any step on and by any number of workers.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coview.datasets.sealed_table import read_sealed
from coview.errors import UserError, VideoError
from coview.locks import temporary_file
from coview.remote import is_remote, read_part, remote_sizes

INDEX_NAME = "shards.parquet"
FOLDER = "shards"
_PLACE = b"coview.shards"


@dataclass(frozen=True)
class Member:
    """Where one file lies.

    Attributes:
        shard: name of the tar.
        offset: of its first byte.
        size: in bytes.
    """

    shard: str
    offset: int
    size: int


def shard_table(rows: Mapping[tuple[str, str], Member], place: str) -> Any:
    """Return the table of `shards.parquet`.

    Args:
        rows: (view, video id) -> where its file lies.
        place: folder of the tars: a path relative to the data set, or an address.
    """
    keys, members = list(rows), list(rows.values())
    table = pa.table(
        {
            "key": pa.array([_key(view, video_id) for view, video_id in keys], pa.string()),
            "shard": pa.array([member.shard for member in members], pa.string()),
            "offset": pa.array([member.offset for member in members], pa.int64()),
            "size": pa.array([member.size for member in members], pa.int64()),
        }
    )
    return table.sort_by("key").replace_schema_metadata({_PLACE: place.encode()})


def _key(view: str, video_id: str) -> str:
    return f"{view}/{video_id}"


class Shards:
    """The tars of a data set.

    Args:
        root: folder of the data set.

    Raises:
        UserError: its index is damaged.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self._table = read_sealed(root / INDEX_NAME)
            self.place = (self._table.schema.metadata or {})[_PLACE].decode()
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{root / INDEX_NAME} cannot be used ({error}); write the shards again") from error

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "_table": self._table, "place": self.place}

    def find(self, view: str, video_id: str) -> Member | None:
        """Return where a view of a video lies; None where it is in no shard."""
        keys, wanted = self._keys, _key(view, video_id)
        row = bisect_left(range(len(keys)), wanted, key=lambda place: keys[place].as_py())
        if row == len(keys) or keys[row].as_py() != wanted:
            return None
        shard, offset, size = (self._table[name][row].as_py() for name in ("shard", "offset", "size"))
        return Member(shard, offset, size)

    def read(self, view: str, video_id: str) -> bytes:
        """Return a stored file.

        Raises:
            VideoError: missing, or its shard cannot be read or is shorter than it was.
        """
        member = self.find(view, video_id)
        if member is None:
            raise VideoError("missing", self.root / INDEX_NAME, f"no shard holds the view {view} of {video_id}")
        path = self.shard_path(member.shard)
        try:
            data = self._read(path, member)
        except (OSError, UserError) as error:
            raise VideoError("unreadable", path, str(error)) from error
        if len(data) != member.size:
            raise VideoError("corrupt", path, f"it ends before byte {member.offset + member.size}")
        return data

    def _read(self, path: str, member: Member) -> bytes:
        if is_remote(path):
            return read_part(path, offset=member.offset, size=member.size)
        with open(path, "rb") as file:  # noqa: PTH123
            file.seek(member.offset)
            return file.read(member.size)

    @contextmanager
    def file(self, view: str, video_id: str, suffix: str) -> Iterator[Path]:
        """Give a stored file under a path of its own until the end of the block; raises as `read`."""
        with temporary_file(self.read(view, video_id), suffix=suffix) as path:
            yield path

    def sizes(self, view: str) -> dict[str, int]:
        """Return video id -> bytes of every file of a view."""
        pairs = zip(self._table["key"].to_pylist(), self._table["size"].to_pylist(), strict=True)
        start = f"{view}/"
        return {key.removeprefix(start): size for key, size in pairs if key.startswith(start)}

    def lost_tars(self) -> list[str]:
        """Return the tars that are gone, or end before the last of their files does.

        Raises:
            UserError: the store cannot be reached.
        """
        ends = self._table.append_column("end", pc.add(self._table["offset"], self._table["size"]))
        last = ends.group_by("shard").aggregate([("end", "max")]).sort_by("shard").to_pydict()
        paths = [self.shard_path(name) for name in last["shard"]]
        sizes = remote_sizes(paths) if is_remote(self.place) else [_size(path) for path in paths]
        return [
            name
            for name, end, size in zip(last["shard"], last["end_max"], sizes, strict=True)
            if size is None or size < end
        ]

    def shard_path(self, name: str) -> str:
        """Return where a tar lies."""
        return f"{self.place}/{name}" if is_remote(self.place) else str(self.root / self.place / name)

    @property
    def names(self) -> Sequence[str]:
        """The tars, in order."""
        return sorted(set(self._table["shard"].to_pylist()))

    @cached_property
    def _keys(self) -> Any:
        return self._table["key"].combine_chunks()


def _size(path: str) -> int | None:
    with suppress(FileNotFoundError):
        return Path(path).stat().st_size
    return None
