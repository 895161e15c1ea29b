"""Batches on their way to a GPU."""

from dataclasses import replace

import pytest
import torch

from coview.datatypes import ClipBatch
from coview.training.transfer import sent_ahead


def batches(count: int) -> list[ClipBatch]:
    return [
        ClipBatch(
            views={"rgb": torch.full((2, 1, 3, 4, 4, 3), number, dtype=torch.uint8)},
            frame_sizes={"rgb": torch.tensor([[4, 4]] * 2)},
            entry_indices=torch.tensor([number, number + 1]),
            random_keys=torch.zeros(2, 3, dtype=torch.int64),
            frame_indices=torch.zeros(2, 1, 3, dtype=torch.int64),
        )
        for number in range(count)
    ]


def test_on_a_cpu_batches_pass_as_they_are_and_when_they_are_asked_for() -> None:
    asked = []
    given = batches(3)
    passed = sent_ahead((asked.append(len(asked)) or one for one in given), torch.device("cpu"))
    assert next(passed) is given[0]
    assert asked == [0]
    assert list(passed) == given[1:]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_every_batch_arrives_in_order() -> None:
    given = batches(5)
    for batch, sent in zip(given, sent_ahead(iter(given), torch.device("cuda")), strict=True):
        assert sent.views["rgb"].is_cuda
        assert torch.equal(sent.views["rgb"].cpu(), batch.views["rgb"])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_clips_that_a_gpu_decoded_pass_as_they_are() -> None:
    given = [replace(batch, views={"rgb": batch.views["rgb"].cuda()}) for batch in batches(3)]
    for batch, sent in zip(given, sent_ahead(iter(given), torch.device("cuda")), strict=True):
        assert sent.views["rgb"] is batch.views["rgb"]
