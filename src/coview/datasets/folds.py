"""k-fold by group: every video is tested once, by videos of all other parts."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from coview.datasets.splits import group_of
from coview.datatypes import VideoEntry
from coview.errors import UserError

Folds = Annotated[int, Field(ge=2)]


def deal(groups: Sequence[str], folds: int, *, seed: int) -> NDArray[np.int64]:
    """Deal whole groups into parts of nearly one size.

    Groups come in an order that depends on the seed and their names alone; each goes to the part that has the fewest
    videos so far.

    Args:
        groups: n group names, one a video.
        folds: number of parts.
        seed: of the order.

    Returns:
        (n,) int64, the part of each video.

    Raises:
        UserError: fewer groups than parts.
    """
    sizes = Counter(groups)
    if len(sizes) < folds:
        raise UserError(
            f"{folds} folds need as many groups of videos, {len(sizes)} are there (a group is never "
            f"divided); give at most {len(sizes)} folds"
        )
    filled = [0] * folds
    part_of: dict[str, int] = {}
    for group in sorted(sizes, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()):
        part = int(np.argmin(filled))
        part_of[group] = part
        filled[part] += sizes[group]
    return np.array([part_of[group] for group in groups], dtype=np.int64)


def with_folds(entries: Sequence[VideoEntry], folds: int, *, seed: int) -> tuple[VideoEntry, ...]:
    """Add the split columns "fold1" to "fold<folds>": in each, one part of the groups is "test", the rest "train".

    Raises:
        UserError: fewer groups than folds, or the videos have a split column of such a name already.
    """
    names = [f"fold{number}" for number in range(1, folds + 1)]
    taken = sorted({name for entry in entries for name in entry.splits} & set(names))
    if taken:
        raise UserError(f"the videos have a split {taken[0]!r} of their own; leave --folds out, or rename that one")
    parts = deal([group_of(entry) for entry in entries], folds, seed=seed)
    return tuple(
        replace(entry, splits={**entry.splits, **{name: _side(part == fold) for fold, name in enumerate(names)}})
        for entry, part in zip(entries, parts.tolist(), strict=True)
    )


def _side(is_tested: bool) -> str:
    return "test" if is_tested else "train"
