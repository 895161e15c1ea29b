"""Which frames make a clip: integers in, integers out.

A clip of N blocks of L frames is T = N * L frames, `step` apart; blocks follow one another without a gap. Plain
sampling is one block. A video shorter than that span is kept: the step shrinks by whole frames, the same
everywhere in the clip, until the span fits or the step is 1; then the last frame repeats.
"""

import numpy as np
from numpy.typing import NDArray

from coview.config import ClipSettings

Indices = NDArray[np.int64]


def effective_step(num_frames: int, clip: ClipSettings) -> int:
    """Return the frames between neighbours of a clip in a video of `num_frames`: `clip.frame_stride`, or less if short.

    Raises:
        ValueError: the video has no frame.
    """
    if num_frames < 1:
        raise ValueError(f"a video of {num_frames} frames has no clip")
    if clip.num_frames == 1:
        return clip.frame_stride
    return max(1, min(clip.frame_stride, (num_frames - 1) // (clip.num_frames - 1)))


def effective_span(num_frames: int, clip: ClipSettings) -> int:
    """Return the frames from the first to the last of a clip, both counted, if the video were long enough."""
    return (clip.num_frames - 1) * effective_step(num_frames, clip) + 1


def start_range(num_frames: int, clip: ClipSettings) -> int:
    """Return how many frames a clip may start at, 0 among them; at least 1."""
    return max(1, num_frames - effective_span(num_frames, clip) + 1)


def clip_indices(num_frames: int, clip: ClipSettings, start: int) -> Indices:
    """Return the frames of the clip that starts at `start`, ascending: (T,).

    Args:
        num_frames: of the video.
        clip: N, L and step.
        start: less than `start_range(num_frames, clip)`.
    """
    steps = np.arange(clip.num_frames, dtype=np.int64) * effective_step(num_frames, clip)
    return np.minimum(start + steps, num_frames - 1)


def random_starts(num_frames: int, clip: ClipSettings, generator: np.random.Generator) -> Indices:
    """Draw the starts of the M clips of one training step: (M,).

    With `clip.different_times_probability` each clip has a start of its own, otherwise all share one (ViCC, sec. 4.1).
    """
    is_different = generator.random() < clip.different_times_probability
    starts = generator.integers(start_range(num_frames, clip), size=clip.clips_per_video)
    return starts if is_different else np.repeat(starts[:1], clip.clips_per_video)


def window_indices(num_frames: int, clip: ClipSettings, *, max_windows: int | None = None) -> Indices:
    """Return the uniform windows of a whole video for evaluation: (W, T).

    Windows overlap by half or a little more, so that their starts are evenly spread; one window allowed is the middle
    one. Of one block each, the first starts at frame 0 and the last ends at the last frame. Of several blocks, their
    starts lie whole blocks apart, so that windows share those blocks where they overlap and an encoder sees each
    once; the frames of the video that fill no further block are left out, half of them at each end.

    Args:
        num_frames: of the video.
        clip: N, L and step.
        max_windows: at most this many, spread as evenly; None: no bound.
    """
    last_start = start_range(num_frames, clip) - 1
    grain = clip.block_length * effective_step(num_frames, clip) if clip.num_blocks > 1 else 1
    last_place, left_out = divmod(last_start, grain)  # windows start `grain` frames apart at least
    hop = clip.num_blocks // 2 if clip.num_blocks > 1 else max(1, effective_span(num_frames, clip) // 2)
    count = -(-last_place // hop) + 1
    if max_windows is not None:
        count = min(count, max_windows)
    if count == 1:
        return clip_indices(num_frames, clip, last_start // 2)[None]
    places = (np.arange(count, dtype=np.int64) * last_place + (count - 1) // 2) // (count - 1)
    return np.stack([clip_indices(num_frames, clip, left_out // 2 + int(place) * grain) for place in places])
