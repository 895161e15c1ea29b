"""Encoders of transformers from a folder: the features that the library gives, nothing run, nothing fetched."""

import json
import pickle

import pytest
import safetensors.torch
import torch

from coview.datatypes import RGB_MEAN, RGB_STD
from coview.encoders import build_encoder, resolve_encoder
from coview.encoders.pretrained import FAMILIES, Pretrained, is_pretrained_folder, load_pretrained, load_weights
from coview.errors import MissingExtraError, UserError
from pretrained_folders import SMALL_NETWORKS, needs_transformers, transformers, write_folder

pytestmark = needs_transformers

KINDS = [*SMALL_NETWORKS, "clip", "siglip"]
PUBLISHED_NAMES = {
    "vjepa2": ["encoder.embeddings.patch_embeddings.proj.weight", "encoder.layer.0.attention.query.weight"],
    "videomae": [
        "embeddings.patch_embeddings.projection.weight",
        "encoder.layer.0.attention.attention.query.weight",
        "encoder.layer.0.attention.attention.q_bias",
        "encoder.layer.1.output.dense.bias",
    ],
    "timesformer": ["embeddings.time_embeddings", "encoder.layer.0.temporal_attention.attention.qkv.weight"],
    "dinov2": ["embeddings.cls_token", "encoder.layer.0.layer_scale1.lambda1", "layernorm.weight"],
    "dinov2_with_registers": ["embeddings.register_tokens", "encoder.layer.1.mlp.fc2.weight"],
    "dinov3_vit": ["embeddings.register_tokens", "layer.0.attention.q_proj.weight", "norm.weight"],
    "clip": ["vision_model.embeddings.class_embedding", "visual_projection.weight", "text_projection.weight"],
    "siglip": ["vision_model.head.probe", "vision_model.encoder.layers.0.self_attn.k_proj.weight", "logit_scale"],
}
"""Names of tensors in the files that their authors published."""


