"""A setting whose gradients are wrong is found out and not chosen; one that only rounds passes."""

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from coview.config import TrainingSettings
from coview.encoders import ENCODERS
from coview.training import precision
from coview.training.gradient_judge import GradientJudge
from coview.training.precision import choose_precision
from two_processes import run_in_processes

CPU = torch.device("cpu")
SHAPE = (4, 2, 4, 32, 32)


class Spoiled(torch.autograd.Function):
    """Hands a kernel on; spoils its gradient."""

    @staticmethod
    def forward(ctx, kernel: Tensor, how: str) -> Tensor:
        ctx.how = how
        return kernel.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        spoiled = {
            "nan": torch.full_like(gradient, float("nan")),
            "huge": gradient * 1e30,
            "zero": torch.zeros_like(gradient),
            "shifted": gradient.roll(1, 0),
        }
        return spoiled[ctx.how], None


class Faulty(nn.Module):
    """A network whose kernels' gradient is wrong in bf16, or with channels last."""

    def __init__(self, how: str, *, layout: bool = False) -> None:
        super().__init__()
        self.how, self.layout = how, layout
        self.inner = ENCODERS.load("tiny3d")(in_channels=2)

    def forward(self, clips: Tensor) -> Tensor:
        kernel = self.inner.stages[1].convolution2.weight
        turned = not kernel.is_contiguous()
        if (turned if self.layout else torch.is_autocast_enabled("cpu")) and self.how:
            faulty = Spoiled.apply(kernel, self.how)
            return torch.func.functional_call(self.inner, {"stages.1.convolution2.weight": faulty}, (clips,))
        return self.inner(clips)


@pytest.mark.parametrize("how", ["nan", "huge", "zero", "shifted"])
def test_a_wrong_gradient_is_found_and_named(how: str) -> None:
    judge = GradientJudge(Faulty(how), SHAPE, CPU)
    assert "inner.stages.1.convolution2.weight" in judge.find_fault("bf16", False)
    assert judge.find_fault("fp32", True) == ""
    assert judge.find_fault("fp32", False) == ""


def test_a_wrong_layout_is_found() -> None:
    judge = GradientJudge(Faulty("shifted", layout=True), SHAPE, CPU)
    assert "convolution2.weight" in judge.find_fault("fp32", True)
    assert judge.find_fault("bf16", False) == ""


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "transformers"])
def test_rounding_is_no_fault(name: str) -> None:
    judge = GradientJudge(ENCODERS.load(name)(in_channels=2), (2, 2, 5, 16, 16), CPU)
    assert judge.find_fault("fp32", True) == ""
    assert judge.find_fault("bf16", False) == ""


def test_the_fastest_setting_is_not_chosen_when_its_gradients_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(watch: object, choice: tuple[str, bool], num_clips: int) -> float:
        return 1.0 if choice[0] == "bf16" else 2.0

    monkeypatch.setattr(precision.Stopwatch, "measure", pretend)
    assert choose_precision(TrainingSettings(), [(Faulty(""), SHAPE)], CPU).dtype_name == "bf16"
    chosen = choose_precision(TrainingSettings(), [(Faulty("shifted"), SHAPE)], CPU)
    assert (chosen.dtype_name, set(chosen.rejected)) == ("fp32", {"bf16", "bf16 channels-last"})
    assert "bf16 rejected: the gradient of inner.stages.1.convolution2.weight differs" in chosen.describe()
    insisted = choose_precision(TrainingSettings(precision="bf16"), [(Faulty("nan"), SHAPE)], CPU)
    assert insisted.dtype_name == "bf16"
    assert "used although the gradient of" in insisted.describe()


def choose_on_the_first_rank_alone(rank: int) -> dict[str, Tensor]:
    encoder = ENCODERS.load("tiny3d")(in_channels=2)
    if rank == 0:
        choose_precision(TrainingSettings(), [(encoder, SHAPE)], CPU)
    total = torch.ones(3)  # met by a collective of another size, had the trial begun one
    dist.all_reduce(total)
    encoder.train()(torch.randn(SHAPE))  # afterwards moments span both processes again
    return {"total": total, "mean": encoder.stem[1].running_mean}


def test_one_process_of_two_can_choose_alone(tmp_path) -> None:
    first, second = run_in_processes(choose_on_the_first_rank_alone, folder=tmp_path)
    assert torch.equal(first["total"], torch.full((3,), 2.0))
    assert torch.equal(first["mean"], second["mean"])
