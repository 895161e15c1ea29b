"""Raw clips in, the encoders' input out: whole batches, on the device of the model, every view by the same draws.

Each clip draws from a generator of (seed, epoch, sample, 1, m) alone, in a fixed order: crop and flip, then each
operation.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from coview.augmentation.blur import Blur
from coview.augmentation.changes import Changes, apply_operations, render_in_steps
from coview.augmentation.colour import Colour
from coview.augmentation.geometry import CENTRE, Crop, crop_geometry, draw_geometry
from coview.augmentation.operations import build_operations
from coview.clips.samples import collate
from coview.clips.windows import VideoWindows
from coview.config import AugmentSettings, ViewInput
from coview.datatypes import ClipBatch, ViewBatch, random_generator
from coview.errors import UserError
from coview.views.base import View
from coview.views.crop import Geometry

AUGMENT_DRAWS = 1
"""Key, after the sample, of the generators that draw augmentation."""


def augment(
    batch: ClipBatch,
    views: Mapping[str, View],
    inputs: Mapping[str, ViewInput],
    settings: AugmentSettings,
    *,
    device: torch.device,
) -> ViewBatch:
    """Augment a training batch.

    Args:
        batch: raw clips of some views.
        views: view name -> view, of at least those in the batch.
        inputs: view name -> size and channels of its encoder's input.
        settings: what is drawn, and whether views share the geometry.
        device: where the work is done and the result lies.

    Raises:
        UserError: fewer channels are asked for than a view has, or colours of a view that is not of pictures.
    """
    num_clips, num_frames = batch.frame_indices.shape[1:]
    keys = [[*key, AUGMENT_DRAWS, clip] for key in batch.random_keys.tolist() for clip in range(num_clips)]  # B*M
    generators = [random_generator(*key) for key in keys]
    sizes = _picture_sizes(batch)
    shared = draw_geometry(sizes, generators, settings)
    is_strong = draw_strong_clips(batch, settings)
    drawn = []
    for operation in build_operations(settings):
        draws = [operation.draw(generator, num_frames=num_frames) for generator in generators]
        if isinstance(operation, (Colour, Blur)):
            nothing = operation.draw_nothing(num_frames=num_frames)
            draws = [one if strong else nothing for one, strong in zip(draws, is_strong, strict=True)]
        drawn.append((operation, draws))

    def geometry_of(view: View) -> Geometry:
        if settings.geometry == "shared":
            return shared
        own = [random_generator(*key, zlib.crc32(view.name.encode())) for key in keys]
        return draw_geometry(sizes, own, settings)

    def changes_of(view: View) -> Changes:
        return Changes(geometry_of(view), [(one, draws) for one, draws in drawn if one.concerns(view)])

    return _rendered(batch, views, inputs, changes_of, device)


def draw_strong_clips(batch: ClipBatch, settings: AugmentSettings) -> list[bool]:
    """Draw which clips are recoloured and blurred, B*M; the others are cropped and flipped alone.

    Draws of their own, apart from those of crops, blur and colours.
    """
    is_strong = []
    for key, frames in zip(batch.random_keys.tolist(), batch.frame_indices, strict=True):
        generator = random_generator(*key, AUGMENT_DRAWS, zlib.crc32(b"strong"))
        chosen, *coins = generator.random(1 + len(frames))
        shows_same_frames = len(frames) > 1 and bool((frames == frames[0]).all())
        if settings.one_strong_at_same_times and shows_same_frames:
            is_strong += [clip == int(chosen * len(frames)) for clip in range(len(frames))]
        else:
            is_strong += [coin < settings.strong_probability for coin in coins]
    return is_strong


def centre(
    batch: ClipBatch, views: Mapping[str, View], inputs: Mapping[str, ViewInput], *, device: torch.device
) -> ViewBatch:
    """Render a batch for evaluation: the largest centred square at the encoder's size; see `cropped`."""
    return cropped(batch, views, inputs, crop=CENTRE, device=device)


def cropped(
    batch: ClipBatch, views: Mapping[str, View], inputs: Mapping[str, ViewInput], *, crop: Crop, device: torch.device
) -> ViewBatch:
    """Render a batch for evaluation: one crop of every picture at the encoder's size, nothing random.

    Args:
        batch: raw clips of some views.
        views: view name -> view, of at least those in the batch.
        inputs: view name -> size and channels of its encoder's input.
        crop: which square; where it is mirrored, each view mirrors itself in its own way.
        device: where the work is done and the result lies.
    """
    changes = Changes(crop_geometry(_picture_sizes(batch), crop))
    return _rendered(batch, views, inputs, lambda view: changes, device)


