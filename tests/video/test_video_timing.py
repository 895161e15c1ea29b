"""Resampling in time, by listing the frames that are expected."""

import pytest

from coview.video.timing import JoinedStamps, TimeStampError, resampled


def shown(stamps: list[float], fps: float) -> list[int]:
    return list(resampled(enumerate(stamps), fps=fps))


@pytest.mark.parametrize(
    ("stamps", "fps", "expected"),
    [
        ([0.0, 0.1, 0.2, 0.3], 10, [0, 1, 2, 3]),  # the same rate
        ([0.0, 0.1, 0.2, 0.3], 20, [0, 0, 1, 1, 2, 2, 3, 3]),  # twice
        ([0.0, 0.1, 0.2, 0.3], 5, [0, 2]),  # half
        ([0.0, 0.1, 0.2, 0.3, 0.4], 5, [0, 2, 4]),  # 2.5 moments are 3
        ([0.0, 0.1, 0.2, 0.3], 25, [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]),
        ([0.0, 0.1, 0.5, 0.6], 10, [0, 1, 1, 1, 1, 2, 3, 3]),  # a pause; the last lasts 0.2 s, the mean
        ([7.0, 7.1, 7.2], 10, [0, 1, 2]),  # a delayed start
        ([0.0, 0.033, 0.067, 0.1, 0.133, 0.167], 30, [0, 1, 2, 3, 4, 5]),  # stamps rounded to milliseconds
        ([0.0], 30, [0]),
        ([0.0, 0.0, 0.0], 10, [2]),  # no time passes: the last one is seen
        ([0.0, 0.01, 0.02, 0.03, 0.04], 1, [0]),  # never none
        ([0.0, 0.2, 0.1, 0.3], 10, [0, 0, 2, 3]),  # a stamp that runs backwards is shown as soon as possible
        ([], 10, []),
    ],
)
def test_expected_frames(stamps: list[float], fps: float, expected: list[int]) -> None:
    assert shown(stamps, fps) == expected


@pytest.mark.parametrize(("source", "target"), [(25, 12.5), (30000 / 1001, 25), (24, 60), (25, 25), (59.94, 7)])
@pytest.mark.parametrize("count", [1, 7, 280])
def test_length_is_kept(source: float, target: float, count: int) -> None:
    indices = shown([t / source for t in range(count)], target)
    expected = count / source * target if count > 1 else 1
    assert abs(len(indices) - expected) <= 0.5001 or len(indices) == 1
    for moment, index in enumerate(indices):
        assert index / source <= moment / target + 0.0011  # not later
        assert index == count - 1 or (index + 1) / source >= moment / target  # and the nearest of those


def test_a_pause_without_end() -> None:
    with pytest.raises(TimeStampError, match="lie 100000 s apart"):
        shown([0.0, 0.1, 100000.0], 25)


@pytest.mark.parametrize(
    ("stamps", "expected", "num_joints"),
    [
        ([0.0, 0.1, 0.2], [0.0, 0.1, 0.2], 0),
        ([5.0, 5.1, 5.2, 3.0, 3.1], [5.0, 5.1, 5.2, 5.3, 5.4], 1),  # starts again
        ([0.0, 0.1, 0.2, 90.0, 90.1], [0.0, 0.1, 0.2, 0.3, 0.4], 1),  # jumps ahead
        ([5.0, 1.0, 1.1, 1.2], [5.0, 5.1, 5.2, 5.3], 1),  # a recording of one frame comes first
        ([9.0, 9.1, 5.0, 5.1, 1.0, 1.1], [9.0, 9.1, 9.2, 9.3, 9.4, 9.5], 2),
        ([0.0, 0.1, 7.0, 7.1], [0.0, 0.1, 7.0, 7.1], 0),  # a pause
        ([0.0, 0.3, 0.1, 0.2, 0.4], [0.0, 0.3, 0.1, 0.2, 0.4], 0),  # disorder
        ([0.0, 900.0, 1800.0], [0.0, 900.0, 1800.0], 0),  # a time-lapse
        ([], [], 0),
    ],
)
def test_joined_recordings_go_on(stamps: list[float], expected: list[float], num_joints: int) -> None:
    joined = JoinedStamps(enumerate(stamps), usual_gap=0.1, longest_pause=10.0)
    found = list(joined)
    assert [item for item, _ in found] == list(range(len(stamps)))
    assert [stamp for _, stamp in found] == pytest.approx(expected)
    told = {0: "", 1: "at one place", 2: "at 2 places"}[num_joints]
    assert told in joined.remark()
    assert bool(joined.remark()) == (num_joints > 0)
