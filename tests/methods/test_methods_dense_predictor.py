import pytest
import torch
from torch import Tensor, nn

from coview.datatypes import unit
from coview.encoders import Encoder
from coview.encoders.tiny3d import tiny3d
from coview.errors import UserError
from coview.methods.dense_predictor import (
    DensePredictor,
    check_predicted_blocks,
    encode_blocks,
    pool_block_maps,
    predict_view,
)


class FirstPixel(Encoder):
    """A map that tells which frame and pixel it came from."""

    def __init__(self) -> None:
        super().__init__()
        self.in_channels, self.feature_size = 1, 1

    def forward(self, clips: Tensor) -> Tensor:
        return clips[:, :, :, ::2, ::2]


def test_blocks_are_cut_in_order_and_averaged_over_time() -> None:
    clips = torch.arange(2.0 * 6).reshape(2, 1, 6, 1, 1).expand(2, 1, 6, 4, 4)
    blocks = encode_blocks(FirstPixel(), clips, num_blocks=3)
    assert blocks.shape == (2, 3, 1, 2, 2)
    assert blocks[:, :, 0, 0, 0].tolist() == [[0.5, 2.5, 4.5], [6.5, 8.5, 10.5]]


def test_the_papers_map() -> None:
    from coview.encoders.r2d3d import r2d3d18

    with torch.device("meta"):
        blocks = encode_blocks(r2d3d18(in_channels=3), torch.empty(2, 3, 40, 128, 128), num_blocks=8)
        prediction = DensePredictor(256, predict_blocks=3, dropout=0.1)(blocks)
    assert blocks.shape == (2, 8, 256, 4, 4)
    assert prediction.predicted.shape == prediction.target.shape == (2, 3, 4, 4, 256)
    assert prediction.context.shape == (2, 4, 4, 256)


def by_recursion(predictor: DensePredictor, blocks: Tensor) -> list[Tensor]:
    """z~ of one cell's blocks (N, D), CoCon eq. 4 written out."""
    hidden = torch.zeros(blocks.shape[1])
    for z in unit(blocks[: -predictor.predict_blocks]):
        hidden = predictor.aggregate.step(z, hidden)
    predicted = []
    for _ in range(predictor.predict_blocks):
        predicted.append(unit(predictor.predict(hidden)))
        hidden = predictor.aggregate.step(predicted[-1], hidden)
    return predicted


def test_predictions_feed_back_and_are_unit() -> None:
    torch.manual_seed(0)
    predictor = DensePredictor(32, predict_blocks=3, dropout=0.0)
    blocks = torch.randn(2, 5, 32, 2, 3) * 7
    prediction = predictor(blocks)
    expected = torch.stack(by_recursion(predictor, blocks[1, :, :, 1, 2]))
    torch.testing.assert_close(prediction.predicted[1, :, 1, 2], expected)
    torch.testing.assert_close(prediction.predicted.norm(dim=-1), torch.ones(2, 3, 2, 3))
    torch.testing.assert_close(prediction.target, unit(blocks, dim=2)[:, 2:].permute(0, 1, 3, 4, 2))


def test_predictions_do_not_see_the_future() -> None:
    predictor = DensePredictor(8, predict_blocks=2, dropout=0.0)
    blocks = torch.randn(1, 4, 8, 2, 2)
    changed = torch.cat([blocks[:, :2], torch.randn(1, 2, 8, 2, 2)], dim=1)
    assert torch.equal(predictor(blocks).predicted, predictor(changed).predicted)
    assert not torch.equal(predictor(blocks).target, predictor(changed).target)


def test_context_is_one_of_the_contexts() -> None:
    predictor = DensePredictor(8, predict_blocks=2, dropout=0.0)
    blocks = torch.randn(1, 5, 8, 2, 2)
    contexts = predictor.contexts(blocks)
    assert contexts.shape == (1, 5, 2, 2, 8)
    torch.testing.assert_close(predictor(blocks).context, contexts[:, 2])


def test_one_view() -> None:
    encoder = tiny3d(in_channels=2)
    predictor = DensePredictor(encoder.feature_size, predict_blocks=1, dropout=0.0)
    seen = predict_view(encoder, predictor, torch.randn(2, 2, 6, 32, 32), num_blocks=3, temperature=0.1)
    assert seen.score.num_candidates == 2 * 1 * 2 * 2
    assert seen.blocks.shape == (2, 3, 128, 2, 2)
    torch.testing.assert_close(seen.block_features[4], seen.blocks[1, 1].mean(dim=(1, 2)))


def test_learns_to_predict_a_rotating_feature() -> None:
    torch.manual_seed(0)
    predictor = DensePredictor(8, predict_blocks=1, dropout=0.0)
    angles = torch.rand(32, 1) * 6.28 + torch.arange(4) * 1.0  # (B, N)
    circle = torch.stack([angles.cos(), angles.sin()], dim=2)  # (B, N, 2)
    blocks = nn.functional.pad(circle, (0, 6))[..., None, None]  # (B, N, 8, 1, 1)
    optimiser = torch.optim.Adam(predictor.parameters(), 1e-2)
    for _ in range(150):
        prediction = predictor(blocks)
        error = 1 - (prediction.predicted * prediction.target).sum(dim=-1).mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert error.item() < 0.01  # repeating the last block would leave 1 - cos(1) = 0.46


@pytest.mark.parametrize(("num_blocks", "predict_blocks"), [(3, 3), (1, 3)])
def test_a_block_must_be_left_to_predict_from(num_blocks: int, predict_blocks: int) -> None:
    with pytest.raises(UserError, match="num_blocks"):
        check_predicted_blocks(num_blocks=num_blocks, predict_blocks=predict_blocks)


def test_frames_that_make_no_equal_blocks_are_refused() -> None:
    with pytest.raises(UserError, match="7 frames cannot be cut into 3 blocks"):
        encode_blocks(FirstPixel(), torch.zeros(1, 1, 7, 4, 4), num_blocks=3)


def test_videos_are_compared_by_the_largest_direction_of_neighbouring_cells() -> None:
    """By plain loops: unit cells, averaged over T', largest of each 2 x 2, mean of those, unit."""
    maps = torch.randn(2, 3, 2, 4, 4)  # (n, D, T', S, S)
    expected = []
    for one in maps.mean(dim=2):  # (D, S, S)
        cells = one / one.norm(dim=0, keepdim=True)
        corners = [(y, x) for y in (0, 2) for x in (0, 2)]
        largest = torch.stack([cells[:, y : y + 2, x : x + 2].amax(dim=(1, 2)) for y, x in corners])
        mean = largest.mean(dim=0)
        expected.append(mean / mean.norm())
    torch.testing.assert_close(pool_block_maps(maps), torch.stack(expected))
