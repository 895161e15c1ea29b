"""Who is on which side: folds by group, training videos held out by group, a few labelled videos of each class.

A group, such as the clips of one recording, is never divided. The test part is touched by folds alone.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from coview.datasets.video_rows import column_of, select
from coview.datatypes import VideoEntry, random_generator
from coview.errors import UserError

Folds = Annotated[int, Field(ge=2, le=1000)]
"""A number of folds."""


def group_of(entry: VideoEntry) -> str:
    """Return the group of a video; one without a group is a group by itself."""
    return f"group {entry.group}" if entry.group is not None else f"video {entry.id}"


def deal_folds(
    groups: Sequence[str], folds: int, *, seed: int, kept: Mapping[str, int] | None = None
) -> NDArray[np.int64]:
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
    for group in _in_order(sizes.keys() - part_of.keys(), seed=seed):
        part = int(np.argmin(filled))
        part_of[group] = part
        filled[part] += sizes[group]
    return np.array([part_of[group] for group in groups], dtype=np.int64)


def add_folds(
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
    kept = {
        group_of(entry): place
        for entry in before
        for place, name in enumerate(names)
        if entry.splits.get(name) == "test"
    }
    parts = deal_folds([group_of(entry) for entry in entries], folds, seed=0, kept=kept)
    return tuple(
        replace(
            entry,
            splits={**entry.splits, **{name: "test" if part == fold else "train" for fold, name in enumerate(names)}},
        )
        for entry, part in zip(entries, parts.tolist(), strict=True)
    )


def hold_out(
    entries: Sequence[VideoEntry], *, share: float, seed: int
) -> tuple[Sequence[VideoEntry], Sequence[VideoEntry]]:
    """Divide training videos into those to train on and a held-out part, by whole groups.

    Which groups are taken first depends on the seed and their names alone, so that a video more or less moves few
    others. Order is kept. With a share above 0 at least one group is held out where there are two or more; at least
    one stays for training.

    Args:
        entries: the training videos; a video without group is a group by itself.
        share: of the videos to hold out, 0 to 1; reached as closely as whole groups allow.
        seed: of the draw.

    Returns:
        (train, validation).
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}, expected 0 to 1")
    if share == 0:
        return entries, ()
    held = _drawn(Counter(_groups_of(entries)), wanted=share * len(entries), seed=seed)
    is_held = np.fromiter((group in held for group in _groups_of(entries)), dtype=bool, count=len(entries))
    return select(entries, ~is_held), select(entries, is_held)


def _groups_of(entries: Sequence[VideoEntry]) -> Iterator[str]:
    """Yield `group_of` for every video."""
    for video_id, group in zip(column_of(entries, "id"), column_of(entries, "group"), strict=True):
        yield f"group {group}" if group is not None else f"video {video_id}"


def _in_order(groups: Iterable[str], *, seed: int) -> list[str]:
    """Shuffle groups by the seed and their own names alone, so that one more or less moves no other."""
    return sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())


def _drawn(sizes: Mapping[str, int], *, wanted: float, seed: int) -> set[str]:
    order = _in_order(sizes, seed=seed)
    held: set[str] = set()
    count = 0
    for group in order:
        comes_closer = abs(count + sizes[group] - wanted) < abs(count - wanted)
        if comes_closer and len(held) < len(order) - 1:
            held.add(group)
            count += sizes[group]
    if not held and len(order) > 1:
        held.add(min(order, key=lambda group: sizes[group]))
    return held


def few_of_each_class(targets: NDArray[np.int64], count: int, *, seed: int, draw: int) -> NDArray[np.int64]:
    """Draw at most `count` videos of each class; a draw of more holds the same draw of fewer.

    Args:
        targets: (n,) the class of each video, numbered from 0 without a gap.
        count: wanted of each class; one with fewer gives all it has.
        seed: of all draws.
        draw: which of them.

    Returns:
        Places of the drawn videos, ascending.
    """
    order = random_generator(seed, draw).permutation(len(targets))
    by_class = order[np.argsort(targets[order], kind="stable")]
    sizes = np.bincount(targets)
    ranks = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # place within the own class
    return np.sort(by_class[ranks < count])
