"""Whole groups: held out of training, or dealt into folds, for the same seed the same."""

from collections import Counter

import numpy as np
import pytest

from coview.datasets.splits import add_folds, deal_folds, hold_out
from coview.datatypes import VideoEntry
from coview.errors import UserError


def videos(*groups):
    return [VideoEntry(id=f"v{number}", path="", group=group) for number, group in enumerate(groups)]


def groups_of(entries):
    return {entry.group for entry in entries}


def test_whole_groups_are_held_out_in_order():
    entries = videos(*(f"g{number // 5}" for number in range(200)))
    train, validation = hold_out(entries, share=0.1, seed=0)
    assert len(validation) == 20
    assert sorted([*train, *validation], key=entries.index) == entries
    assert not groups_of(train) & groups_of(validation)
    for part in (train, validation):
        assert list(part) == sorted(part, key=entries.index)


def test_the_draw_depends_on_seed_and_names_alone():
    entries = videos(*(f"g{number // 2}" for number in range(100)))
    train, validation = hold_out(entries, share=0.2, seed=3)
    assert (train, validation) == hold_out(entries, share=0.2, seed=3)
    assert groups_of(hold_out(entries[::-1], share=0.2, seed=3)[1]) == groups_of(validation)
    assert groups_of(hold_out(entries, share=0.2, seed=4)[1]) != groups_of(validation)


def test_a_video_more_moves_few_others():
    entries = videos(*(f"g{number // 2}" for number in range(200)))
    before = groups_of(hold_out(entries, share=0.2, seed=0)[1])
    after = groups_of(hold_out(entries[:-2], share=0.2, seed=0)[1])
    assert len(before ^ after) <= 2


def test_videos_without_group_stand_alone():
    train, validation = hold_out(videos(*[None] * 10), share=0.3, seed=0)
    assert (len(train), len(validation)) == (7, 3)


def test_a_group_called_like_a_video_is_another():
    train, validation = hold_out([VideoEntry("a", ""), VideoEntry("b", "", group="a")], share=0.5, seed=0)
    assert (len(train), len(validation)) == (1, 1)


@pytest.mark.parametrize(
    ("groups", "share", "held"),
    [
        ([], 0.5, 0),
        ([None], 0.5, 0),  # one video stays for training
        (["a"] * 6, 0.5, 0),  # a group is never split
        ([None] * 4, 0.0, 0),
        ([None] * 4, 0.01, 1),  # asked for some: at least one
        ([None] * 4, 1.0, 3),
        (["a"] * 50 + ["b"], 0.1, 1),
        (["a"] * 50 + ["b"] * 50, 0.1, 50),
    ],
)
def test_small_sets(groups, share, held):
    train, validation = hold_out(videos(*groups), share=share, seed=1)
    assert (len(train), len(validation)) == (len(groups) - held, held)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_are_fractions(share):
    with pytest.raises(ValueError, match="expected 0 to 1"):
        hold_out([], share=share, seed=0)


GROUPS = [f"g{number // 3}" for number in range(30)] + ["big"] * 9


def test_groups_stay_whole_and_parts_are_even():
    parts = deal_folds(GROUPS, 4, seed=0)
    assert len(parts) == len(GROUPS)
    for group in set(GROUPS):
        assert len({int(part) for part, name in zip(parts, GROUPS, strict=True) if name == group}) == 1
    sizes = Counter(parts.tolist())
    assert set(sizes) == {0, 1, 2, 3}
    assert max(sizes.values()) - min(sizes.values()) <= 9  # the largest group


def test_the_seed_alone_decides():
    order = np.random.default_rng(0).permutation(len(GROUPS))
    shuffled = deal_folds([GROUPS[place] for place in order], 4, seed=0)
    np.testing.assert_array_equal(shuffled, deal_folds(GROUPS, 4, seed=0)[order])
    assert any((deal_folds(GROUPS, 4, seed=seed) != deal_folds(GROUPS, 4, seed=0)).any() for seed in range(1, 4))


def test_too_few_groups_are_the_users_error():
    with pytest.raises(UserError, match="5 folds need as many groups of videos, 2 are there"):
        deal_folds(["a", "a", "b"], 5, seed=0)


def test_folds_as_splits_test_every_group_once_and_leave_the_rest_as_it_is():
    entries = [
        VideoEntry(id=f"v{number}", path="p", group=group, splits={"split1": "train"})
        for number, group in enumerate(GROUPS)
    ]
    dealt = add_folds(entries, 3)
    names = ("fold1", "fold2", "fold3")
    for entry in dealt:
        assert set(entry.splits) == {"split1", *names}
        assert [entry.splits[name] for name in names].count("test") == 1
    parts = deal_folds([f"group {group}" for group in GROUPS], 3, seed=0)
    assert [names.index(n) for e in dealt for n in names if e.splits[n] == "test"] == parts.tolist()
    with pytest.raises(UserError, match="a split 'fold1' of their own"):
        add_folds(dealt, 3)


def test_videos_that_come_later_move_no_group():
    def listed(groups):
        return [VideoEntry(id=f"v{number}", path="p", group=group) for number, group in enumerate(groups)]

    first = add_folds(listed(GROUPS), 4)
    grown = [*GROUPS, *["large"] * 20, *["small"] * 2]
    later = add_folds(listed(grown), 4, before=first)
    assert [entry.splits for entry in later[: len(GROUPS)]] == [entry.splits for entry in first]
    assert all(list(entry.splits.values()).count("test") == 1 for entry in later)
    afresh = add_folds(listed(grown), 4)
    assert [entry.splits for entry in afresh[: len(GROUPS)]] != [entry.splits for entry in first]
