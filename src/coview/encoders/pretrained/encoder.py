"""A pretrained network as an encoder of clips: three channels, its own frames, size and scale, tokens as a map."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from coview.config.types import Positive
from coview.datatypes import RGB_MEAN, RGB_STD
from coview.encoders.base import Encoder
from coview.encoders.convolution import Conv3d
from coview.encoders.pretrained.families import NAME, Pooling, family_of
from coview.encoders.pretrained.folder import CONFIG, WEIGHTS, read_folder
from coview.encoders.pretrained.library import build_network, network_settings
from coview.errors import UserError


class Pretrained(Encoder):
    """A network of transformers as an encoder of clips; a row of `ENCODERS`.

    Clips come normalised as coview normalises rgb; here they are brought to the mean, deviation, size and number of
    frames that the network was trained with. One channel is repeated three times, of two the third is 0,
    more than three are mixed by a convolution that learns. Networks of
    pictures see each frame by itself.

    Args:
        in_channels: C.
        path: folder with config.json and safetensors: read when training begins, and never when a run is opened.
        model: the network's settings, from config.json; written into the run in place of the path.
        mean: of the pictures it was trained with, values 0 to 1.
        std: their deviation.
        pooling: patches: the map of all patches, for methods that look at places; class: the one feature of a clip or
            frame that its authors compare by; auto: whichever that is.
        size: side of the pictures in pixels, where the network takes any; not set: its own.

    Raises:
        MissingExtraError: transformers is not installed.
        UserError: settings that are of no such network.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        path: str | None = None,
        model: Mapping[str, Any] | None = None,
        mean: tuple[float, ...] = RGB_MEAN,
        std: tuple[float, ...] = RGB_STD,
        pooling: Pooling = "auto",
        size: Positive | None = None,
    ) -> None:
        super().__init__()
        if model is None:
            raise UserError(
                f"encoder {NAME} has no settings of its network: give encoder.path, a folder with {CONFIG} and "
                f"{WEIGHTS}, where training begins. What only names a path ({path}) is not opened here"
            )
        family = family_of(model.get("model_type"), source="encoder.model")
        self.family, self.in_channels = family, in_channels
        settings = network_settings(model, family)
        self.network = build_network(family, settings)
        self.mix = Conv3d(in_channels, 3, 1) if in_channels > 3 else None
        self._finish(settings, mean, std, pooling, size)

    def _finish(
        self, settings: Any, mean: tuple[float, ...], std: tuple[float, ...], pooling: Pooling, size: int | None
    ) -> None:
        """Take note of sizes and of what is pooled."""
        family = self.family
        own_size = int(getattr(settings, "crop_size", None) or settings.image_size)
        if size not in (None, own_size) and not family.has_free_size:
            raise UserError(f"encoder.size is {size}: {settings.model_type} takes pictures of {own_size} pixels alone")
        patch = int(settings.patch_size)
        self.image_size = size or own_size
        if self.image_size % patch:
            raise UserError(f"encoder.size is {self.image_size}, expected a multiple of {patch}, the side of a patch")
        self.side = self.image_size // patch
        self.tubelet = int(getattr(settings, "tubelet_size", 1)) if family.takes == "clips" else 1
        self.num_frames = int(settings.num_frames) if family.needs_frames else None
        self.pooled_kind = family.default if pooling == "auto" else pooling
        if self.pooled_kind == "class" and not family.pooled:
            raise UserError(f"encoder.pooling is class, but {settings.model_type} has no feature of that kind; patches")
        self.prefix_tokens = int(family.pooled in ("class token", "image_embeds"))
        self.prefix_tokens += int(getattr(settings, "num_register_tokens", 0) or 0)
        projected = self.pooled_kind == "class" and family.pooled == "image_embeds"
        self.feature_size = int(settings.projection_dim if projected else settings.hidden_size)
        scale = [own / other for own, other in zip(RGB_STD, std, strict=True)]
        shift = [(own - other) / deviation for own, other, deviation in zip(RGB_MEAN, mean, std, strict=True)]
        self.register_buffer("scale", torch.tensor(scale).view(1, 3, 1, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(1, 3, 1, 1, 1), persistent=False)
        for pooling_of, part in family.idle:
            if pooling_of in ("", self.pooled_kind):
                _hold_still(self.network, part)

    scale: Tensor
    shift: Tensor

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a map (B, D, T', S, S); S is 1 where one feature a frame or clip is taken."""
        frames = self._prepare(clips)  # (B, 3, T, size, size)
        batch, _, length = frames.shape[:3]
        pixels = frames.transpose(1, 2)  # (B, T, 3, size, size)
        if self.family.takes == "frames":
            pixels = pixels.flatten(0, 1)  # (B*T, 3, size, size)
        found = self._run(pixels)
        if self.pooled_kind == "class":
            if self.family.pooled == "class token":
                rows = found.last_hidden_state[:, 0]
            else:
                rows = getattr(found, self.family.pooled)
            features: Tensor = rows.view(batch, -1, self.feature_size).transpose(1, 2)  # (B, D, T or 1)
            return features[..., None, None]  # (B, D, T', 1, 1)
        tokens: Tensor = found.last_hidden_state[:, self.prefix_tokens :]
        if self.family.takes == "frames":
            tokens = tokens.reshape(batch, length * self.side**2, -1)
        steps = length // self.tubelet
        if self.family.patches == "h w t":
            grid = tokens.view(batch, self.side, self.side, steps, -1).permute(0, 4, 3, 1, 2)
        else:
            grid = tokens.view(batch, steps, self.side, self.side, -1).permute(0, 4, 1, 2, 3)
        return grid  # (B, D, T', S, S)

    def layers_in_order(self) -> tuple[nn.Module, ...]:
        """Return what comes before the blocks, and the blocks."""
        blocks = self.network.get_submodule(self.family.blocks)
        assert isinstance(blocks, nn.ModuleList)
        return (self.network.get_submodule(self.family.embeddings), *blocks)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move weights; those of 2D convolutions as if they were 3D, since the layout of 3D ones is asked of all."""
        return super()._apply(lambda one: fn(one[None])[0] if one.ndim == 4 else fn(one), recurse)  # type: ignore[no-untyped-call,no-any-return]

    def _run(self, pixels: Tensor) -> Any:
        if self.family.network == "VJEPA2Model":
            return self.network(pixels, skip_predictor=True)
        return self.network(pixels)

    def _prepare(self, clips: Tensor) -> Tensor:
        """Bring clips to three channels, the network's own frames and size, and its scale."""
        channels, length, height = clips.shape[1], clips.shape[2], clips.shape[3]
        if self.mix is not None:
            clips = self.mix(clips)
        elif channels == 1:
            clips = clips.expand(-1, 3, -1, -1, -1)
        elif channels == 2:
            clips = functional.pad(clips, (0, 0, 0, 0, 0, 0, 0, 1))
        wanted = self.num_frames or -(-length // self.tubelet) * self.tubelet
        if wanted != length:
            places = torch.linspace(0, length - 1, wanted, device=clips.device).round().long()
            clips = clips[:, :, places]
        if (height, clips.shape[4]) != (self.image_size, self.image_size):
            flat = clips.transpose(1, 2).flatten(0, 1)  # (B*T, 3, H, W)
            size = (self.image_size, self.image_size)
            flat = functional.interpolate(flat, size=size, mode="bilinear", align_corners=False, antialias=True)
            clips = flat.unflatten(0, (-1, wanted)).transpose(1, 2)
        return clips * self.scale + self.shift

    @classmethod
    def resolve_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options with what the folder says in place of its path.

        Raises:
            UserError: no path, or not a folder of such a network.
        """
        given = dict(options)
        if given.get("model") is not None:
            return given
        path = given.pop("path", None)
        if path is None:
            raise UserError(f"encoder {NAME} needs encoder.path, a folder with {CONFIG} and {WEIGHTS}")
        return {**read_folder(path), **given}


def _hold_still(network: nn.Module, part: str) -> None:
    """Turn parameters into buffers, so that they are stored and never wait for a gradient."""
    for prefix, module in list(network.named_modules()):
        for name, parameter in list(module.named_parameters(recurse=False)):
            if part in (f"{prefix}.{name}" if prefix else name):
                del module._parameters[name]
                module.register_buffer(name, parameter.detach())
