"""A 3D convolution taken apart: over space first, then over time."""

from torch import Tensor, nn

from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.chain import Link, run_chain
from coview.encoders.residual import Size3, convolution


class PointwiseUnit(nn.Module):
    """1 x 1 x 1 convolution -> batch norm -> ReLU.

    Args:
        in_channels: channels it receives.
        out_channels: channels it gives.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = convolution(in_channels, out_channels, kernel=(1, 1, 1))
        self.norm = BatchNorm3d(out_channels)

    def links(self) -> list[Link]:
        """Return its part of a chain."""
        return [(self.convolution, self.norm)]

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, in_channels, T, H, W) to (B, out_channels, T, H, W), not negative."""
        return run_chain(clips, self.links())


class SeparableConvolution(nn.Module):
    """1 x k x k convolution -> norm -> ReLU -> k x 1 x 1 convolution -> norm (-> ReLU).

    What S3D (Xie et al. 2018) and R(2+1)D (Tran et al. 2018, section 3.5) put in the place of a k x k x k convolution:
    fewer weights or one more ReLU for the same number.

    Args:
        in_channels: channels it receives.
        out_channels: channels it gives.
        kernel: along T, H, W.
        stride: along T, H, W; the first convolution takes those of space, the second that of time.
        middle: channels between the two convolutions.
        final_relu: clip the result at 0; not where a shortcut is added first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: Size3,
        middle: int,
        stride: Size3 = (1, 1, 1),
        final_relu: bool = True,
    ) -> None:
        super().__init__()
        over_space, over_time = (1, *kernel[1:]), (kernel[0], 1, 1)
        self.spatial = convolution(in_channels, middle, kernel=over_space, stride=(1, *stride[1:]))
        self.spatial_norm = BatchNorm3d(middle)
        self.temporal = convolution(middle, out_channels, kernel=over_time, stride=(stride[0], 1, 1))
        self.temporal_norm = BatchNorm3d(out_channels)
        self.final_relu = final_relu

    def links(self) -> list[Link]:
        """Return its part of a chain."""
        return [(self.spatial, self.spatial_norm), (self.temporal, self.temporal_norm)]

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, in_channels, T, H, W) to (B, out_channels, T', H', W')."""
        return run_chain(clips, self.links(), final_relu=self.final_relu)


class ReducedSeparable(nn.Sequential):
    """A pointwise unit that narrows, then a separable 3 x 3 x 3 convolution, as one chain.

    Args:
        in_channels: channels it receives.
        before: channels between the two.
        after: channels it gives.
    """

    def __init__(self, in_channels: int, before: int, after: int) -> None:
        super().__init__(
            PointwiseUnit(in_channels, before), SeparableConvolution(before, after, kernel=(3, 3, 3), middle=after)
        )

    def forward(self, clips: Tensor) -> Tensor:
        """Map (B, in_channels, T, H, W) to (B, after, T, H, W), not negative."""
        pointwise, separable = self
        assert isinstance(pointwise, PointwiseUnit)
        assert isinstance(separable, SeparableConvolution)
        return run_chain(clips, [*pointwise.links(), *separable.links()])


def middle_channels(in_channels: int, out_channels: int, *, kernel: Size3) -> int:
    """Return the M at which the separable convolution has as many weights as the full one (Tran et al., 3.5)."""
    area = kernel[1] * kernel[2]
    return kernel[0] * area * in_channels * out_channels // (area * in_channels + kernel[0] * out_channels)
