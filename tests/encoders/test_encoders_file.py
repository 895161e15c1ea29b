"""An encoder alone in its file is the same encoder."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from coview.encoders import ENCODERS
from coview.encoders.file import describe_encoder, load_encoder, save_encoder
from coview.errors import UserError


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    encoder = ENCODERS.load("tiny3d")(in_channels=2)
    encoder(torch.randn(2, 2, 5, 32, 32))  # moves the running statistics away from their start
    return encoder.eval(), save_encoder(
        encoder, tmp_path / "flow.safetensors", built_from={"name": "tiny3d"}, description={"view": "f"}
    )


def test_it_gives_the_same_features(saved):
    encoder, path = saved
    loaded, clips = load_encoder(path), torch.randn(2, 2, 5, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(clips), encoder(clips))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert load_file(path).keys() == encoder.state_dict().keys()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_it_says_what_it_is(saved):
    assert describe_encoder(saved[1]) == {
        "view": "f",
        "encoder": {"name": "tiny3d"},
        "in_channels": 2,
        "feature_size": 128,
    }


def test_other_files_are_named(saved, tmp_path):
    with pytest.raises(UserError, match=r"absent\.safetensors is not a file of weights"):
        load_encoder(tmp_path / "absent.safetensors")
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(UserError, match="text is not a file of weights"):
        load_encoder(tmp_path / "text")
    save_file({"w": torch.ones(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(UserError, match=r"plain\.safetensors holds weights, but does not say of which encoder"):
        load_encoder(tmp_path / "plain.safetensors")
    with pytest.raises(UserError, match="cannot write the encoder"):
        save_encoder(saved[0], tmp_path / "text" / "flow", built_from={"name": "tiny3d"}, description={})


@pytest.mark.parametrize("told", ["{", "[]", '{"encoder": 3}', '{"encoder": {}, "in_channels": -1, "feature_size": 8}'])
def test_what_a_damaged_file_says_of_itself_is_not_believed(tmp_path, told):
    save_file({"w": torch.ones(1)}, tmp_path / "odd.safetensors", metadata={"coview": told})
    with pytest.raises(UserError, match="is not as Run.save_encoder writes it"):
        load_encoder(tmp_path / "odd.safetensors")