def rgb(clips: torch.Tensor) -> torch.Tensor:
    """Clips of 0 .. 1 as coview normalises them."""
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (RGB_MEAN, RGB_STD))
    return (clips - mean) / std


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_library(kind, tmp_path):
    write_folder(tmp_path / "net", kind)
    encoder = load_pretrained(tmp_path / "net")
    clips = torch.rand(2, 3, 4, 32, 32)
    found = encoder(rgb(clips))
    assert found.shape[:2] == (2, encoder.feature_size)
    family = FAMILIES[kind]
    network = getattr(transformers, family.network).from_pretrained(tmp_path / "net").eval()
    mean, std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1, 1), torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1, 1)
    pixels = ((clips - mean) / std).transpose(1, 2)  # (B, T, 3, H, W)
    with torch.no_grad():
        if family.takes == "clips":
            out = network(pixels).last_hidden_state
            expected = out[:, 0] if kind == "timesformer" else out.mean(dim=1)
        else:
            out = network(pixels.flatten(0, 1))
            each = out.image_embeds if "clip" in kind else out.pooler_output
            expected = each.view(2, 4, -1).mean(dim=1)  # frames averaged
        torch.testing.assert_close(encoder.pooled(rgb(clips)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["vjepa2", "videomae", "timesformer", "dinov2_with_registers", "dinov3_vit", "clip"])
def test_the_map_keeps_places_and_times(kind, tmp_path):
    """A corner of the map depends most on what is there; patch embeddings alone are looked at."""
    write_folder(tmp_path / "net", kind)
    encoder = load_pretrained(tmp_path / "net", pooling="patches")
    for layer in encoder.layers_in_order()[1:]:
        for parameter in layer.parameters():
            parameter.zero_()  # blocks pass on what they get, or little else
    clips = torch.zeros(1, 3, 4, 32, 32)
    changed = clips.clone()
    changed[:, :, 2:, :16, 16:] = 3.0  # the later half, top right
    with torch.no_grad():
        moved = (encoder(changed) - encoder(clips)).abs().sum(dim=1)[0]  # (T', S, S)
    assert moved.shape == (4 // encoder.tubelet, 2, 2)
    late = moved[moved.shape[0] // 2 :]
    assert (late[:, 0, 1] > 1e-4).all()
    assert moved[: moved.shape[0] // 2].max() < 1e-5
    assert late[:, 1].max() < 1e-5


@pytest.mark.parametrize("kind", ["vjepa2", "videomae"])
def test_published_files_hold_more_than_the_network(kind, tmp_path):
    write_folder(tmp_path / "net", kind, whole=True)
    stored = safetensors.torch.load_file(tmp_path / "net" / "model.safetensors")
    encoder = load_pretrained(tmp_path / "net")
    name = next(
        name
        for name in stored
        if name.endswith("encoder.layer.1.norm1.weight") or name.endswith("encoder.layer.1.layernorm_before.weight")
    )
    assert name.startswith(f"{kind}.")
    own = encoder.network.state_dict()[name.removeprefix(f"{kind}.")]
    assert torch.equal(own, stored[name])


@pytest.mark.parametrize("kind", PUBLISHED_NAMES)
def test_tensors_are_called_as_in_published_files(kind, tmp_path):
    write_folder(tmp_path / "net", kind)
    stored = safetensors.torch.load_file(tmp_path / "net" / "model.safetensors")
    assert [name for name in PUBLISHED_NAMES[kind] if name not in stored] == []


def test_other_sizes_lengths_and_channels(tmp_path):
    write_folder(tmp_path / "mae", "videomae")
    encoder = load_pretrained(tmp_path / "mae", in_channels=1)
    assert encoder.pooled(torch.randn(1, 1, 7, 20, 30)).shape == (1, 24)
    still = torch.randn(1, 1, 1, 32, 32)
    torch.testing.assert_close(encoder.pooled(still), encoder.pooled(still.expand(-1, -1, 9, -1, -1)))
    write_folder(tmp_path / "jepa", "vjepa2")
    odd = load_pretrained(tmp_path / "jepa", size=64)
    assert odd(torch.randn(1, 3, 3, 64, 64)).shape == (1, 24, 2, 4, 4)
    flow = load_pretrained(tmp_path / "jepa", in_channels=2)
    assert flow(torch.randn(1, 2, 4, 32, 32)).isfinite().all()


def test_a_resolved_encoder_needs_no_folder_and_its_weights_are_random(tmp_path):
    write_folder(tmp_path / "net", "dinov2")
    resolved = resolve_encoder({"name": "transformers", "path": str(tmp_path / "net"), "pooling": "patches"})
    assert "path" not in resolved
    assert resolved["mean"] == [0.4, 0.5, 0.6]
    (tmp_path / "net").rename(tmp_path / "gone")
    encoder = build_encoder(json.loads(json.dumps(resolved)), in_channels=3)
    assert resolve_encoder(resolved) == resolved
    before = encoder.network.state_dict()["embeddings.cls_token"].clone()
    assert load_weights(encoder, tmp_path / "gone") == sum(v.numel() for v in encoder.network.state_dict().values())
    assert not torch.equal(before, encoder.network.state_dict()["embeddings.cls_token"])


def test_a_path_alone_is_never_opened(tmp_path):
    write_folder(tmp_path / "net", "dinov2")
    with pytest.raises(UserError, match="is not opened here"):
        build_encoder({"name": "transformers", "path": str(tmp_path / "net")}, in_channels=3)


def test_code_in_a_folder_is_not_run(tmp_path):
    folder = write_folder(tmp_path / "net", "dinov2")
    told = json.loads((folder / "config.json").read_text())
    told["auto_map"] = {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}
    told["quantization_config"] = {"quant_method": "evil"}
    (folder / "config.json").write_text(json.dumps(told))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    load_pretrained(folder)
    assert not (tmp_path / "ran").exists()


class _Bomb:
    def __reduce__(self):
        return (open, ("/nonexistent/ran", "w"))


def test_pickled_weights_are_refused(tmp_path):
    folder = write_folder(tmp_path / "net", "dinov2")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(UserError, match="safetensors alone, pickled ones never"):
        load_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "dinov9"}, "model_type is 'dinov9'; did you mean 'dinov"),
        ({"model_type": None}, "Known: vjepa2, videomae"),
        ({"hidden_size": "wide"}, "settings of the network cannot be used"),
        ({"hidden_size": 48}, "weights in .* cannot be used"),
        ({"num_hidden_layers": 3}, "lacks 1[0-9] tensors of its network"),
    ],
)
def test_folders_that_do_not_fit_are_told(change, message, tmp_path):
    folder = write_folder(tmp_path / "net", "dinov2")
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**told, **change}))
    with pytest.raises(UserError, match=message):
        load_pretrained(folder)


def test_what_is_no_folder_is_told(tmp_path):
    with pytest.raises(UserError, match="Nothing is downloaded"):
        load_pretrained("facebook/dinov2-small")
    with pytest.raises(UserError, match=r"holds no config\.json"):
        load_pretrained(tmp_path)
    assert not is_pretrained_folder(tmp_path)
    folder = write_folder(tmp_path / "net", "dinov2")
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="holds an adapter"):
        load_pretrained(folder)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["layernorm.bias"][0] = float("nan")
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    (folder / "adapter_config.json").unlink()
    with pytest.raises(UserError, match="not finite"):
        load_pretrained(folder)


def test_options_that_a_network_does_not_take_are_told():
    model = SMALL_NETWORKS["videomae"]
    with pytest.raises(UserError, match="takes pictures of 32 pixels alone"):
        Pretrained(model=model, size=64)
    with pytest.raises(UserError, match="no feature of that kind"):
        Pretrained(model=model, pooling="class")
    with pytest.raises(UserError, match="multiple of 16"):
        Pretrained(model=SMALL_NETWORKS["dinov2"], size=40)


def test_without_the_extra_its_name_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"coview\[pretrained\]"):
        Pretrained(model=SMALL_NETWORKS["dinov2"])
