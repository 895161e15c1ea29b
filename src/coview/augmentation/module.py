"""Augmentation as a module on tensors, for anybody's loop."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from coview.augmentation.batch import augment, centre
from coview.augmentation.operations import build_operations
from coview.config import AugmentSettings, ViewInput, parse
from coview.datatypes import ClipBatch
from coview.errors import UserError
from coview.views import VIEWS
from coview.views.base import View


class ClipAugmentation(nn.Module):
    """Crop, flip, colour jitter, grey, blur and further operations, the same draws for all views of a clip.

    In eval mode nothing is random: the largest centred square, resized. Each view is changed as it has to be: mirrored
    flow negates u, mirrored pose swaps left and right, colours of rgb alone are jittered.

    Example:
        augmentation = ClipAugmentation(size=112)
        clips = augmentation(rgb)                           # (B, 3, T, H, W) uint8 -> (B, 3, T, 112, 112) float32
        clips = augmentation({"rgb": rgb, "flow": flow})    # a dict of views -> a dict of views

    Args:
        size: side of the result in pixels, of all views or view name -> side.
        seed: of the draws; call number n of the module draws the same for the same seed.
        settings: fields of `coview.config.AugmentSettings`, such as crop_area=(0.2, 1.0).

    Raises:
        UserError: an unknown setting or a value out of range.
    """

    def __init__(self, size: int | Mapping[str, int] = 112, *, seed: int = 0, **settings: Any) -> None:
        super().__init__()
        sides = size.values() if isinstance(size, Mapping) else [size]
        if not all(isinstance(side, int) and side > 0 for side in sides):
            raise UserError(f"ClipAugmentation: size is {size!r}, expected pixels, such as 112, or view name -> pixels")
        self.size, self.seed, self.calls = size, seed, 0
        self.settings = parse(AugmentSettings, settings, source="ClipAugmentation")
        build_operations(self.settings)  # a wrong one is named now
        self._views: dict[str, View] = {}

    def forward(
        self, clips: Tensor | Mapping[str, Tensor], *, view: str = "rgb", sizes: Mapping[str, Tensor] | None = None
    ) -> Tensor | dict[str, Tensor]:
        """Augment a batch.

        Args:
            clips: (B, C, T, H, W) or (B, M, C, T, H, W) uint8 of one view, or view name -> such a tensor; keypoints
                are (B, T, R, K, 3) or (B, M, T, R, K, 3) float32.
            view: the name of the view where `clips` is a tensor.
            sizes: view name -> (B, 2), height and width of the pictures without padding, where a batch was padded
                (`collate_clips` gives them as "sizes").

        Returns:
            (B, C, T, size, size) or (B, M, C, T, size, size) float32, normalised around 0, where the clips lie; for a
            dict, a dict.

        Raises:
            UserError: clips of another shape or number format, or an unknown view.
        """
        if not isinstance(clips, (Tensor, Mapping)):
            raise UserError(f"clips are a {type(clips).__name__}, expected a tensor or view name -> tensor")
        if isinstance(clips, Tensor):
            return self._augment({view: clips}, sizes or {})[view]
        return self._augment(clips, sizes or {})

    def _augment(self, clips: Mapping[str, Tensor], sizes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        whole = {name: self._with_clips_axis(name, clip) for name, clip in clips.items()}
        batch = self._batch(whole, sizes)
        inputs = {name: ViewInput(size=self.size if isinstance(self.size, int) else self.size[name]) for name in whole}
        views = {name: self._view(name) for name in whole}
        device = next(iter(whole.values())).device
        if self.training:
            made = augment(batch, views, inputs, self.settings, device=device).clips
            self.calls += 1
        else:
            made = centre(batch, views, inputs, device=device).clips
        return {name: made[name][:, 0] if clips[name].ndim == 5 else made[name] for name in clips}

    def _batch(self, clips: Mapping[str, Tensor], sizes: Mapping[str, Tensor]) -> ClipBatch:
        """Return the clips (B, M, ...) as the loader would give them; draws are keyed by the call and the row."""
        raw = {
            name: clip.movedim(2, -1) if clip.dtype == torch.uint8 else clip  # (B, M, T, H, W, C)
            for name, clip in clips.items()
        }
        count, num_clips, num_frames = next(iter(raw.values())).shape[:3]
        pictures = {name: one for name, one in raw.items() if one.dtype == torch.uint8}
        full = {name: torch.tensor([one.shape[3:5]] * count) for name, one in pictures.items()}
        rows = torch.arange(count)
        return ClipBatch(
            views=raw,
            frame_sizes={name: torch.as_tensor(sizes.get(name, full[name])) for name in pictures},
            entry_indices=rows,
            random_keys=torch.stack([torch.full_like(rows, self.seed), torch.full_like(rows, self.calls), rows], dim=1),
            frame_indices=torch.zeros(count, num_clips, num_frames, dtype=torch.int64),
        )

    def _with_clips_axis(self, name: str, clip: Tensor) -> Tensor:
        """Return (B, M, C, T, H, W) uint8 or (B, M, T, R, K, 3) float32."""
        view = self._view(name)
        is_pictures = view.scale is not None
        axis = 1 if clip.ndim == 5 else 2
        fits = clip.ndim in (5, 6) and (not is_pictures or clip.shape[axis] == view.channels)
        wanted_type = torch.uint8 if is_pictures else torch.float32
        if not fits or clip.dtype != wanted_type:
            shape = f"({view.channels} channels) (B, C, T, H, W) or (B, M, C, T, H, W) uint8"
            raise UserError(
                f"clips of {name} are {tuple(clip.shape)} {str(clip.dtype).removeprefix('torch.')}, expected "
                + (shape if is_pictures else "(B, T, R, K, 3) or (B, M, T, R, K, 3) float32")
            )
        return clip if clip.ndim == 6 else clip.unsqueeze(1)

    def _view(self, name: str) -> View:
        if name not in self._views:
            kind = VIEWS.load(name)
            self._views[name] = kind(kind.Options())
        return self._views[name]
