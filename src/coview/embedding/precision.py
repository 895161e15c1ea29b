"""Embedding in bf16: where the run found that it pays, the processor has units for it, and vectors stay the same."""

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from coview.config import RunConfig
from coview.encoders import Encoder
from coview.training.precision import Precision, has_bf16_units

logger = logging.getLogger(__name__)

LEAST_COSINE = 0.9999
"""Of a vector in bf16 with the same in float32."""
FULL = Precision("fp32", channels_last=False, seconds={})
_LOW = Precision("bf16", channels_last=True, seconds={})
_low_copies: WeakKeyDictionary[nn.Module, nn.Module | None] = WeakKeyDictionary()
"""Encoder -> its copy for bf16; None where its vectors would differ too much."""


@dataclass(frozen=True)
class PlacedEncoder:
    """An encoder on its device, and how it computes there."""

    network: nn.Module
    precision: Precision
    device: torch.device

    def __call__(self, clips: Tensor) -> Tensor:
        """Map clips (n, C, T, H, W) to feature maps (n, D, T', S, S)."""
        with self.precision.autocast(self.device):
            maps: Tensor = self.network(clips)
        return maps


def usable_dtypes(chosen: Mapping[str, str], device: torch.device) -> dict[str, str]:
    """Return view -> "bf16" or "fp32", what a run chose for embedding as far as this device has units for it."""
    has_units = device.type == "cpu" and has_bf16_units()
    return {view: "bf16" if has_units and name == "bf16" else "fp32" for view, name in chosen.items()}


def place_encoder(
    encoder: Encoder,
    dtype_name: str,
    *,
    view: str,
    config: RunConfig,
    pool: Callable[[Tensor], Tensor],
    device: torch.device,
) -> PlacedEncoder:
    """Return an encoder ready to embed: in bf16 if that is asked for and leaves its vectors what they are.

    That is tried once for each encoder, on two blocks of noise, so that the same weights always compute in the same
    way.

    Args:
        encoder: in eval mode; is moved to the device.
        dtype_name: "fp32" or "bf16".
        view: its name.
        config: of the run; says how large clips are.
        pool: the method's way from feature maps to features.
        device: where to compute.
    """
    encoder.to(device)
    full = PlacedEncoder(encoder, FULL, device)
    if dtype_name != "bf16":
        return full
    if encoder not in _low_copies:
        network = copy.deepcopy(encoder)
        _LOW.place(network, device)
        low = PlacedEncoder(network, _LOW, device)
        size, channels = config.views[view].size, encoder.in_channels
        draw = torch.Generator().manual_seed(0)
        clips = torch.randn(2, channels, config.clip.block_length, size, size, generator=draw)
        with torch.no_grad():
            cosine = float(functional.cosine_similarity(pool(full(clips)), pool(low(clips)), dim=1).min())
        _low_copies[encoder] = network if cosine >= LEAST_COSINE else None
        if cosine < LEAST_COSINE:
            logger.info("view %s is embedded in fp32: in bf16 its vectors have a cosine of %.5f only", view, cosine)
    network_or_none = _low_copies[encoder]
    return full if network_or_none is None else PlacedEncoder(network_or_none, _LOW, device)
