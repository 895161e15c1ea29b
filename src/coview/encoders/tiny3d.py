"""A small 3D ResNet for two CPU cores: demos, tests, first looks at a data set."""

from torch import Tensor, nn

from coview.encoders.base import Encoder
from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.residual import ResidualBlock, convolution, initialise_convolutions


class Tiny3D(Encoder):
    """Four residual blocks of 32, 64, 128, 128 channels, 0.49 M parameters.

    Kernels reach over time from the stem on, since motion is all that tells some actions apart. The stem alone makes
    the sides four times smaller: large early maps are where a CPU spends its time. Time shrinks to ceil(T / 4), the
    sides to ceil(side / 16), so that 64 x 64 pixels still give 4 x 4 cells to predict.

    Args:
        in_channels: C, channels of a clip.
    """

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_size = 128
        self.stem = nn.Sequential(
            convolution(in_channels, 32, kernel=(3, 7, 7), stride=(1, 4, 4)),
            BatchNorm3d(32),
            nn.ReLU(inplace=True),
        )
        flat, full, temporal = (1, 3, 3), (3, 3, 3), (3, 1, 1)
        self.stages = nn.Sequential(
            ResidualBlock(32, 32, kernels=(full, flat)),
            ResidualBlock(32, 64, kernels=(full, flat), stride=(1, 2, 2)),
            ResidualBlock(64, 128, kernels=(flat, temporal), stride=(2, 2, 2)),
            ResidualBlock(128, 128, kernels=(flat, temporal), stride=(2, 1, 1), final_relu=False),
        )
        initialise_convolutions(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, 128, T', S, S)."""
        feature_map: Tensor = self.stages(self.stem(clips))
        return feature_map


def tiny3d(*, in_channels: int) -> Tiny3D:
    """Build a small 3D ResNet with fewer than 0.6 M parameters."""
    return Tiny3D(in_channels=in_channels)
