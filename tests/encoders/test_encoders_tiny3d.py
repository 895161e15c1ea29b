import pytest
import torch

from coview import registry
from coview.config import Positive
from coview.encoders import build_encoder
from coview.encoders.tiny3d import Tiny3D, tiny3d
from coview.errors import UserError


def test_is_small_and_keeps_four_by_four_cells_at_64_pixels() -> None:
    encoder = tiny3d(in_channels=3)
    assert sum(p.numel() for p in encoder.parameters()) < 600_000
    assert encoder.eval()(torch.randn(1, 3, 5, 64, 64)).shape == (1, encoder.feature_size, 2, 4, 4)
    assert encoder(torch.randn(1, 3, 16, 64, 64)).shape == (1, encoder.feature_size, 4, 4, 4)


def test_stem_sees_motion() -> None:
    encoder = tiny3d(in_channels=1).eval()
    clip = torch.randn(1, 1, 5, 64, 64)
    with torch.no_grad():
        forwards, backwards = encoder.stem(clip), encoder.stem(clip.flip(2)).flip(2)
    assert not torch.allclose(forwards, backwards, atol=1e-2)


def test_dynamo_traces_it_and_nothing_changes() -> None:
    encoder = tiny3d(in_channels=1).train()
    clips = torch.randn(2, 1, 5, 32, 32)
    plain = encoder(clips)
    encoder.compile(backend="eager")
    torch.testing.assert_close(encoder(clips), plain)


def test_features_are_not_cut_off_at_zero() -> None:
    """No ReLU after the last block: cosines of features may be negative."""
    feature_map = tiny3d(in_channels=1).train()(torch.randn(2, 1, 5, 32, 32))
    share_below = (feature_map < 0).float().mean().item()
    assert 0.1 < share_below < 0.9


def test_options_with_a_range_are_checked(monkeypatch):
    monkeypatch.setattr(registry, "_decorated", {})

    @registry.register("encoder", "narrow")
    def narrow(*, in_channels: int = 3, width: Positive = 8) -> Tiny3D:
        return Tiny3D(in_channels=in_channels, widths=(width,) * 4)

    assert build_encoder({"name": "narrow", "width": 4}, in_channels=2).feature_size == 4
    with pytest.raises(UserError, match=r"encoder\.width: .*greater than or equal to 1"):
        build_encoder({"name": "narrow", "width": 0}, in_channels=2)
