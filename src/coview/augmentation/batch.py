"""Raw clips in, the encoders' input out: whole batches, on the device of the model, every view by the same draws.

Each clip draws from a generator of (seed, epoch, sample, 1, m) alone, in a fixed order: geometry, blur, colour.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from coview.augmentation.blur import draw_sigmas
from coview.augmentation.changes import Changes, in_steps
from coview.augmentation.colour import draw_colours
from coview.augmentation.geometry import CENTRE, Crop, crop_geometry, draw_geometry
from coview.augmentation.operations import apply_operations, build_operations
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
        UserError: fewer channels are asked for than a view has.
    """
    num_clips, num_frames = batch.frame_indices.shape[1:]
    generators = [
        random_generator(*key, AUGMENT_DRAWS, clip) for key in batch.random_keys.tolist() for clip in range(num_clips)
    ]  # B*M
    sizes = _picture_sizes(batch)
    shared = draw_geometry(sizes, generators, settings)
    sigmas = draw_sigmas(generators, settings)
    colours = draw_colours(generators, settings, num_frames=num_frames)
    is_coloured = settings.jitter_probability > 0 or settings.grey_probability > 0

    def geometry_of(name: str) -> Geometry:
        if settings.geometry == "shared":
            return shared
        keys = [[*key, AUGMENT_DRAWS, clip] for key in batch.random_keys.tolist() for clip in range(num_clips)]
        own = [random_generator(*key, zlib.crc32(name.encode())) for key in keys]
        return draw_geometry(sizes, own, settings)

    def changes_of(name: str) -> Changes:
        return Changes(
            geometry=geometry_of(name),
            colours=colours if views[name].is_colour and is_coloured else None,
            sigmas=sigmas if name in settings.blur_views else [0.0] * len(sigmas),
        )

    made = _rendered(batch, views, inputs, changes_of, device)
    operations = build_operations(settings)
    if not operations:
        return made
    return replace(made, clips=apply_operations(made.clips, operations, generators, num_frames=num_frames))


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
    geometry = crop_geometry(_picture_sizes(batch), crop)
    changes = Changes(geometry=geometry, colours=None, sigmas=[0.0] * len(geometry.flips))
    return _rendered(batch, views, inputs, lambda name: changes, device)


def _picture_sizes(batch: ClipBatch) -> Tensor:
    """Return (B*M, 2), the height and width of the first image-like view; a square where there is none."""
    count, num_clips, _ = batch.frame_indices.shape
    first = next(iter(batch.frame_sizes.values()), torch.ones(count, 2, dtype=torch.int64))
    return first.repeat_interleave(num_clips, dim=0)


def _rendered(
    batch: ClipBatch,
    views: Mapping[str, View],
    inputs: Mapping[str, ViewInput],
    changes_of: Callable[[str], Changes],
    device: torch.device,
) -> ViewBatch:
    clips = {name: _render_view(batch, views[name], inputs[name], changes_of(name), device) for name in batch.views}
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
    if device.type == "cpu" and view.scale is not None and sizes is not None:
        from coview.augmentation.fused import fill_clips  # numba loads only where it is used

        fill_clips(filled, raw, sizes, changes, view.scale)
    else:
        filled.copy_(in_steps(view, raw.to(device), sizes, changes, size=given.size))
    shape = (-1, num_clips, num_frames, given.size, given.size, channels)
    return out.view(shape).permute(0, 1, 5, 2, 3, 4)  # (B, M, C, T, size, size)
