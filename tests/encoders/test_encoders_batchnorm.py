from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from coview.encoders.batchnorm import BatchNorm3d
from two_processes import half, run_in_processes


def clips_of(*shape: int) -> Tensor:
    """Channels of unequal mean and spread, one far from 0 so that a sum of squares would cancel."""
    clips = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    scale = torch.tensor([0.1, 1.0, 5.0])[:, None, None, None]
    return clips * scale + torch.tensor([10.0, 0.0, -3.0])[:, None, None, None]


def filled(norm: nn.BatchNorm3d) -> nn.BatchNorm3d:
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, -2.0]))
        norm.bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
    return norm


def run(norm: nn.BatchNorm3d, clips: Tensor, direction: Tensor) -> dict[str, Tensor]:
    """One step of a loss that is not symmetric in the outputs, on this process's clips."""
    clips = clips.clone().requires_grad_()
    output = norm(clips)
    (output * direction).square().sum().backward()
    found = {
        "output": output.detach(),
        "clips": clips.grad,
        "weight": norm.weight.grad,
        "bias": norm.bias.grad,
        "mean": norm.running_mean,
        "variance": norm.running_var,
        "count": norm.num_batches_tracked,
    }
    assert all(value is not None for value in found.values())
    return found


def run_half(rank: int, clips: Tensor, direction: Tensor) -> dict[str, Tensor]:
    return run(filled(BatchNorm3d(3)), half(rank, clips), half(rank, direction))


@pytest.mark.parametrize("training", [True, False])
def test_one_process_is_torch(training: bool) -> None:
    ours, theirs = filled(BatchNorm3d(3)).train(training), filled(nn.BatchNorm3d(3)).train(training)
    clips, direction = clips_of(4, 3, 2, 5, 3), torch.randn(4, 3, 2, 5, 3)
    for found, wanted in zip(run(ours, clips, direction).values(), run(theirs, clips, direction).values(), strict=True):
        assert torch.equal(found, wanted)
    assert ours.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.xdist_group("processes")
def test_two_processes_are_one(tmp_path: Path) -> None:
    clips, direction = clips_of(4, 3, 2, 5, 3), torch.randn(4, 3, 2, 5, 3)
    whole = run(filled(nn.BatchNorm3d(3)), clips, direction)
    first, second = run_in_processes(run_half, clips, direction, folder=tmp_path)
    for name in ("mean", "variance", "count"):
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], whole[name])
    for name in ("output", "clips"):
        both = torch.cat([first[name], second[name]])
        # Rounding goes with the largest values: a channel of mean 10 and spread 0.1 keeps five digits of its own.
        torch.testing.assert_close(both, whole[name], rtol=0, atol=1e-5 * float(whole[name].abs().max()))
    for name in ("weight", "bias"):  # a sum over clips here, hence the sum over processes
        torch.testing.assert_close(first[name] + second[name], whole[name], rtol=1e-4, atol=1e-3)
    assert not torch.allclose(
        first["output"], run(filled(nn.BatchNorm3d(3)), half(0, clips), half(0, direction))["output"]
    )
