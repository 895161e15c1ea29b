import torch
from torch.nn.functional import conv2d

from coview.encoders.heads import Predictor, ProjectionHead


def test_predictor_is_two_one_by_one_convolutions_with_relu_between() -> None:
    predictor = Predictor(8)
    first, second = (layer for layer in predictor.layers if isinstance(layer, torch.nn.Linear))
    context = torch.randn(2, 8, 3, 3)
    hidden = conv2d(context, first.weight[:, :, None, None], first.bias).relu()
    expected = conv2d(hidden, second.weight[:, :, None, None], second.bias)
    torch.testing.assert_close(predictor(context.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected)


def test_predictor_starts_orthogonal_without_bias() -> None:
    for layer in Predictor(16).layers:
        if isinstance(layer, torch.nn.Linear):
            torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(16), atol=1e-5, rtol=0)
            assert not layer.bias.any()


def test_projection_is_two_layers_with_relu_between_and_unit_length() -> None:
    head = ProjectionHead(6, 4)
    first, second = (layer for layer in head.layers if isinstance(layer, torch.nn.Linear))
    pooled = torch.randn(5, 6)
    expected = (pooled @ first.weight.T + first.bias).relu() @ second.weight.T + second.bias
    torch.testing.assert_close(head(pooled), expected / expected.norm(dim=1, keepdim=True))
