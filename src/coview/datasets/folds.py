"""k-fold by group: every video is tested once, by videos of all other parts."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from coview.datasets.splits import group_of
from coview.datatypes import VideoEntry
from coview.errors import UserError

Folds = Annotated[int, Field(ge=2)]


def deal(groups: Sequence[str], folds: int, *, seed: int, kept: Mapping[str, int] | None = None) -> NDArray[np.int64]:
    """Deal whole groups into parts of nearly one size.

    Groups come in an order that depends on the seed and their names alone; each goes to the part that has the fewest
    videos so far.

    Args:
        groups: n group names, one a video.
        folds: number of parts.
        seed: of the order.
        kept: group name -> the part it stays in; the others are dealt to what these leave.

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
    part_of = {group: part for group, part in (kept or {}).items() if group in sizes}
    filled = [sum(sizes[group] for group, part in part_of.items() if part == fold) for fold in range(folds)]
    for group in sorted(
        sizes.keys() - part_of.keys(), key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()
    ):
        part = int(np.argmin(filled))
        part_of[group] = part
        filled[part] += sizes[group]
    return np.array([part_of[group] for group in groups], dtype=np.int64)


def with_folds(
    entries: Sequence[VideoEntry], folds: int, *, before: Sequence[VideoEntry] = ()
) -> tuple[VideoEntry, ...]:
    """Add the split columns "fold1" to "fold<folds>": in each, one part of the groups is "test", the rest "train".

    Args:
        entries: the videos.
        folds: how many.
        before: the videos as they were dealt earlier; their groups stay where they are, so that no video that a run
            has learned from becomes one that tests it.

    Raises:
        UserError: fewer groups than folds, or the videos have a split column of such a name already.
    """
    names = [f"fold{number}" for number in range(1, folds + 1)]
    taken = sorted({name for entry in entries for name in entry.splits} & set(names))
    if taken:
        raise UserError(f"the videos have a split {taken[0]!r} of their own; leave --folds out, or rename that one")
    kept = {group_of(entry): place for entry in before for place, name in enumerate(names) if _tests(entry, name)}
    parts = deal([group_of(entry) for entry in entries], folds, seed=0, kept=kept)
    return tuple(
        replace(entry, splits={**entry.splits, **{name: _side(part == fold) for fold, name in enumerate(names)}})
        for entry, part in zip(entries, parts.tolist(), strict=True)
    )


def _tests(entry: VideoEntry, split: str) -> bool:
    return entry.splits.get(split) == "test"


def _side(is_tested: bool) -> str:
    return "test" if is_tested else "train"
