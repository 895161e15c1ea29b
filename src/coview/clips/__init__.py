"""Station 5: views -> clips. Which frames, read by workers as uint8, aligned over all views."""

from coview.clips.dataset import ClipDataset, collate_clips

__all__ = ["ClipDataset", "collate_clips"]
