import torch
from torch.nn.functional import conv2d

from coview.encoders.heads import Predictor


def test_predictor_is_two_one_by_one_convolutions_with_relu_between() -> None:
    predictor = Predictor(8)
    first, second = (layer for layer in predictor.layers if isinstance(layer, torch.nn.Linear))
    context = torch.randn(2, 8, 3, 3)
    hidden = conv2d(context, first.weight[:, :, None, None], first.bias).relu()
    expected = conv2d(hidden, second.weight[:, :, None, None], second.bias)
    torch.testing.assert_close(predictor(context.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected)
