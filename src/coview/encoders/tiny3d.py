"""A small 3D ResNet for two CPU cores: demos, tests, first looks at a data set."""

from torch import Tensor, nn

from coview.encoders.base import Encoder
from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.residual import ResidualBlock, convolution, initialise_convolutions


class Tiny3D(Encoder):
    """Four residual blocks of 24, 48, 96, 128 channels, 0.28 M parameters.

    Kernels reach over time from the stem on, since motion is all that tells some actions apart; after the stem space
    and time are taken in turn, for half the work of full kernels. The stem alone makes the sides four times smaller:
    large early maps are where a CPU spends its time. Time shrinks to ceil(T / 4), the sides to ceil(side / 16), so
    that 64 x 64 pixels still give 4 x 4 cells to predict.

    Args:
        in_channels: C, channels of a clip.
    """

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_size = 128
        self.stem = nn.Sequential(
            convolution(in_channels, 24, kernel=(3, 7, 7), stride=(1, 4, 4)),
            BatchNorm3d(24),
            nn.ReLU(inplace=True),
        )
        kernels = ((1, 3, 3), (3, 1, 1))
        self.stages = nn.Sequential(
            ResidualBlock(24, 24, kernels=kernels),
            ResidualBlock(24, 48, kernels=kernels, stride=(1, 2, 2)),
            ResidualBlock(48, 96, kernels=kernels, stride=(2, 2, 2)),
            ResidualBlock(96, 128, kernels=kernels, stride=(2, 1, 1), final_relu=False),
        )
        initialise_convolutions(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, 128, T', S, S)."""
        feature_map: Tensor = self.stages(self.stem(clips))
        return feature_map


def tiny3d(*, in_channels: int) -> Tiny3D:
    """Build a small 3D ResNet with fewer than 0.6 M parameters."""
    return Tiny3D(in_channels=in_channels)
