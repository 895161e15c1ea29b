"""A small 3D ResNet for two CPU cores: demos, tests, first looks at a data set."""

from torch import Tensor, nn

from coview.encoders.base import Encoder
from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.residual import ResidualBlock, convolution, initialise_convolutions
from coview.errors import UserError

WIDTHS = (24, 48, 96, 128)


class Tiny3D(Encoder):
    """Four residual blocks, by default of 24, 48, 96, 128 channels: 0.28 M parameters.

    Kernels reach over time from the stem on, since motion is all that tells some actions apart; after the stem space
    and time are taken in turn, for half the work of full kernels. The stem alone makes the sides four times smaller:
    large early maps are where a CPU spends its time. Time shrinks to ceil(T / 4), the sides to ceil(side / 16), so
    that 64 x 64 pixels still give 4 x 4 cells to predict.

    Args:
        in_channels: C, channels of a clip.
        widths: channels of the four blocks; the stem has those of the first.

    Raises:
        UserError: not four widths of at least 1.
    """

    def __init__(self, *, in_channels: int = 3, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        if len(widths) != 4 or min(widths) < 1:
            raise UserError(f"tiny3d: widths is {list(widths)}, expected four channel counts of at least 1")
        first, second, third, self.feature_size = widths
        self.in_channels = in_channels
        self.stem = nn.Sequential(
            convolution(in_channels, first, kernel=(3, 7, 7), stride=(1, 4, 4)),
            BatchNorm3d(first),
            nn.ReLU(inplace=True),
        )
        kernels = ((1, 3, 3), (3, 1, 1))
        self.stages = nn.Sequential(
            ResidualBlock(first, first, kernels=kernels),
            ResidualBlock(first, second, kernels=kernels, stride=(1, 2, 2)),
            ResidualBlock(second, third, kernels=kernels, stride=(2, 2, 2)),
            ResidualBlock(third, self.feature_size, kernels=kernels, stride=(2, 1, 1), final_relu=False),
        )
        initialise_convolutions(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, D, T', S, S), D the last width."""
        feature_map: Tensor = self.stages(self.stem(clips))
        return feature_map


def tiny3d(*, in_channels: int = 3, widths: tuple[int, ...] = WIDTHS) -> Tiny3D:
    """Build a small 3D ResNet for two CPU cores, by default with 0.28 M parameters."""
    return Tiny3D(in_channels=in_channels, widths=widths)
