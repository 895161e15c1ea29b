"""Vectors made in shares, by the jobs of an array or the processes of torchrun; whichever ends last joins them."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from coview.embedding.embeddings import Embeddings
from coview.errors import UserError
from coview.files import make_folder
from coview.locks import folder_lock
from coview.preparation.settings import share_of

_PLACES, _OWN = "places", ("failed", "windows", "places")
"""Of a description: where in the whole each row stands, and what differs from share to share."""
_OTHERS = "there are shares of {path} of different runs, settings or videos; delete {shares}, or choose another place"
Made = TypeVar("Made")


class ShareKept(Exception):  # noqa: N818  (no error)
    """A share is done and kept; others are not yet."""


def make_all(makers: Iterable[Callable[[], Made]]) -> list[Made]:
    """Return what all of them make; a share of each is made before it is told that other shares are not done.

    Raises:
        ShareKept: shares of some are not done yet.
    """
    made: list[Made] = []
    unfinished: ShareKept | None = None
    for make in makers:
        try:
            made.append(make())
        except ShareKept as kept:
            unfinished = kept
    if unfinished is not None:
        raise unfinished
    return made


def own_shard(shard: str | None) -> str | None:
    """Return the share that a command does, "i/n": as given, else under torchrun that of this process, else None.

    Raises:
        UserError: it is not of that form.
    """
    share_of(shard)
    processes = int(os.environ.get("WORLD_SIZE", 1))
    return f"{int(os.environ['RANK']) + 1}/{processes}" if shard is None and processes > 1 else shard


def own_places(count: int, shard: str | None) -> range:
    """Return which of `count` things belong to a share."""
    share, shares = share_of(shard)
    return range(share - 1, count, shares)


@contextmanager
def in_shares(
    path: Path, shard: str, make: Callable[[], tuple[Embeddings, Sequence[int]]], *, whole: str
) -> Iterator[Embeddings]:
    """Make a share, or take it as an earlier call kept it, and give all of them joined once they are there.

    The block writes the whole. The shares are removed after it, so that a kill before leaves all of them.

    Args:
        path: of the whole; shares lie beside it until it is written.
        shard: "i/n".
        make: gives the vectors of the share, and the place of each of its videos in the whole.
        whole: a word for the weights and videos of all shares, other for others; the shares carry it in their names.

    Yields:
        The whole, where this share was the last one.

    Raises:
        ShareKept: others are not done yet.
        UserError: shares of different runs, settings or videos lie there; told before this one is made where it can be.
    """
    _, shares = share_of(shard)
    own = _part(path, shard, whole)
    make_folder(path.parent)
    _refuse_others(path, whole)
    if not own.is_file():
        made, places = make()
        replace(made, description={**made.description, _PLACES: list(places)}).save(own, full_paths=True)
    parts = [_part(path, f"{number}/{shares}", whole) for number in range(1, shares + 1)]
    lock = path.with_name(f".{path.name}.lock")
    with folder_lock(lock, otherwise=f"another command joins the shares of {path}", wait_seconds=600.0):
        _refuse_others(path, whole)  # that were made at the same time
        there = [part for part in parts if part.is_file()]
        if len(there) < shares:
            raise ShareKept(f"share {shard} is done; {len(there)} of {shares} are there")
        yield _join([Embeddings.load(part) for part in parts], path)
        for file in (*_parts(path), lock):  # those of another number of shares, which are left of an earlier try, too
            file.unlink(missing_ok=True)


def _part(path: Path, shard: str, whole: str) -> Path:
    return path.with_name(f".{path.stem}.{whole}.{shard.replace('/', 'of')}.parquet")


def _parts(path: Path) -> Iterator[Path]:
    """Yield all shares that lie beside the place of a whole, of whatever runs and videos."""
    name = re.compile(re.escape(f".{path.stem}.") + r"\w+\.\d+of\d+\.parquet")
    return (file for file in path.parent.iterdir() if name.fullmatch(file.name))


def _refuse_others(path: Path, whole: str) -> None:
    if any(file.name.split(".")[-3] != whole for file in _parts(path)):
        raise UserError(_OTHERS.format(path=path, shares=path.with_name(f".{path.stem}.*")))


def _join(parts: Sequence[Embeddings], path: Path) -> Embeddings:
    common = [{key: value for key, value in part.description.items() if key not in _OWN} for part in parts]
    places = [place for part in parts for place in part.description[_PLACES]]
    if any(one != common[0] for one in common):
        raise UserError(_OTHERS.format(path=path, shares=path.with_name(f".{path.stem}.*")))
    if not places:
        raise UserError(f"not one video of the shares of {path} could be read; delete {path.parent}/.{path.stem}.*")
    order = np.argsort(places, kind="stable")

    def rows(name: str) -> tuple[Any, ...]:
        everyone = [value for part in parts for value in getattr(part, name)]
        return tuple(everyone[place] for place in order)

    description: Mapping[str, Any] = {
        **common[0],
        "failed": {video: reason for part in parts for video, reason in part.description.get("failed", {}).items()},
        "windows": sum(part.description.get("windows", 0) for part in parts),
    }
    return Embeddings(
        ids=rows("ids"),
        features={view: np.concatenate([part[view] for part in parts])[order] for view in parts[0].views},
        labels=rows("labels"),
        groups=rows("groups"),
        paths=rows("paths"),
        description={key: value for key, value in description.items() if value or key != "windows"},
    )
