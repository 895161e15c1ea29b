import torch
from torch.nn.functional import batch_norm, conv3d

from coview.encoders.separable import PointwiseUnit, SeparableConvolution, middle_channels


def normalised(clips: torch.Tensor) -> torch.Tensor:
    return batch_norm(clips, None, None, training=True)


def test_pointwise_unit_is_convolution_norm_relu() -> None:
    unit = PointwiseUnit(3, 5).train()
    clips = torch.randn(2, 3, 4, 5, 6)
    torch.testing.assert_close(unit(clips), normalised(conv3d(clips, unit.convolution.weight)).relu())


def test_separable_convolution_is_plain_torch_with_the_same_weights() -> None:
    layer = SeparableConvolution(3, 5, kernel=(3, 5, 5), stride=(2, 2, 2), middle=7).train()
    clips = torch.randn(2, 3, 5, 9, 8)
    middle = conv3d(clips, layer.spatial.weight, stride=(1, 2, 2), padding=(0, 2, 2))
    middle = normalised(middle).relu()
    after = conv3d(middle, layer.temporal.weight, stride=(2, 1, 1), padding=(1, 0, 0))
    assert middle.shape == (2, 7, 5, 5, 4)
    assert after.shape == (2, 5, 3, 5, 4)
    torch.testing.assert_close(layer(clips), normalised(after).relu())
    layer.final_relu = False
    torch.testing.assert_close(layer(clips), normalised(after))


def test_the_first_convolution_sees_one_frame_and_the_second_one_place() -> None:
    layer = SeparableConvolution(1, 1, kernel=(3, 3, 3), middle=1)
    assert layer.spatial.weight.shape == (1, 1, 1, 3, 3)
    assert layer.temporal.weight.shape == (1, 1, 3, 1, 1)


def test_middle_channels_keep_the_number_of_weights() -> None:
    assert middle_channels(64, 64, kernel=(3, 3, 3)) == 144  # (Tran et al. 2018, section 3.5)
    assert 144 * (9 * 64 + 3 * 64) == 27 * 64 * 64
    assert middle_channels(3, 64, kernel=(3, 7, 7)) == 83
    assert middle_channels(64, 128, kernel=(1, 1, 1)) == 42
