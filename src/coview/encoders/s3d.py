"""S3D: Inception over video whose 3D convolutions are separable; S3D-G weighs its channels by what the clip shows."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from coview.encoders.base import Encoder
from coview.encoders.residual import initialise_convolutions
from coview.encoders.separable import PointwiseUnit, ReducedSeparable, SeparableConvolution

BRANCHES = {
    "mixed3b": (64, 96, 128, 16, 32, 32),
    "mixed3c": (128, 128, 192, 32, 96, 64),
    "mixed4b": (192, 96, 208, 16, 48, 64),
    "mixed4c": (160, 112, 224, 24, 64, 64),
    "mixed4d": (128, 128, 256, 24, 64, 64),
    "mixed4e": (112, 144, 288, 32, 64, 64),
    "mixed4f": (256, 160, 320, 32, 128, 128),
    "mixed5b": (256, 160, 320, 32, 128, 128),
    "mixed5c": (384, 192, 384, 48, 128, 128),
}
"""Channels within each Inception block: branch 0; branch 1 before, after; branch 2 before, after; branch 3."""


class S3D(Encoder):
    """Separable 3D Inception (Xie et al. 2018, figure 5), 1024 wide, the base encoder of ViCC.

    32 frames at 128 x 128 give a map of (1024, 4, 4, 4), 112 x 112 one of (1024, 4, 3, 3): time is halved three times
    and the sides five times, all but the last time rounded up, but nothing becomes less than one. Names of the layers
    are the paper's.

    Args:
        in_channels: C, channels of a clip.
        gating: whether each branch is gated (S3D-G).

    Deviations:
        A clip so short or small that one frame, row or column is left before the last pooling keeps it, where
        published code fails. Wherever that gives a map, ours is the same.
    """

    def __init__(self, *, in_channels: int, gating: bool) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_size = 1024
        stem = SeparableConvolution(in_channels, 64, kernel=(7, 7, 7), stride=(2, 2, 2), middle=64)
        layers: OrderedDict[str, nn.Module] = OrderedDict(conv1a=stem, pool2a=_spatial_pool())
        layers["conv2b"] = PointwiseUnit(64, 64)
        layers["conv2c"] = SeparableConvolution(64, 192, kernel=(3, 3, 3), middle=192)
        layers["pool3a"] = _spatial_pool()
        width = 192
        for name, channels in BRANCHES.items():
            if name == "mixed4b":
                layers["pool4a"] = nn.MaxPool3d(3, stride=2, padding=1)
            if name == "mixed5b":
                layers["pool5a"] = HalvingPool()
            block = SeparableInception(width, channels, gating=gating)
            layers[name] = block
            width = block.out_channels
        self.layers = nn.Sequential(layers)
        initialise_convolutions(self)

    def layers_in_order(self) -> tuple[nn.Module, ...]:
        """Return the layers of the paper, pools among them."""
        return tuple(self.layers)

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, 1024, T', S, S), not negative."""
        feature_map: Tensor = self.layers(clips)
        return feature_map


class SeparableInception(nn.Module):
    """Four branches side by side, their channels joined: 1 x 1 x 1; twice separable 3 x 3 x 3; max pooling.

    Args:
        in_channels: channels it receives.
        channels: a row of `BRANCHES`.
        gating: whether each branch ends in a gate.
    """

    def __init__(self, in_channels: int, channels: tuple[int, int, int, int, int, int], *, gating: bool) -> None:
        super().__init__()
        only, before1, after1, before2, after2, pooled = channels
        self.branch0 = PointwiseUnit(in_channels, only)
        self.branch1 = ReducedSeparable(in_channels, before1, after1)
        self.branch2 = ReducedSeparable(in_channels, before2, after2)
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, stride=1, padding=1), PointwiseUnit(in_channels, pooled))
        widths = (only, after1, after2, pooled)
        self.gates = nn.ModuleList(Gate(width) if gating else nn.Identity() for width in widths)
        self.out_channels = sum(widths)

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, in_channels, T, H, W) to (B, out_channels, T, H, W)."""
        branches = (self.branch0, self.branch1, self.branch2, self.branch3)
        gated = [gate(branch(clips)) for gate, branch in zip(self.gates, branches, strict=True)]
        return torch.cat(gated, dim=1)  # (B, out_channels, T, H, W)


class Gate(nn.Module):
    """Weigh each channel by a sigmoid of the means of all channels over time and space (Xie et al. 2018, section 4.6).

    Args:
        channels: it receives and gives.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, clips: Tensor) -> Tensor:
        """Weigh clips (B, channels, T, H, W), each channel of a clip by one number in (0, 1)."""
        weights = torch.sigmoid(self.linear(clips.mean(dim=(2, 3, 4))))  # (B, channels)
        return clips * weights[:, :, None, None, None]


class HalvingPool(nn.Module):
    """Max pooling of 2 x 2 x 2 that drops the last of an odd number, but keeps the only one."""

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, C, max(1, T // 2), max(1, H // 2), max(1, W // 2))."""
        window = [min(2, length) for length in clips.shape[2:]]
        pooled: Tensor = functional.max_pool3d(clips, window, stride=window)
        return pooled


def _spatial_pool() -> nn.MaxPool3d:
    return nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))


def s3d(*, in_channels: int = 3) -> S3D:
    """S3D without gating: 7,910,048 parameters for 3 channels."""
    return S3D(in_channels=in_channels, gating=False)


def s3dg(*, in_channels: int = 3) -> S3D:
    """S3D-G: S3D whose branches are gated."""
    return S3D(in_channels=in_channels, gating=True)
