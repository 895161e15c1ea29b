"""The peer of bench_data_path.py: how such clips are loaded today, from JPEG pictures in one blob, frame by frame.

What LMDB adds to a file with an index is a page cache; the file here stands in for it and is read from memory
all the same. Decoding and every augmentation go through PIL, a frame at a time, as in the loaders of DPC, CoCon
and CoCLR; geometry, and with `colour_per` "clip" also colour, is drawn once a clip.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

from coview.clips.sampling import clip_indices, start_range
from coview.config import AugmentSettings, ClipSettings

JPEG_QUALITY = 90
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


class JpegBlob:
    """Videos as JPEG pictures, one after another in one file.

    Args:
        path: the file to write.
        videos: the frames of each video, (T, H, W, 3) uint8.
    """

    def __init__(self, path: Path, videos: Sequence[NDArray[np.uint8]]) -> None:
        self.spans: list[list[tuple[int, int]]] = []
        place = 0
        with path.open("wb") as file:
            for frames in videos:
                spans = []
                for frame in frames:
                    bgr = np.ascontiguousarray(frame[..., ::-1])
                    code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
                    file.write(code)
                    spans.append((place, place + len(code)))
                    place += len(code)
                self.spans.append(spans)
        self.bytes = np.memmap(path, np.uint8, mode="r")

    def picture(self, video: int, frame: int) -> Image.Image:
        """Decode one frame."""
        first, stop = self.spans[video][frame]
        return Image.open(io.BytesIO(self.bytes[first:stop].tobytes())).convert("RGB")


def load_clip(
    blob: JpegBlob, video: int, clip: ClipSettings, settings: AugmentSettings, *, size: int, random: np.random.Generator
) -> Tensor:
    """Return one augmented clip, (3, T, size, size) float32."""
    num_frames = len(blob.spans[video])
    start = int(random.integers(start_range(num_frames, clip)))
    pictures = [blob.picture(video, int(index)) for index in clip_indices(num_frames, clip, start)]
    box, is_flipped = _draw_box(pictures[0].size, settings, random), random.random() < settings.flip_probability
    sigma = random.uniform(*settings.blur_sigma) if random.random() < settings.blur_probability else 0.0
    colours = [_draw_colours(settings, random) for _ in pictures]
    if settings.colour_per == "clip":
        colours = colours[:1] * len(pictures)
    frames = []
    for picture, drawn in zip(pictures, colours, strict=True):
        changed = picture.resize((size, size), Image.Resampling.BILINEAR, box=box)
        if is_flipped:
            changed = changed.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        changed = _recoloured(changed, drawn)
        if sigma:
            changed = changed.filter(ImageFilter.GaussianBlur(sigma))
        frames.append((np.asarray(changed, np.float32) / 255 - MEAN) / STD)
    return torch.from_numpy(np.ascontiguousarray(np.stack(frames).transpose(3, 0, 1, 2)))


def _draw_box(
    picture: tuple[int, int], settings: AugmentSettings, random: np.random.Generator
) -> tuple[float, float, float, float]:
    width, height = picture
    area = random.uniform(*settings.crop_area) * width * height
    aspect = np.exp(random.uniform(*np.log(settings.crop_aspect)))
    box_width, box_height = min(np.sqrt(area * aspect), width), min(np.sqrt(area / aspect), height)
    left, top = random.uniform(0, width - box_width), random.uniform(0, height - box_height)
    return float(left), float(top), float(left + box_width), float(top + box_height)


def _draw_colours(settings: AugmentSettings, random: np.random.Generator) -> tuple[NDArray[np.float64] | None, bool]:
    """Return brightness, contrast, saturation and hue (None: as they are), and whether to become grey."""
    spread = np.array([settings.brightness, settings.contrast, settings.saturation, settings.hue])
    is_jittered = random.random() < settings.jitter_probability
    drawn = np.array([1, 1, 1, 0]) + spread * random.uniform(-1, 1, 4) if is_jittered else None
    return drawn, bool(random.random() < settings.grey_probability)


def _recoloured(picture: Image.Image, drawn: tuple[NDArray[np.float64] | None, bool]) -> Image.Image:
    factors, is_grey = drawn
    if factors is not None:
        brightness, contrast, saturation, hue = (float(factor) for factor in factors)
        picture = ImageEnhance.Brightness(picture).enhance(brightness)
        picture = ImageEnhance.Contrast(picture).enhance(contrast)
        picture = ImageEnhance.Color(picture).enhance(saturation)
        planes = list(picture.convert("HSV").split())
        turned = (np.asarray(planes[0]).astype(np.int16) + round(hue * 255)).astype(np.uint8)
        picture = Image.merge("HSV", [Image.fromarray(turned), *planes[1:]]).convert("RGB")
    return picture.convert("L").convert("RGB") if is_grey else picture
