import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import published_states
from coview.encoders import ENCODERS, Encoder
from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.published_weights import load_published_weights
from coview.encoders.r2plus1d import r2plus1d10
from coview.encoders.s3d import s3d, s3dg
from coview.errors import UserError

WHOLE = [
    ("s3d", published_states.torchvision_s3d, "torchvision's s3d", ""),
    ("s3d", published_states.kylemin_s3d, "S3D of kylemin", "module."),
    ("s3dg", published_states.coclr_s3dg, "S3D of CoCLR and ViCC", "encoder_q.0."),
    ("r2plus1d18", published_states.torchvision_r2plus1d_18, "torchvision's r2plus1d_18", ""),
    ("r2plus1d10", published_states.vicc_r2plus1d, "R(2+1)D of ViCC", "0."),
]


def tensors(encoder: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in encoder.state_dict().items() if "num_batches" not in name}


@pytest.mark.parametrize(("name", "publish", "source", "prefix"), WHOLE, ids=[row[2] for row in WHOLE])
def test_whole_networks_fit(name: str, publish: Callable[[], dict[str, Tensor]], source: str, prefix: str) -> None:
    encoder, state = ENCODERS.load(name)(in_channels=3), publish()
    report = load_published_weights(encoder, state)
    assert (report.source, report.prefix) == (source, prefix)
    assert list(report.matched) == list(tensors(encoder))
    assert not report.misfits
    assert not report.absent
    mine = {name: value for name, value in state.items() if name.startswith(prefix) and "num_batches" not in name}
    loaded = {value.sum().item() for name, value in tensors(encoder).items() if "running_var" not in name}
    missed = {name for name, value in mine.items() if value.sum().item() not in loaded and "running_var" not in name}
    assert missed == {name for name in report.left if name.startswith(prefix) and "running_var" not in name}
    assert all(any(head in name for head in ("fc.", "classifier.", "encoder_k.")) for name in report.left)


def test_the_right_tensor_lands_in_the_right_place() -> None:
    state, encoder = published_states.torchvision_s3d(), s3d(in_channels=3)
    load_published_weights(encoder, state)
    ours = encoder.state_dict()
    for mine, theirs in {
        "layers.conv1a.temporal.weight": "features.0.1.0.weight",
        "layers.conv2b.norm.bias": "features.2.1.bias",
        "layers.mixed4f.branch2.1.spatial_norm.running_mean": "features.12.branch2.1.0.1.running_mean",
        "layers.mixed5b.branch3.1.convolution.weight": "features.14.branch3.1.0.weight",
    }.items():
        assert torch.equal(ours[mine], state[theirs]), mine


def test_another_eps_changes_nothing_in_eval_mode() -> None:
    state, loaded, same = published_states.torchvision_s3d(), s3d(in_channels=3), s3d(in_channels=3)
    for name, value in state.items():
        state[name] = value * 0.05 if value.ndim == 5 else value
    load_published_weights(loaded, state)
    same.load_state_dict(loaded.state_dict())
    for part in same.modules():
        if isinstance(part, BatchNorm3d):
            part.eps = 1e-3
            part.running_var.sub_(1e-3 - 1e-5)  # as published
    torch.testing.assert_close(same.layers.conv1a.spatial_norm.running_var, state["features.0.0.1.running_var"])
    clips = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        wanted, found = same.eval()(clips), loaded.eval()(clips)
    torch.testing.assert_close(found / wanted.max(), wanted / wanted.max(), rtol=1e-4, atol=1e-5)


def test_a_first_layer_for_other_channels_is_reported_and_stays_random() -> None:
    encoder = r2plus1d10(in_channels=2)
    before = encoder.stem.spatial.weight.clone()
    report = load_published_weights(encoder, published_states.vicc_r2plus1d())
    assert dict(report.misfits) == {"stem.spatial.weight": ((83, 2, 1, 7, 7), (83, 3, 1, 7, 7))}
    assert torch.equal(encoder.stem.spatial.weight, before)
    total = len(tensors(encoder))
    assert report.describe().splitlines() == [
        f"{total - 1} of {total} tensors loaded, as named by R(2+1)D of ViCC",
        "not loaded, stays random: stem.spatial.weight is [83, 2, 1, 7, 7] here and [83, 3, 1, 7, 7] in the file",
    ]


