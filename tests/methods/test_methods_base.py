"""What every method does for somebody who calls it without a trainer."""

import pytest
import torch

from coview.encoders import tiny3d
from coview.errors import UserError
from coview.methods import CPC, ViCC
from coview.methods.base import Progress


class Recorder(CPC):
    """CPC that keeps the progress it is called with."""

    def forward(self, batch, progress=None):
        batch, progress = self.receive(batch, progress)
        self.seen: list[Progress] = [*getattr(self, "seen", []), progress]
        return super().forward(batch, progress)


def clips(channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, 8, 32, 32)


def cpc() -> Recorder:
    torch.manual_seed(0)
    return Recorder({"rgb": tiny3d(), "flow": tiny3d(in_channels=2)}, num_blocks=4, predict_blocks=2)


def test_calls_that_learn_are_steps_and_others_are_not():
    method = cpc()
    method.begin_stage("rgb", num_steps=7)
    method({"rgb": clips()})
    with torch.no_grad():
        method({"rgb": clips()})
    method({"rgb": clips()})
    assert [(one.stage.name, one.step, one.num_steps) for one in method.seen] == [("rgb", n, 7) for n in (0, 0, 1)]


def test_without_a_stage_it_stands_in_the_last():
    method = cpc()
    method({"rgb": clips(), "flow": clips(2)})
    assert [(one.stage.name, one.stage_index, one.step) for one in method.seen] == [("flow", 1, 0)]


def test_a_stage_freezes_what_it_does_not_train():
    method = cpc()
    method.begin_stage("flow")
    assert not any(one.requires_grad for one in method.encoders["rgb"].parameters())
    assert all(one.requires_grad for one in method.encoders["flow"].parameters())
    assert not method.encoders["rgb"].training
    assert method.encoders["flow"].training
    with pytest.raises(UserError, match="CPC has no stage 'together'|Recorder has no stage 'together'"):
        method.begin_stage("together")


def test_what_does_not_fit_the_stage_is_named():
    method = cpc()
    method.begin_stage("flow")
    with pytest.raises(UserError, match="needs clips of flow; the batch has rgb"):
        method({"rgb": clips()})
    with pytest.raises(UserError, match="clips of flow have 3 channels, its encoder takes 2"):
        method({"flow": clips()})
    vicc = ViCC({"rgb": tiny3d()}, prototypes=4, queue=0, cycles=0)
    with pytest.raises(UserError, match="ViCC takes 2 clip"):
        vicc({"rgb": clips()})
