"""k-fold by group: whole groups, every video once, even parts, the same for the same seed."""

from collections import Counter

import numpy as np
import pytest

from coview.datasets.folds import deal, with_folds
from coview.datatypes import VideoEntry
from coview.errors import UserError

GROUPS = [f"g{number // 3}" for number in range(30)] + ["big"] * 9


def test_groups_stay_whole_and_parts_are_even():
    parts = deal(GROUPS, 4, seed=0)
    assert len(parts) == len(GROUPS)
    for group in set(GROUPS):
        assert len({int(part) for part, name in zip(parts, GROUPS, strict=True) if name == group}) == 1
    sizes = Counter(parts.tolist())
    assert set(sizes) == {0, 1, 2, 3}
    assert max(sizes.values()) - min(sizes.values()) <= 9  # the largest group


def test_the_seed_alone_decides():
    order = np.random.default_rng(0).permutation(len(GROUPS))
    shuffled = deal([GROUPS[place] for place in order], 4, seed=0)
    np.testing.assert_array_equal(shuffled, deal(GROUPS, 4, seed=0)[order])
    assert any((deal(GROUPS, 4, seed=seed) != deal(GROUPS, 4, seed=0)).any() for seed in range(1, 4))


def test_too_few_groups_are_the_users_error():
    with pytest.raises(UserError, match="5 folds need as many groups of videos, 2 are there"):
        deal(["a", "a", "b"], 5, seed=0)


def test_folds_as_splits_test_every_group_once_and_leave_the_rest_as_it_is():
    entries = [
        VideoEntry(id=f"v{number}", path="p", group=group, splits={"split1": "train"})
        for number, group in enumerate(GROUPS)
    ]
    dealt = with_folds(entries, 3)
    names = ("fold1", "fold2", "fold3")
    for entry in dealt:
        assert set(entry.splits) == {"split1", *names}
        assert [entry.splits[name] for name in names].count("test") == 1
    parts = deal([f"group {group}" for group in GROUPS], 3, seed=0)
    assert [names.index(n) for e in dealt for n in names if e.splits[n] == "test"] == parts.tolist()
    with pytest.raises(UserError, match="a split 'fold1' of their own"):
        with_folds(dealt, 3)


def test_videos_that_come_later_move_no_group():
    def listed(groups):
        return [VideoEntry(id=f"v{number}", path="p", group=group) for number, group in enumerate(groups)]

    first = with_folds(listed(GROUPS), 4)
    grown = [*GROUPS, *["large"] * 20, *["small"] * 2]
    later = with_folds(listed(grown), 4, before=first)
    assert [entry.splits for entry in later[: len(GROUPS)]] == [entry.splits for entry in first]
    assert all(list(entry.splits.values()).count("test") == 1 for entry in later)
    afresh = with_folds(listed(grown), 4)
    assert [entry.splits for entry in afresh[: len(GROUPS)]] != [entry.splits for entry in first]
