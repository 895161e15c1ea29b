"""Parts of the training videos: some kept aside to watch the training by, or a few labelled ones of each class.

The test part is never touched for either.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coview.datatypes import VideoEntry, random_generator


def hold_out(
    entries: Sequence[VideoEntry], *, share: float, seed: int
) -> tuple[tuple[VideoEntry, ...], tuple[VideoEntry, ...]]:
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
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[group_of(entry)] = sizes.get(group_of(entry), 0) + 1
    held = _drawn(sizes, wanted=share * len(entries), seed=seed) if share > 0 else set()
    train = tuple(entry for entry in entries if group_of(entry) not in held)
    validation = tuple(entry for entry in entries if group_of(entry) in held)
    return train, validation


def group_of(entry: VideoEntry) -> str:
    """Return the group of a video; one without a group is a group by itself."""
    return f"group {entry.group}" if entry.group is not None else f"video {entry.id}"


def _drawn(sizes: dict[str, int], *, wanted: float, seed: int) -> set[str]:
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
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
