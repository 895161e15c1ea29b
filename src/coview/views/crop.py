"""Cut one box a clip out of raw pictures and bring it to the encoder's size: shared by the image-like views."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coview.datatypes import check_shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """One crop and flip for each clip of a batch, in coordinates that hold for every stored size.

    Attributes:
        boxes: (B*M, 4) float64, left, top, right, bottom as fractions of width and height, in [0, 1].
        flips: (B*M,) bool, mirror left and right after cropping.
    """

    boxes: "Tensor"
    flips: "Tensor"

    def __post_init__(self) -> None:
        check_shape("boxes", self.boxes, None, 4)
        check_shape("flips", self.flips, self.boxes.shape[0])


def crop_resize(raw: "Tensor", frame_sizes: "Tensor", geometry: Geometry, size: int) -> "Tensor":
    """Crop, resize (bilinear, antialiased) and mirror a batch of raw clips, each by its own box.

    Boxes are rounded to whole pixels and hold at least one. For batches on a GPU; on a CPU `coview.augmentation.fused`
    does the same, and all that follows, in one pass.

    Args:
        raw: (B, T, H, W, C) uint8, pictures padded at the right and bottom.
        frame_sizes: (B, 2) integers, height and width without the padding, in pixels.
        geometry: one box (fractions of the picture without padding) and one flip a clip.
        size: side of the result in pixels.

    Returns:
        (B, C, T, size, size) float32 in [0, 255], on the device of `raw`, with its channels last in memory: that is
        how pictures come and how 3D convolutions run fastest.
    """
    import torch
    from torch.nn.functional import interpolate

    check_shape("raw", raw, None, None, None, None, None)
    check_shape("frame_sizes", frame_sizes, raw.shape[0], 2)
    check_shape("geometry.boxes", geometry.boxes, raw.shape[0], 4)
    batch, num_frames, _, _, channels = raw.shape
    out = torch.empty(batch, num_frames, size, size, channels, dtype=torch.float32, device=raw.device)
    out = out.permute(0, 4, 1, 2, 3)  # (B, C, T, size, size)
    plans = zip(frame_sizes.tolist(), geometry.boxes.tolist(), geometry.flips.tolist(), strict=True)
    for index, ((height, width), (left, top, right, bottom), flip) in enumerate(plans):
        first_row, last_row = pixel_range(top, bottom, height)
        first_column, last_column = pixel_range(left, right, width)
        crop = raw[index, :, first_row:last_row, first_column:last_column].permute(0, 3, 1, 2).float()  # (T, C, h, w)
        pictures = interpolate(crop, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
        planes = pictures.transpose(0, 1)  # (C, T, size, size)
        out[index] = planes.flip(-1) if flip else planes
    return out.clamp_(0, 255)  # the weights of a resize add up to 1 but for rounding


def pixel_range(start: float, stop: float, length: int) -> tuple[int, int]:
    """Return the first pixel of a span given as fractions, and the one after its last, at least one apart."""
    first = min(max(round(start * length), 0), length - 1)
    return first, min(max(round(stop * length), first + 1), length)
