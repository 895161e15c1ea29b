import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coview.clips.sampling import clip_indices, effective_step, random_starts, start_range, window_indices
from coview.config import ClipSettings
from coview.datatypes import random_generator

BLOCKS = ClipSettings(num_blocks=2, block_length=3, frame_stride=3)  # 6 frames over a span of 16
PLAIN = ClipSettings(num_blocks=1, block_length=4, frame_stride=1)


def test_block_clip_takes_every_third_frame_across_blocks() -> None:
    assert clip_indices(20, BLOCKS, 0).tolist() == [0, 3, 6, 9, 12, 15]
    assert clip_indices(20, BLOCKS, 4).tolist() == [4, 7, 10, 13, 16, 19]
    assert start_range(20, BLOCKS) == 5


def test_plain_clip_is_one_block() -> None:
    assert clip_indices(10, PLAIN, 6).tolist() == [6, 7, 8, 9]
    assert start_range(10, PLAIN) == 7


@pytest.mark.parametrize(
    ("num_frames", "step", "expected"),
    [
        (16, 3, [0, 3, 6, 9, 12, 15]),
        (15, 2, [0, 2, 4, 6, 8, 10]),
        (11, 2, [0, 2, 4, 6, 8, 10]),
        (10, 1, [0, 1, 2, 3, 4, 5]),
        (6, 1, [0, 1, 2, 3, 4, 5]),
        (4, 1, [0, 1, 2, 3, 3, 3]),
        (1, 1, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_short_video_shrinks_the_step_then_repeats_its_last_frame(
    num_frames: int, step: int, expected: list[int]
) -> None:
    assert effective_step(num_frames, BLOCKS) == step
    assert clip_indices(num_frames, BLOCKS, 0).tolist() == expected


def test_video_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="0 frames"):
        clip_indices(0, PLAIN, 0)


def test_windows_start_at_the_first_frame_and_end_at_the_last() -> None:
    windows = window_indices(11, PLAIN)
    assert windows.tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [5, 6, 7, 8], [7, 8, 9, 10]]


def test_windows_are_bounded_and_one_is_the_middle() -> None:
    assert window_indices(11, PLAIN, max_windows=2)[:, 0].tolist() == [0, 7]
    assert window_indices(11, PLAIN, max_windows=1).tolist() == [[3, 4, 5, 6]]
    blocks = ClipSettings(num_blocks=2, block_length=4, frame_stride=1)
    assert window_indices(12, blocks, max_windows=1)[:, 0].tolist() == [2]  # not a whole block from either end
    assert window_indices(3, PLAIN, max_windows=5).tolist() == [[0, 1, 2, 2]]


@given(
    num_frames=st.integers(1, 400),
    num_blocks=st.integers(1, 8),
    block_length=st.integers(1, 6),
    step=st.integers(1, 4),
)
def test_windows_cover_every_video(num_frames: int, num_blocks: int, block_length: int, step: int) -> None:
    clip = ClipSettings(num_blocks=num_blocks, block_length=block_length, frame_stride=step)
    windows = window_indices(num_frames, clip)
    assert windows.shape[1] == clip.num_frames
    assert windows.min() >= 0
    assert (np.diff(windows, axis=1) >= 0).all()
    grain = block_length * effective_step(num_frames, clip) if num_blocks > 1 else 1
    before, after = int(windows[0, 0]), num_frames - 1 - int(windows[-1, -1])
    assert 0 <= before <= after <= before + 1
    assert before + after < grain
    starts = windows[:, 0]
    assert ((starts - starts[0]) % grain == 0).all()
    if len(windows) > 1:
        span = num_blocks * grain if num_blocks > 1 else int(windows[0, -1] - windows[0, 0]) + 1
        hops = np.diff(starts)
        assert hops.max() <= max(grain, -(-span // 2))
        assert hops.max() - hops.min() <= grain


def test_windows_of_several_blocks_share_them() -> None:
    clip = ClipSettings(num_blocks=4, block_length=2, frame_stride=3)  # 24 frames less the last two
    starts = window_indices(62, clip)[:, 0]
    assert starts.tolist() == [2, 14, 26, 38]  # 4 frames fill no further block
    blocks = window_indices(62, clip).reshape(-1, 2)
    assert len(np.unique(blocks, axis=0)) == 10


def test_clips_of_a_video_share_their_start_or_not() -> None:
    def starts(probability: float) -> list[list[int]]:
        clip = ClipSettings(
            num_blocks=1, block_length=4, frame_stride=1, clips_per_video=2, different_times_probability=probability
        )
        return [random_starts(1000, clip, random_generator(0, 0, i, 0)).tolist() for i in range(200)]

    assert all(a == b for a, b in starts(0.0))
    assert sum(a == b for a, b in starts(1.0)) < 5
    assert 60 < sum(a == b for a, b in starts(0.5)) < 140
    assert max(a for a, _ in starts(0.5)) > 900


def test_every_start_is_drawn() -> None:
    drawn = {int(random_starts(6, PLAIN, random_generator(1, 0, i, 0))[0]) for i in range(60)}
    assert drawn == {0, 1, 2}