def centre_windows(
    videos: Sequence[VideoWindows], views: Mapping[str, View], inputs: Mapping[str, ViewInput], *, device: torch.device
) -> dict[str, Tensor]:
    """Render windows as `centre` does; a picture that several of them show is made once.

    Args:
        videos: windows of some videos.
        views: view name -> view, of at least those that the windows have.
        inputs: view name -> size and channels of its encoder's input.
        device: where the work is done and the result lies.

    Returns:
        View name -> (W, C, T, size, size), the windows of all videos in order, their channels last in memory.
    """
    rendered: dict[str, list[Tensor]] = {name: [] for name in videos[0].frames}
    for windows in videos:
        each_once, as_shown = collate([windows.each_frame_once()]), None
        for name, parts in rendered.items():
            if _is_rendered_by_frame(views[name], each_once.frame_sizes.get(name), device):
                frames = _render_view(each_once, views[name], inputs[name], _centred(each_once), device)[0, 0]
                parts.append(frames.movedim(0, -1)[windows.places])  # (U, size, size, C) to (W, T, size, size, C)
            else:
                as_shown = as_shown or collate(windows.samples())
                clips = _render_view(as_shown, views[name], inputs[name], _centred(as_shown), device)[:, 0]
                parts.append(clips.movedim(1, -1))
    joined = {name: parts[0] if len(parts) == 1 else torch.cat(parts) for name, parts in rendered.items()}
    return {name: clips.movedim(-1, 1) for name, clips in joined.items()}


def _centred(batch: ClipBatch) -> Changes:
    return Changes(crop_geometry(_picture_sizes(batch), CENTRE))


def _is_rendered_by_frame(view: View, sizes: Tensor | None, device: torch.device) -> bool:
    """Say whether nothing but a frame itself decides how it is rendered, and one pass does it."""
    return device.type == "cpu" and view.scale is not None and sizes is not None


def _picture_sizes(batch: ClipBatch) -> Tensor:
    """Return (B*M, 2), the height and width of the first image-like view; a square where there is none."""
    count, num_clips, _ = batch.frame_indices.shape
    first = next(iter(batch.frame_sizes.values()), torch.ones(count, 2, dtype=torch.int64))
    return first.repeat_interleave(num_clips, dim=0)


def _rendered(
    batch: ClipBatch,
    views: Mapping[str, View],
    inputs: Mapping[str, ViewInput],
    changes_of: Callable[[View], Changes],
    device: torch.device,
) -> ViewBatch:
    clips = {
        name: _render_view(batch, views[name], inputs[name], changes_of(views[name]), device) for name in batch.views
    }
    return ViewBatch(clips=clips, entry_indices=batch.entry_indices)


def _render_view(batch: ClipBatch, view: View, given: ViewInput, changes: Changes, device: torch.device) -> Tensor:
    """Return (B, M, C, T, size, size), each clip with its channels last in memory.

    That is how pictures come, how 3D convolutions run fastest, and how a clip is cut into blocks without a copy.
    """
    raw = batch.views[view.name].flatten(0, 1)  # (B*M, T, H, W, C)
    count, num_frames = raw.shape[:2]
    num_clips = batch.frame_indices.shape[1]
    sizes = batch.frame_sizes.get(view.name)
    sizes = None if sizes is None else sizes.repeat_interleave(num_clips, dim=0)
    channels = given.pad_channels or view.channels
    if channels < view.channels:
        raise UserError(f"views.{view.name}.pad_channels is {channels}, but the view has {view.channels} channels")
    out = torch.empty(count, num_frames, given.size, given.size, channels, device=device)
    out[..., view.channels :] = 0  # pad_channels
    filled = out[..., : view.channels]
    if _is_rendered_by_frame(view, sizes, device):
        assert view.scale is not None
        assert sizes is not None
        from coview.augmentation.fused import fill_clips, split_fused  # numba loads only where it is used

        fused, further = split_fused(changes, view)
        fill_clips(filled, raw, sizes, fused, view.scale)
        if further:
            clips = filled.movedim(-1, 1)  # (B*M, C, T, size, size)
            clips.copy_(apply_operations(clips, further, view))
    else:
        filled.copy_(render_in_steps(view, raw.to(device), sizes, changes, size=given.size))
    shape = (-1, num_clips, num_frames, given.size, given.size, channels)
    return out.view(shape).permute(0, 1, 5, 2, 3, 4)  # (B, M, C, T, size, size)
