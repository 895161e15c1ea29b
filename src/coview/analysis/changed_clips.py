"""Clips with something taken away: their order, their direction, their motion. Integers in, integers out."""

import numpy as np

from coview.clips.sampling import Indices, clip_indices, start_range
from coview.config import ClipSettings
from coview.datatypes import random_generator

CHANGES = {
    "still": "its middle frame alone, repeated: no motion",
    "shuffled": "its frames in random order: motion without order",
    "reversed": "its frames backwards: motion the other way round",
    "later": "another clip of the same video, as far away as it goes",
}
"""Name -> what becomes of a clip, in words."""


def changed_clips(num_frames: int, clip: ClipSettings, *, key: int) -> Indices:
    """Return the frames of a clip in the middle of a video and of its changed forms.

    Args:
        num_frames: of the video.
        clip: N, L and step.
        key: of the random order; another for each video.

    Returns:
        (1 + len(CHANGES) + 1, T): the clip, one row for each of `CHANGES` in their order, of which "later" is the last
        clip of the video, and the first clip of the video, which "later" is to be compared with.
    """
    last_start = start_range(num_frames, clip) - 1
    middle = clip_indices(num_frames, clip, last_start // 2)  # (T,)
    still = np.full_like(middle, middle[len(middle) // 2])
    shuffled = random_generator(key).permutation(middle)
    later, first = clip_indices(num_frames, clip, last_start), clip_indices(num_frames, clip, 0)
    return np.stack([middle, still, shuffled, middle[::-1], later, first])
