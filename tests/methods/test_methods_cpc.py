import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from coview.config import RunConfig, parse
from coview.datatypes import ViewBatch
from coview.errors import UserError
from coview.methods.base import Method, Progress
from coview.training.building import build_method
from two_processes import half, run_in_processes


def build(dropout: float = 0.0, **clip: int) -> Method:
    given = {
        "views": {"rgb": {"size": 32}, "flow": {"size": 32}},
        "encoder": {"name": "tiny3d"},
        "clip": {"num_blocks": 4, "block_length": 3, **clip},
        "method": {"name": "cpc", "predict_blocks": 2, "dropout": dropout},
    }
    torch.manual_seed(0)
    return build_method(parse(RunConfig, given, source="test"), {"rgb": 3, "flow": 2})


def batch_of(clips: Tensor) -> ViewBatch:
    return ViewBatch({"rgb": clips}, torch.arange(len(clips)))


def start_of(method: Method, stage_index: int = 0) -> Progress:
    stage = method.stages()[stage_index]
    return Progress(stage, stage_index, epoch=0, step=0, num_steps=1)


def test_one_stage_a_view_in_order() -> None:
    stages = build().stages()
    assert [(stage.name, stage.views, stage.epochs) for stage in stages] == [
        ("rgb", ("rgb",), 100),
        ("flow", ("flow",), 100),
    ]
    assert stages[1].trainable == ("encoders.flow", "predictors.flow")


def test_reference_line_counts_candidates_of_the_batch() -> None:
    method = build()
    output = method(batch_of(torch.randn(3, 1, 3, 12, 32, 32)), start_of(method))
    assert output.chance_level == {"rgb/cpc": pytest.approx(math.log(3 * 2 * 2 * 2))}
    assert output.parts["rgb/cpc"] == output.total
    assert output.features["rgb"].shape == (3 * 4, 128)
    assert 0 <= output.meters["rgb/accuracy"] <= 1


def test_a_view_is_trained_by_its_own_clips_alone() -> None:
    method = build()
    clips = {"rgb": torch.randn(2, 1, 3, 12, 32, 32), "flow": torch.randn(2, 1, 2, 12, 32, 32)}
    both = method(ViewBatch(clips, torch.arange(2)), start_of(method, 1)).total
    flow_alone = method(ViewBatch({"flow": clips["flow"]}, torch.arange(2)), start_of(method, 1)).total
    assert both == flow_alone


def test_too_few_blocks_are_refused_with_the_setting_to_change() -> None:
    with pytest.raises(UserError, match=r"clip\.num_blocks"):
        build(num_blocks=2)


def test_learns_a_batch_by_heart() -> None:
    method = build(dropout=0.1)
    generator = torch.Generator().manual_seed(2)
    batch = batch_of(torch.randn(4, 1, 3, 1, 32, 32, generator=generator).expand(-1, -1, -1, 12, -1, -1))
    optimiser = torch.optim.Adam(method.parameters(), 1e-3)
    losses = []
    for _ in range(25):
        output = method(batch, start_of(method))
        optimiser.zero_grad()
        output.total.backward()
        optimiser.step()
        losses.append(output.total.item())
    # the two predicted blocks of a still video are the same: ln 2 is the best that can be
    assert losses[0] > 2 * output.chance_level["rgb/cpc"]
    assert sum(losses[-3:]) / 3 < output.chance_level["rgb/cpc"]


def train_one_step(model: nn.Module, method: Method, clips: Tensor) -> dict[str, Tensor]:
    method.train()
    output = model(batch_of(clips), start_of(method))
    output.total.backward()
    found = {f"gradient of {name}": p.grad for name, p in method.named_parameters() if p.grad is not None}
    found |= {name: buffer for name, buffer in method.named_buffers() if name.startswith("encoders.rgb")}
    chance_level = torch.tensor(output.chance_level["rgb/cpc"])
    return {"loss": output.total.detach(), "chance_level": chance_level, **found}


def train_half(rank: int, clips: Tensor) -> dict[str, Tensor]:
    method = build()
    for view in ("encoders.flow", "predictors.flow"):
        method.get_submodule(view).requires_grad_(False)
    return train_one_step(DistributedDataParallel(method, broadcast_buffers=False), method, half(rank, clips))


@pytest.mark.xdist_group("processes")
def test_two_processes_are_one(tmp_path: Path) -> None:
    clips = torch.randn(4, 1, 3, 12, 32, 32)
    method = build()
    whole = train_one_step(method, method, clips)
    first, second = run_in_processes(train_half, clips, folder=tmp_path)
    assert set(first) == set(whole)
    assert len(whole) > 40
    for name, wanted in whole.items():
        found = (first[name] + second[name]) / 2 if name == "loss" else first[name]
        if name != "loss":
            assert torch.equal(first[name], second[name]), name
        assert (
            nn.functional.mse_loss(found.double(), wanted.double()).sqrt()
            <= 2e-3 * wanted.double().std(correction=0) + 2e-6 * wanted.double().abs().max()
        ), name
