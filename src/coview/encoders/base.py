"""The contract of an encoder (a feature map, its size, the pooled feature), and how one is built by its name."""

import abc
import dataclasses
import inspect
import typing
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from coview.config.parsing import parse
from coview.errors import UserError
from coview.registry import Registry


class Encoder(nn.Module, abc.ABC):
    """A network f from clips to feature maps.

    Attributes:
        in_channels: C, channels of a clip.
        feature_size: D, channels of the feature map.
    """

    in_channels: int
    feature_size: int

    @abc.abstractmethod
    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, D, T', S, S)."""

    def layers_in_order(self) -> tuple[nn.Module, ...]:
        """Return the parts that clips pass through, first to last: what `optimiser.layer_decay` counts."""
        return tuple(self.children())

    def pooled(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to one feature each (B, D): the mean of the map over time and space."""
        feature_map: Tensor = self(clips)
        return feature_map.mean(dim=(2, 3, 4))  # (B, D)


class EncoderFactory(Protocol):
    """What a row of `ENCODERS` points to; its other keyword arguments are the options a config may give."""

    def __call__(self, *, in_channels: int = 3) -> Encoder:
        """Build the encoder with random weights for clips of `in_channels` channels."""


ENCODERS: Registry[EncoderFactory] = Registry(
    "encoder",
    {
        "r2plus1d10": "coview.encoders.r2plus1d:r2plus1d10",
        "r2plus1d18": "coview.encoders.r2plus1d:r2plus1d18",
        "r2d3d18": "coview.encoders.r2d3d:r2d3d18",
        "r2d3d34": "coview.encoders.r2d3d:r2d3d34",
        "s3d": "coview.encoders.s3d:s3d",
        "s3dg": "coview.encoders.s3d:s3dg",
        "tiny3d": "coview.encoders.tiny3d:tiny3d",
        "transformers": "coview.encoders.pretrained:Pretrained",
    },
)


def build_encoder(given: Mapping[str, Any], *, in_channels: int) -> Encoder:
    """Build an encoder with random weights from torch's current generator.

    Args:
        given: {"name": a row of `ENCODERS`}, and options of that row: the other arguments of its constructor.
        in_channels: C.

    Raises:
        UserError: no such encoder, an option that it does not have, or a value of another type.

    Example:
        build_encoder({"name": "tiny3d", "widths": [32, 64, 128, 256]}, in_channels=3)
    """
    options = dict(given)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise UserError(f"encoder.name is {name!r}, expected one of: {', '.join(ENCODERS)}")
    build = ENCODERS.load(name)
    checked = parse(_options_of(build), options, source=f"encoder {name}", prefix="encoder.") if options else None
    encoder = build(in_channels=in_channels, **{option: getattr(checked, option) for option in options})
    if not isinstance(getattr(encoder, "feature_size", None), int):
        raise UserError(f"the encoder {name!r} does not tell its feature_size, the channels D of its feature map")
    return encoder


def resolve_encoder(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row and its options with what a file beside them says put in; done once, where training begins.

    Raises:
        UserError: no such encoder, or a file that cannot be used.
    """
    options = dict(given)
    name = options.pop("name", None)
    resolve = getattr(ENCODERS.load(str(name)), "resolve_options", None)
    return dict(given) if resolve is None else {"name": name, **resolve(options)}


def _options_of(build: EncoderFactory) -> type[Any]:
    """Return a dataclass of a constructor's arguments beside in_channels, so that they are checked as settings are."""
    target = build.__init__ if inspect.isclass(build) else build
    hints = typing.get_type_hints(target, include_extras=True)  # with ranges, such as Positive
    fields = [
        (option.name, hints.get(option.name, Any), dataclasses.field(default=option.default))
        for option in inspect.signature(build).parameters.values()
        if option.name != "in_channels" and option.default is not option.empty
    ]
    return dataclasses.make_dataclass("Options", fields, frozen=True)
