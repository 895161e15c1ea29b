"""CoCon: its stages, its ablations, and the sum that makes its loss."""

import pytest
import torch

from coview.config import RunConfig, parse
from coview.datatypes import ViewBatch
from coview.errors import UserError
from coview.losses.cooperation import cooperation, pooled_blocks
from coview.methods import Progress
from coview.methods.base import build_method
from coview.methods.dense_predictor import encode_blocks

CHANNELS = {"rgb": 3, "flow": 2, "mask": 1}


def build(sizes=(32, 32, 32), **settings):
    views = {view: {"size": size} for view, size in zip(CHANNELS, sizes, strict=True)}
    given = {
        "views": views,
        "encoder": {"name": "tiny3d"},
        "clip": {"num_blocks": 4, "block_length": 2},
        "method": {"name": "cocon", "dropout": 0.0, "temperature": 0.1, **settings},
    }
    config = parse(RunConfig, given, source="test")
    torch.manual_seed(0)
    return build_method(config, CHANNELS).eval()


def batch_of(num_videos: int, sizes=(32, 32, 32)) -> ViewBatch:
    generator = torch.Generator().manual_seed(num_videos)
    clips = {
        view: torch.randn(num_videos, 1, channels, 8, size, size, generator=generator)
        for (view, channels), size in zip(CHANNELS.items(), sizes, strict=True)
    }
    return ViewBatch(clips, torch.arange(num_videos))


def together(method) -> Progress:
    return Progress(method.stages()[-1], len(method.stages()) - 1, 0, 0, 10)


def test_stages_are_each_view_alone_then_all():
    stages = build(epochs_alone=3, epochs_together=2).stages()
    assert [(stage.name, stage.views, stage.epochs) for stage in stages] == [
        ("rgb", ("rgb",), 3),
        ("flow", ("flow",), 3),
        ("mask", ("mask",), 3),
        ("together", ("rgb", "flow", "mask"), 2),
    ]
    assert set(stages[-1].trainable) == {f"{kind}.{view}" for kind in ("encoders", "predictors") for view in CHANNELS}


def test_a_stage_without_epochs_is_left_out():
    assert [stage.name for stage in build(epochs_alone=0).stages()] == ["together"]
    with pytest.raises(UserError, match="nothing would be trained"):
        build(epochs_alone=0, epochs_together=0)


@torch.no_grad()
def test_the_loss_is_the_sum_of_its_weighted_parts():
    batch = batch_of(3)
    method = build(cooperation_weight=7.0, sync_weight=2.0, sim_weight=3.0)
    output = method(batch, together(method))
    cpc = sum(output.parts[f"{view}/cpc"] for view in CHANNELS)
    expected = cpc + 7.0 * (2.0 * output.parts["sync"] + 3.0 * output.parts["sim"])
    torch.testing.assert_close(output.total, expected)
    maps = [encode_blocks(method.encoders[view], batch.clips[view][:, 0], num_blocks=4) for view in CHANNELS]
    found = cooperation([pooled_blocks(blocks) for blocks in maps])
    torch.testing.assert_close(output.parts["sync"], found.sync)
    torch.testing.assert_close(output.meters["agreement"], found.agreement)


@torch.no_grad()
@pytest.mark.parametrize("off", ["cooperation_weight", "sync_weight", "sim_weight"])
def test_an_ablation_is_a_weight_of_zero(off):
    method, batch = build(**{off: 0.0}), batch_of(2)
    output = method(batch, together(method))
    cpc = sum(output.parts[f"{view}/cpc"] for view in CHANNELS)
    kept = {"cooperation_weight": 0.0, "sync_weight": 10 * output.parts["sim"], "sim_weight": 10 * output.parts["sync"]}
    torch.testing.assert_close(output.total, cpc + kept[off])


def test_maps_of_different_size_and_a_single_video():
    sizes = (64, 64, 32)
    method = build(sizes=sizes)
    output = method(batch_of(1, sizes), together(method))
    assert torch.isfinite(output.total)
    output.total.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.parameters())


def test_alone_equals_cpc():
    method, batch = build(), batch_of(2)
    alone = Progress(method.stages()[0], 0, 0, 0, 10)
    output = method(batch, alone)
    assert list(output.parts) == ["rgb/cpc"]
    torch.testing.assert_close(output.total.detach(), output.parts["rgb/cpc"])


def test_factors_of_views_reach_the_stages():
    given = {
        "views": {"rgb": {"size": 32, "learning_rate_factor": 0.5}, "flow": {"size": 32}},
        "encoder": {"name": "tiny3d"},
        "method": {"name": "cocon"},
    }
    stages = build_method(parse(RunConfig, given, source="test"), CHANNELS).stages()
    assert stages[-1].trainable["encoders.rgb"] == stages[0].trainable["predictors.rgb"] == 0.5
    assert stages[-1].trainable["encoders.flow"] == 1.0


def test_one_view_is_refused():
    config = parse(RunConfig, {"encoder": {"name": "tiny3d"}, "method": {"name": "cocon"}}, source="test")
    with pytest.raises(UserError, match="at least two views"):
        build_method(config, CHANNELS)
