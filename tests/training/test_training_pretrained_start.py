"""Training that begins with a pretrained network: its weights go in, its path does not stay."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

import coview
from coview.config import OptimiserSettings, RunConfig, ViewInput
from coview.encoders import tiny3d
from coview.encoders.pretrained import Pretrained, load_pretrained
from coview.errors import UserError
from coview.methods.base import freeze_all_but, freeze_layers
from coview.methods.infonce import InfoNCE
from coview.methods.joint import Joint
from coview.training.optimisers import BASE_KEY, build_optimiser
from pretrained_folders import SMALL_NETWORKS, needs_transformers, write_folder
from small_run import place_small_run, small_config


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return place_small_run(tmp_path_factory.mktemp("pretrained")).data


def config_of(folder: Path, **optimiser: object) -> RunConfig:
    """One step of contrast of rgb."""
    small = small_config()
    return replace(
        small,
        views={"rgb": ViewInput(size=32)},
        method={"name": "infonce", "epochs": 1},
        encoder={"name": "transformers", "path": str(folder)},
        clip=replace(small.clip, num_blocks=1, clips_per_video=2),
        optimiser=OptimiserSettings(learning_rate=0.001, weight_decay=0.0, **optimiser),
        training=replace(small.training, max_steps=1, val_fraction=0.0, batch_size=4),
    )


@needs_transformers
def test_a_run_begins_with_the_weights_and_forgets_the_folder(data, tmp_path):
    folder = write_folder(tmp_path / "net", "dinov2")
    run = coview.pretrain(config_of(folder, layer_decay=0.5, frozen_layers=1), data, tmp_path / "run")
    begun = load_pretrained(folder).network.state_dict()
    learnt = run.encoders["rgb"].network.state_dict()
    moved = {name: (learnt[name] - begun[name]).abs().max().item() for name in begun}
    assert moved["embeddings.patch_embeddings.projection.weight"] == 0  # the first layer stands still
    first, second = (moved[f"encoder.layer.{layer}.mlp.fc1.weight"] for layer in (0, 1))
    assert second == pytest.approx(0.001, rel=0.05)  # Adam's first step is the learning rate
    assert first == pytest.approx(0.0005, rel=0.05)
    resolved = yaml.safe_load((tmp_path / "run" / "resolved.yaml").read_text())
    assert "path" not in resolved["config"]["encoder"]
    assert resolved["config"]["encoder"]["model"]["model_type"] == "dinov2"
    folder.rename(tmp_path / "gone")
    again = coview.load(tmp_path / "run")
    vectors = again.embed(data)
    assert vectors["rgb"].shape[1] == 24
    random = again.random_encoders()["rgb"].network.state_dict()
    assert not torch.equal(random["embeddings.cls_token"], begun["embeddings.cls_token"])


@needs_transformers
def test_a_run_of_somebody_else_opens_no_folder(data, tmp_path):
    folder = write_folder(tmp_path / "net", "dinov2")
    run = coview.pretrain(config_of(folder), data, tmp_path / "run")
    path = tmp_path / "run" / "resolved.yaml"
    told = yaml.safe_load(path.read_text())
    told["config"]["encoder"] = {"name": "transformers", "path": str(folder)}
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    with pytest.raises(UserError, match="is not opened here"):
        coview.load(run.path)


@needs_transformers
def test_a_network_that_another_encoder_cannot_take_is_told(data, tmp_path):
    folder = write_folder(tmp_path / "net", "dinov2")
    config = replace(config_of(folder), encoder={"name": "tiny3d"}, start_from=str(folder))
    with pytest.raises(UserError, match=r"needs encoder\.name transformers"):
        coview.pretrain(config, data, tmp_path / "run")


def test_rates_fall_layer_by_layer_and_every_parameter_has_one():
    method = Joint({"rgb": tiny3d()})
    stage = method.stages()[0]
    plain = build_optimiser(method, stage, OptimiserSettings(learning_rate=0.1))
    assert len(plain.param_groups) == 2
    optimiser = build_optimiser(method, stage, OptimiserSettings(learning_rate=0.1, layer_decay=0.5))
    counted = [id(one) for group in optimiser.param_groups for one in group["params"]]
    assert sorted(counted) == sorted(id(one) for one in method.parameters())
    rates = [group[BASE_KEY] for group in optimiser.param_groups]
    assert rates == pytest.approx([0.1, 0.05, 0.1])  # stages, stem, head


@needs_transformers
@pytest.mark.parametrize("kind", SMALL_NETWORKS)
def test_every_layer_of_a_network_learns_at_its_own_rate(kind):
    """What comes before two layers, the layers, what follows: 1/4, 1/2, 1 of the last layer's rate, and that rate."""
    method = InfoNCE({"rgb": Pretrained(model=SMALL_NETWORKS[kind])})
    stage = method.stages()[0]
    optimiser = build_optimiser(method, stage, OptimiserSettings(learning_rate=0.4, layer_decay=0.5))
    rates = {id(one): group[BASE_KEY] for group in optimiser.param_groups for one in group["params"]}
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(rates), "none in two groups"
    found = {}
    for name, one in method.encoders["rgb"].network.named_parameters():
        layer = re.search(r"(?:layer|layers)\.(\d)\.", name)
        part = f"layer {layer[1]}" if layer else "before" if "embeddings." in name else "after"
        found.setdefault(part, set()).add(rates[id(one)])
    assert found.pop("after", {0.4}) == {0.4}
    assert found == {"before": {0.1}, "layer 0": {0.2}, "layer 1": {0.4}}


def test_layers_stand_still_in_eval_mode():
    method = Joint({"rgb": tiny3d()})
    freeze_all_but(method, method.stages()[0].trainable)
    freeze_layers(method, 1)
    encoder = method.encoders["rgb"]
    assert not encoder.stem.training
    assert not any(one.requires_grad for one in encoder.stem.parameters())
    assert encoder.stages.training
    freeze_layers(method, 1000)
    assert not any(one.requires_grad for one in encoder.parameters())
    assert not encoder.training
    assert all(one.requires_grad for one in method.heads.parameters())
