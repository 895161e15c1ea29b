from pathlib import Path

import pytest
import torch
from torch import Tensor

from coview.losses.global_batch import gather_with_gradient, rank, world_size
from two_processes import half, run_in_processes


def gather(rank_: int, rows: Tensor, weights: Tensor) -> dict[str, Tensor]:
    local = half(rank_, rows).requires_grad_()
    gathered = gather_with_gradient(local)
    (gathered * weights[rank_]).sum().backward()  # each process asks something else of every row
    assert local.grad is not None
    return {"gathered": gathered.detach(), "gradient": local.grad, "place": torch.tensor([rank(), world_size()])}


@pytest.mark.xdist_group("processes")
def test_two_processes(tmp_path: Path) -> None:
    rows, weights = torch.arange(8.0).reshape(4, 2), torch.randn(2, 4, 2)
    results = run_in_processes(gather, rows, weights, folder=tmp_path)
    for place, result in enumerate(results):
        assert torch.equal(result["gathered"], rows)
        assert result["place"].tolist() == [place, 2]
    torch.testing.assert_close(torch.cat([result["gradient"] for result in results]), weights.sum(0))


def test_one_process_gets_its_own_tensor() -> None:
    rows = torch.randn(3, 2)
    assert gather_with_gradient(rows) is rows
    assert (rank(), world_size()) == (0, 1)
