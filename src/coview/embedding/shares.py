"""Vectors made in shares, by the jobs of an array or the processes of torchrun; whichever ends last joins them."""

import os
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
WHOLE = "whole"
"""Of a description: what tells the videos and weights of all shares from others."""
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
def in_shares(path: Path, shard: str, make: Callable[[], tuple[Embeddings, Sequence[int]]]) -> Iterator[Embeddings]:
    """Make a share, or take it as an earlier call kept it, and give all of them joined once they are there.

    The block writes the whole. The shares are removed after it, so that a kill before leaves all of them.

    Args:
        path: of the whole; shares lie beside it until it is written.
        shard: "i/n".
        make: gives the vectors of the share, and the place of each of its videos in the whole.

    Yields:
        The whole, where this share was the last one.

    Raises:
        ShareKept: others are not done yet.
        UserError: shares of different runs, settings or videos lie there.
    """
    _, shares = share_of(shard)
    own = _part(path, shard)
    make_folder(path.parent)
    if not own.is_file():
        made, places = make()
        replace(made, description={**made.description, _PLACES: list(places)}).save(own, full_paths=True)
    parts = [_part(path, f"{number}/{shares}") for number in range(1, shares + 1)]
    lock = path.with_name(f".{path.name}.lock")
    with folder_lock(lock, otherwise=f"another command joins the shares of {path}", wait_seconds=600.0):
        there = [part for part in parts if part.is_file()]
        if len(there) < shares:
            raise ShareKept(f"share {shard} is done; {len(there)} of {shares} are there")
        yield _join([Embeddings.load(part) for part in parts], path)
        for file in (*parts, lock):
            file.unlink(missing_ok=True)


def _part(path: Path, shard: str) -> Path:
    return path.with_name(f".{path.stem}.{shard.replace('/', 'of')}.parquet")


def _join(parts: Sequence[Embeddings], path: Path) -> Embeddings:
    common = [{key: value for key, value in part.description.items() if key not in _OWN} for part in parts]
    places = [place for part in parts for place in part.description[_PLACES]]
    if any(one != common[0] for one in common):
        raise UserError(
            f"the shares of {path} were made of different runs, settings or videos; delete {path.parent}/.{path.stem}.*"
        )
    if not places:
        raise UserError(f"not one video of the shares of {path} could be read; delete {path.parent}/.{path.stem}.*")
    order = np.argsort(places, kind="stable")

    def rows(name: str) -> tuple[Any, ...]:
        everyone = [value for part in parts for value in getattr(part, name)]
        return tuple(everyone[place] for place in order)

    description: Mapping[str, Any] = {
        **{key: value for key, value in common[0].items() if key != WHOLE},
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
