"""The 2D-3D ResNet of DPC and CoCon: early stages look at single frames, late ones at space and time."""

from torch import Tensor, nn

from coview.encoders.base import Encoder
from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.residual import ResidualBlock, Size3, convolution, initialise_convolutions


class R2D3D(Encoder):
    """2D-3D ResNet (Han et al. 2019, section 4.1; CoCon, A.4): stages 1-2 are 2D, stages 3-4 are 3D, the last 256 wide.

    Five frames at 128 x 128 give a map of (256, 2, 4, 4): time shrinks to ceil(T / 4), the sides to ceil(side / 32).
    There is no ReLU after the last block, so that features take both signs.

    Args:
        in_channels: C, channels of a clip.
        depths: residual blocks in each of the four stages.
    """

    def __init__(self, *, in_channels: int, depths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_size = 256
        self.stem = nn.Sequential(
            convolution(in_channels, 64, kernel=(1, 7, 7), stride=(1, 2, 2)),
            BatchNorm3d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        )
        flat, full = (1, 3, 3), (3, 3, 3)
        self.stage1 = _stage(64, 64, depth=depths[0], kernel=flat, stride=(1, 1, 1))
        self.stage2 = _stage(64, 128, depth=depths[1], kernel=flat, stride=(1, 2, 2))
        self.stage3 = _stage(128, 256, depth=depths[2], kernel=full, stride=(2, 2, 2))
        self.stage4 = _stage(256, 256, depth=depths[3], kernel=full, stride=(2, 2, 2), final_relu=False)
        initialise_convolutions(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, 256, T', S, S)."""
        features = self.stage2(self.stage1(self.stem(clips)))
        feature_map: Tensor = self.stage4(self.stage3(features))
        return feature_map


def _stage(
    in_channels: int, out_channels: int, *, depth: int, kernel: Size3, stride: Size3, final_relu: bool = True
) -> nn.Sequential:
    """Return `depth` blocks; the first has the stride, the last may leave out its ReLU."""
    return nn.Sequential(
        *(
            ResidualBlock(
                in_channels if place == 0 else out_channels,
                out_channels,
                kernels=(kernel, kernel),
                stride=stride if place == 0 else (1, 1, 1),
                final_relu=final_relu or place < depth - 1,
            )
            for place in range(depth)
        )
    )


def r2d3d18(*, in_channels: int = 3) -> R2D3D:
    """2D-3D ResNet-18: 14,057,536 parameters for 3 channels."""
    return R2D3D(in_channels=in_channels, depths=(2, 2, 2, 2))


def r2d3d34(*, in_channels: int = 3) -> R2D3D:
    """2D-3D ResNet-34: 32,422,208 parameters for 3 channels."""
    return R2D3D(in_channels=in_channels, depths=(3, 4, 6, 3))
