"""Holding out whole groups."""

import pytest

from coview.datasets.splits import hold_out
from coview.datatypes import VideoEntry


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
