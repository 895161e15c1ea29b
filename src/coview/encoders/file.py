"""One encoder in one file: its weights, and what it takes to build it again and to feed it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from coview.encoders.base import Encoder, build_encoder
from coview.errors import UserError
from coview.files import atomic_path

DESCRIPTION = "coview"
MAX_CHANNELS = 2**16
"""Of clips and features; a larger number in a file is damage."""


def save_encoder(
    encoder: Encoder, path: Path, *, built_from: Mapping[str, Any], description: Mapping[str, Any]
) -> Path:
    """Write an encoder as a safetensors file; any program that reads those gets at the weights.

    Args:
        encoder: any row of `ENCODERS`, built.
        path: the file, written atomically.
        built_from: its row and options, as `build_encoder` takes them.
        description: what else a user of the file should know, plain values (view, size of the pictures, ...).

    Returns:
        The file.

    Raises:
        UserError: it cannot be written there.
    """
    sizes = {"in_channels": encoder.in_channels, "feature_size": encoder.feature_size}
    about = {**description, "encoder": dict(built_from), **sizes}
    weights = {key: value.detach().cpu().contiguous() for key, value in encoder.state_dict().items()}
    try:
        with atomic_path(path) as aside:
            save_file(weights, aside, metadata={DESCRIPTION: json.dumps(about)})
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write the encoder {path}: {error}") from None
    return path


def load_encoder(path: Path | str) -> Encoder:
    """Build the encoder that a file of `save_encoder` holds, for use: on the CPU, in eval mode, without gradient.

    Clips go in as (B, in_channels, T, size, size), normalised as `coview.augmentation` does; `describe_encoder` tells
    the size and how frames are chosen.

    Raises:
        UserError: no such file, or it holds no encoder of ours.
    """
    about = describe_encoder(path)
    encoder = build_encoder(about["encoder"], in_channels=about["in_channels"])
    try:
        encoder.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"the weights in {path} cannot be used: {error}") from None
    return encoder.requires_grad_(False).eval()


def describe_encoder(path: Path | str) -> dict[str, Any]:
    """Return what `save_encoder` wrote beside the weights: encoder, in_channels, feature_size, view, size, ...

    Raises:
        UserError: no such file, or it holds no encoder of ours.
    """
    try:
        file: Any = safe_open(path, framework="pt")  # its methods have no types
        with file as opened:
            told = (opened.metadata() or {}).get(DESCRIPTION)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is not a file of weights: {error}") from None
    if told is None:
        raise UserError(f"{path} holds weights, but does not say of which encoder; write it with Run.save_encoder")
    try:
        about = json.loads(told)
    except (ValueError, RecursionError):
        about = None
    sizes = [about.get(name) for name in ("in_channels", "feature_size")] if isinstance(about, dict) else [None]
    if not isinstance(about, dict) or not isinstance(about.get("encoder"), dict) or not all(map(_is_size, sizes)):
        raise UserError(f"{path} is not as Run.save_encoder writes it: what it says of its encoder is damaged")
    return about


def _is_size(value: object) -> bool:
    return isinstance(value, int) and 0 < value <= MAX_CHANNELS
