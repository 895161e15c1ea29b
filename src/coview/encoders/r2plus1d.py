"""R(2+1)D: a 3D ResNet whose convolutions are separable, with as many weights as the full ones would have."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from coview.encoders.base import Encoder
from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.residual import Size3, convolution, initialise_convolutions
from coview.encoders.separable import SeparableConvolution, middle_channels

KERNEL: Size3 = (3, 3, 3)


@dataclass(frozen=True)
class Layout:
    """Where published R(2+1)D networks differ; all have stages of 64, 128, 256, 512 channels.

    Attributes:
        depth: residual blocks in each of the four stages.
        stem_middle: channels between the two convolutions of the stem.
        shares_middle: the second convolution of a block has the middle channels of the first, not its own.
        separable_shortcut: a shortcut that changes size is separable too, with a norm and a ReLU inside.
    """

    depth: int
    stem_middle: int
    shares_middle: bool
    separable_shortcut: bool


VICC = Layout(depth=1, stem_middle=83, shares_middle=False, separable_shortcut=True)
"""Of the code of ViCC, and of VCOP and others: 83 is `middle_channels` of a stem for 3 channels."""

TORCHVISION = Layout(depth=2, stem_middle=45, shares_middle=True, separable_shortcut=False)


class R2Plus1D(Encoder):
    """R(2+1)D (Tran et al. 2018), 512 wide.

    16 frames at 128 x 128 give a map of (512, 2, 8, 8): time shrinks to ceil(T / 8), the sides to ceil(side / 16).

    Args:
        in_channels: C, channels of a clip; only the very first convolution depends on it.
        layout: which of the published networks.
    """

    def __init__(self, *, in_channels: int, layout: Layout) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_size = 512
        self.stem = SeparableConvolution(in_channels, 64, kernel=(3, 7, 7), stride=(1, 2, 2), middle=layout.stem_middle)
        self.stage1 = _stage(64, 64, stride=(1, 1, 1), layout=layout)
        self.stage2 = _stage(64, 128, stride=(2, 2, 2), layout=layout)
        self.stage3 = _stage(128, 256, stride=(2, 2, 2), layout=layout)
        self.stage4 = _stage(256, 512, stride=(2, 2, 2), layout=layout)
        initialise_convolutions(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to a feature map (B, 512, T', S, S), not negative."""
        features = self.stage2(self.stage1(self.stem(clips)))
        feature_map: Tensor = self.stage4(self.stage3(features))
        return feature_map


class SeparableResidualBlock(nn.Module):
    """Two separable convolutions beside a shortcut, their sum clipped at 0.

    Args:
        in_channels: channels it receives.
        out_channels: channels it gives.
        stride: of the first convolution and of the shortcut.
        layout: how the middle channels and the shortcut are made.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: Size3, layout: Layout) -> None:
        super().__init__()
        first = middle_channels(in_channels, out_channels, kernel=KERNEL)
        own = middle_channels(out_channels, out_channels, kernel=KERNEL)
        second = first if layout.shares_middle else own
        self.convolution1 = SeparableConvolution(in_channels, out_channels, kernel=KERNEL, stride=stride, middle=first)
        self.convolution2 = SeparableConvolution(
            out_channels, out_channels, kernel=KERNEL, middle=second, final_relu=False
        )
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels or stride != (1, 1, 1):
            self.shortcut = _shortcut(in_channels, out_channels, stride=stride, is_separable=layout.separable_shortcut)

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, in_channels, T, H, W) to (B, out_channels, T', H', W')."""
        total: Tensor = self.convolution2(self.convolution1(clips)) + self.shortcut(clips)
        return functional.relu(total, inplace=True)


def _shortcut(in_channels: int, out_channels: int, *, stride: Size3, is_separable: bool) -> nn.Module:
    point: Size3 = (1, 1, 1)
    if is_separable:
        middle = middle_channels(in_channels, out_channels, kernel=point)
        return SeparableConvolution(
            in_channels, out_channels, kernel=point, stride=stride, middle=middle, final_relu=False
        )
    projection = convolution(in_channels, out_channels, kernel=point, stride=stride)
    return nn.Sequential(projection, BatchNorm3d(out_channels))


def _stage(in_channels: int, out_channels: int, *, stride: Size3, layout: Layout) -> nn.Sequential:
    """Return the blocks of a stage; the first has the stride."""
    blocks = [SeparableResidualBlock(in_channels, out_channels, stride=stride, layout=layout)]
    for _ in range(layout.depth - 1):
        blocks.append(SeparableResidualBlock(out_channels, out_channels, stride=(1, 1, 1), layout=layout))
    return nn.Sequential(*blocks)


def r2plus1d10(*, in_channels: int = 3) -> R2Plus1D:
    """R(2+1)D with one block a stage, laid out as ViCC's: 14,365,303 parameters for 3 channels."""
    return R2Plus1D(in_channels=in_channels, layout=VICC)


def r2plus1d18(*, in_channels: int = 3) -> R2Plus1D:
    """R(2+1)D with two blocks a stage, laid out as torchvision's: 31,300,125 parameters for 3 channels."""
    return R2Plus1D(in_channels=in_channels, layout=TORCHVISION)