def test_gates_that_the_file_lacks_are_named_as_absent() -> None:
    encoder = s3dg(in_channels=3)
    before = encoder.layers.mixed3b.gates[0].linear.weight.clone()
    report = load_published_weights(encoder, published_states.torchvision_s3d())
    assert len(report.absent) == 9 * 4 * 2
    assert all(".gates." in name for name in report.absent)
    assert torch.equal(encoder.layers.mixed3b.gates[0].linear.weight, before)
    assert report.left == ("classifier.1.weight", "classifier.1.bias")
    assert "in the file and not used: classifier.1.weight, classifier.1.bias" in report.describe()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".tar"])
def test_files(tmp_path: Path, suffix: str) -> None:
    path, state, encoder = tmp_path / f"weights{suffix}", published_states.vicc_r2plus1d(), r2plus1d10(in_channels=3)
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"epoch": 3, "state_dict": state} if suffix == ".tar" else state, path)
    report = load_published_weights(encoder, path)
    assert len(report.matched) == len(tensors(encoder))
    assert torch.equal(encoder.stem.spatial.weight, state["0.conv1.spatial_conv.weight"])


def untouched(encoder: Encoder, state: dict[str, Tensor] | Path) -> str:
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with pytest.raises(UserError) as error:
        load_published_weights(encoder, state)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    return str(error.value)


def test_nothing_fits() -> None:
    message = untouched(r2plus1d10(in_channels=3), published_states.torchvision_s3d())
    assert "nothing in the given weights fits the encoder R2Plus1D" in message
    assert "features.0.0.0.weight" in message
    assert "R(2+1)D of ViCC" in message
    assert "named like nothing" in untouched(r2plus1d10(in_channels=3), {})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    encoder = r2plus1d10(in_channels=3)
    assert "cannot read weights" in untouched(encoder, tmp_path / "none.pth")
    for suffix in (".pth", ".safetensors"):
        (tmp_path / f"text{suffix}").write_text("not weights", encoding="utf-8")
        assert f"text{suffix}" in untouched(encoder, tmp_path / f"text{suffix}")
    torch.save([1, 2], tmp_path / "list.pth")
    assert "holds a list" in untouched(encoder, tmp_path / "list.pth")


def test_files_that_are_not_what_they_claim(tmp_path: Path) -> None:
    """Bytes changed, cut or added anywhere, and pickles of anything else, are refused in words; nothing is loaded."""
    weights = {"0.conv1.weight": torch.ones(2, 2), "b": torch.ones(3)}
    within: dict[str, object] = {}
    within["state_dict"] = within
    strange = [{1: torch.ones(2, 2)}, {("a",): torch.ones(2, 2)}, {b"a": torch.ones(2)}, within, "text", None]
    strange += [{"0.conv1.weight": torch.ones(2, 2).to_sparse()}, {"0.conv1.weight": torch.empty(2, 2, device="meta")}]
    contents = [_saved(thing) for thing in strange]
    draw = np.random.default_rng(0)
    for content in (_saved(weights), _saved(weights, _use_new_zipfile_serialization=False)):
        for _ in range(60):
            place, value = int(draw.integers(min(len(content), 600))), bytes([int(draw.integers(256))])
            contents += [content[:place], content[:place] + value + content[place + 1 :]]
    encoder = r2plus1d10(in_channels=3)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    path = tmp_path / "weights.pth"
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(UserError):
            load_published_weights(encoder, path)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def _saved(thing: object, **options: bool) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file, **options)
    return file.getvalue()


def test_weights_that_are_not_finite() -> None:
    state = published_states.vicc_r2plus1d()
    state["0.conv1.spatial_conv.weight"][0, 0, 0, 0, 0] = torch.nan
    assert "not finite, such as 0.conv1.spatial_conv.weight" in untouched(r2plus1d10(in_channels=3), state)
