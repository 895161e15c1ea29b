"""The window in the middle of a video: as an encoder sees it, and where the person is in it."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coview.analysis.context import AnalysisContext
from coview.augmentation.batch import centre
from coview.clips.samples import ClipSample, VideoTable, collate
from coview.clips.sampling import Indices, window_indices
from coview.datatypes import VideoEntry
from coview.views.opened import open_views
from coview.views.persons.segmentation import PERSON

MASK_VIEW = "segmentation"


def middle_clip(context: AnalysisContext, entry: VideoEntry, view: str) -> tuple[Tensor, Indices]:
    """Return the middle window of a video as an encoder sees it, (C, T, size, size), and its frames (T,).

    Raises:
        UserError: the stored view cannot be read.
    """
    config = context.run.config
    windows = window_indices(entry.num_frames or 1, config.clip)
    frames = windows[len(windows) // 2]
    views = open_views(context.data.view_options, (view,))
    table = VideoTable(context.data, [entry])
    raw = table.read_once(views[view], 0, frames[None])
    sample = ClipSample({view: raw}, int(table.entry_indices[0]), (0, 0, 0), frames[None])
    batch = centre(collate([sample]), views, {view: config.views[view]}, device=torch.device("cpu"))
    return batch.clips[view][0, 0], frames


def person_mask(context: AnalysisContext, entry: VideoEntry, frames: Indices, *, size: int) -> NDArray[np.bool_] | None:
    """Return where the person is in the centred square of frames, (T, size, size); None where no masks are stored.

    Raises:
        UserError: the stored masks cannot be read.
    """
    if MASK_VIEW not in context.data.view_options:
        return None
    view = open_views(context.data.view_options, (MASK_VIEW,))[MASK_VIEW]
    raw = VideoTable(context.data, [entry]).read_once(view, 0, frames[None])[0]  # (T, H, W, 1)
    height, width = raw.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    whole = (raw[:, top : top + side, left : left + side, 0] >= PERSON).astype(np.float32)
    small = [cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA) for mask in whole]
    return np.asarray(np.stack(small) >= 0.5)
