"""A layout of one's own: all videos in one folder, the class before two underscores, as in `walk__park_03.mp4`.

    coview prepare my_clips data/mine --layout clip-names --plugin examples.clip_names

In Python, import this file; then `coview.prepare("my_clips", "data/mine", layout="clip-names")`.
"""

from pathlib import Path

import coview
from coview.datasets import Listing
from coview.datasets.listing import refuse_lists, unique_ids, with_example
from coview.datasets.video_files import find_videos
from coview.datatypes import VideoEntry


@coview.register("layout", "clip-names")
@with_example("clips", {"clips/walk__park_03.mp4": "", "clips/jump__1.avi": ""})
def read_clip_names(source: Path, *, lists: Path | None = None) -> Listing:
    """Clips in one folder whose names begin with their class.

    Raises:
        UserError: no such folder, no video in it, or lists were given.
    """
    refuse_lists(lists, layout="clip-names")
    files = find_videos(source)
    return Listing(
        tuple(
            VideoEntry(id=video_id, path=files.path(name), label=name.split("/")[-1].partition("__")[0])
            for name, video_id in zip(files.names, unique_ids(files.names), strict=True)
        ),
        files.remarks,
    )
