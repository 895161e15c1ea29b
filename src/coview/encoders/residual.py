"""The residual block that the 3D ResNets here are made of, and their random start."""

from torch import Tensor, nn

from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.convolution import Conv3d

Size3 = tuple[int, int, int]
"""Along T, H, W."""


def convolution(in_channels: int, out_channels: int, *, kernel: Size3, stride: Size3 = (1, 1, 1)) -> Conv3d:
    """Return a 3D convolution without bias, padded so that stride 1 keeps the size."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return Conv3d(in_channels, out_channels, kernel, stride=stride, padding=padding, bias=False)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016), each with its own kernel.

    Args:
        in_channels: channels it receives.
        out_channels: channels it gives.
        kernels: of the first and of the second convolution.
        stride: of the first convolution and of the shortcut.
        final_relu: clip the sum at 0; not at the end of an encoder, whose features keep both signs.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernels: tuple[Size3, Size3],
        stride: Size3 = (1, 1, 1),
        final_relu: bool = True,
    ) -> None:
        super().__init__()
        self.convolution1 = convolution(in_channels, out_channels, kernel=kernels[0], stride=stride)
        self.norm1 = BatchNorm3d(out_channels)
        self.convolution2 = convolution(out_channels, out_channels, kernel=kernels[1])
        self.norm2 = BatchNorm3d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels or stride != (1, 1, 1):
            projection = convolution(in_channels, out_channels, kernel=(1, 1, 1), stride=stride)
            self.shortcut = nn.Sequential(projection, BatchNorm3d(out_channels))
        self.final_relu = final_relu

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, in_channels, T, H, W) to (B, out_channels, T', H', W')."""
        features: Tensor = self.relu(self.norm1(self.convolution1(clips)))
        features = self.norm2(self.convolution2(features)) + self.shortcut(clips)
        if self.final_relu:
            features = self.relu(features)
        return features


def initialise_convolutions(module: nn.Module) -> None:
    """Draw every 3D convolution anew: normal, variance 2 / fan-out, as ReLU networks want (He et al. 2015)."""
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
