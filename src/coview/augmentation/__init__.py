"""Station 6: clip -> clip. One random draw shared by all views, on whole batches, on the model's device.

Crop, flip, colour and blur are one pass over the pixels (`changes`, `fused`); operations of `AUGMENTATIONS` follow.
"""

from coview.augmentation.module import ClipAugmentation
from coview.augmentation.operations import AUGMENTATIONS, Operation

__all__ = ["AUGMENTATIONS", "ClipAugmentation", "Operation"]
