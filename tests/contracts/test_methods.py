"""What every method must do; a new row of METHODS is tested here without a new line."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from coview.config import RunConfig, parse
from coview.datatypes import ViewBatch
from coview.methods import METHODS, Method, Progress, Stage
from coview.training.building import build_method, resolve_config

CHANNELS = {"rgb": 3, "flow": 2}
CLASSES = ("a", "b", "c")

pytestmark = pytest.mark.parametrize("name", list(METHODS))


def build(name: str, **training: object) -> tuple[Method, RunConfig]:
    kind = METHODS.load(name)
    blocks = {"num_blocks": 4, "block_length": 2} if kind.takes_blocks else {"num_blocks": 1, "block_length": 8}
    given = {
        "training": training,
        "views": {view: {"size": 32} for view in CHANNELS},
        "encoder": {"name": "tiny3d"},
        "clip": {**blocks, "clips_per_video": kind.clips_per_video or 1},
        "method": {"name": name},
    }
    config = resolve_config(parse(RunConfig, given, source="test"), num_videos=64, classes=CLASSES)
    torch.manual_seed(0)
    return build_method(config, CHANNELS), config


def batch_of(num_videos: int, config: RunConfig) -> ViewBatch:
    generator = torch.Generator().manual_seed(num_videos)
    shape = (config.clip.num_frames, 32, 32)
    clips = {
        view: torch.randn(num_videos, config.clip.clips_per_video, channels, *shape, generator=generator)
        for view, channels in CHANNELS.items()
    }
    return ViewBatch(clips, torch.arange(num_videos), tuple(CLASSES[number % 3] for number in range(num_videos)))


def steps(method: Method) -> Iterator[tuple[Stage, Progress]]:
    """Each stage made ready as the trainer does, at its first step."""
    for index, stage in enumerate(method.stages()):
        method.train().requires_grad_()  # whatever was before, a stage decides for itself
        method.zero_grad(set_to_none=True)
        method.begin_stage(stage)
        yield stage, Progress(stage, stage_index=index, epoch=0, step=0, num_steps=10)


def test_encoders_and_views(name: str) -> None:
    method, config = build(name)
    assert method.views == tuple(config.views)
    for view in method.views:
        assert method.encoders[view].in_channels == CHANNELS[view]


def test_stages_are_well_formed(name: str) -> None:
    method, _ = build(name)
    stages = method.stages()
    assert stages
    assert len({stage.name for stage in stages}) == len(stages)
    for stage in stages:
        assert stage.name.replace("-", "").replace("_", "").isalnum()
        assert stage.epochs >= 1
        assert stage.views
        assert set(stage.views) <= set(method.views)
        assert stage.trainable
        for part in stage.trainable:
            assert list(method.get_submodule(part).parameters())
            assert part.split(".")[1] in method.views, "<kind>.<view>, so that a view can have a rate of its own"


@pytest.mark.parametrize("num_videos", [1, 3])
def test_gives_a_finite_loss_with_its_parts(name: str, num_videos: int) -> None:
    method, config = build(name)
    for stage, progress in steps(method):
        batch = batch_of(num_videos, config)
        seen = dataclasses.replace(batch, clips={view: batch.clips[view] for view in stage.views})
        output = method(seen, progress)
        assert output.total.shape == ()
        assert output.total.dtype == torch.float32
        assert torch.isfinite(output.total)
        assert output.parts
        assert set(output.chance_level) <= set(output.parts)
        for value in (*output.parts.values(), *output.meters.values()):
            assert value.shape == ()
            assert not value.requires_grad
        assert output.features
        for features in output.features.values():
            assert features.ndim == 2
            assert not features.requires_grad


def test_gradient_reaches_what_the_stage_trains_and_nothing_else(name: str) -> None:
    method, config = build(name)
    for stage, progress in steps(method):
        method(batch_of(2, config), progress).total.backward()
        trained = {id(parameter) for part in stage.trainable for parameter in method.get_submodule(part).parameters()}
        for parameter_name, parameter in method.named_parameters():
            if id(parameter) in trained:
                assert parameter.grad is not None, parameter_name
                assert torch.isfinite(parameter.grad).all(), parameter_name
                assert parameter.grad.any(), parameter_name
            else:
                assert parameter.grad is None, parameter_name
        method.after_step()


def test_features_in_chunks_give_the_loss_and_gradient_of_the_whole_batch(name: str) -> None:
    (whole, config), (in_chunks, _) = build(name), build(name, accumulate=3, accumulate_what="features")
    batch, calls = batch_of(3, config), {id(whole): 0, id(in_chunks): 0}

    def count(method: Method) -> None:
        calls[id(method)] += 1

    for method in (whole, in_chunks):
        for encoder in method.encoders.values():
            encoder.register_forward_pre_hook(lambda module, given, of=method: count(of))
    for (stage, progress), (_, again) in zip(steps(whole), steps(in_chunks), strict=True):
        for method, now in ((whole, progress), (in_chunks, again)):
            for part in stage.trainable:
                method.get_submodule(part).eval()  # each part has its own moments, and dropout its own draw
            torch.manual_seed(1)
            output = method(batch, now)
            if method is whole:
                expected = output.total
            else:
                torch.testing.assert_close(output.total, expected)
                assert calls[id(in_chunks)] == 3 * calls[id(whole)], "every encoder call goes through encode_in_chunks"
            output.total.backward()
        calls = dict.fromkeys(calls, 0)
        for (parameter_name, one), other in zip(whole.named_parameters(), in_chunks.parameters(), strict=True):
            if one.grad is not None:
                # By length: a rounding that decides which of two pixels is the larger moves a single value much.
                assert float((other.grad - one.grad).norm() / one.grad.norm()) < 0.001, parameter_name


def test_frozen_parts_stay_bit_for_bit(name: str) -> None:
    method, config = build(name)
    for stage, progress in steps(method):
        before = {key: value.clone() for key, value in method.state_dict().items()}
        method(batch_of(2, config), progress).total.backward()
        for key, value in method.state_dict().items():
            if not any(key.startswith(part + ".") for part in stage.trainable):
                assert torch.equal(value, before[key]), key


def test_bf16_comes_near_float32(name: str) -> None:
    method, config = build(name)
    method.eval()
    for stage, progress in steps(method):
        for part in stage.trainable:
            method.get_submodule(part).eval()  # without dropout, so that both see the same
        batch = batch_of(3, config)
        plain = method(batch, progress).total
        with torch.autocast("cpu", torch.bfloat16):
            mixed = method(batch, progress).total
        assert mixed.dtype == torch.float32
        assert mixed.item() == pytest.approx(plain.item(), rel=0.05)


def test_state_dict_carries_everything(name: str) -> None:
    method, config = build(name)
    other, _ = build(name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    other.load_state_dict(method.state_dict())
    method.eval()
    other.eval()
    for index, stage in enumerate(method.stages()):
        progress = Progress(stage, stage_index=index, epoch=0, step=0, num_steps=10)
        assert torch.equal(method(batch_of(2, config), progress).total, other(batch_of(2, config), progress).total)
