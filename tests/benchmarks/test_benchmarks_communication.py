"""What is counted is what a ring sends, losses apart from batch norms."""

import pytest
import torch

import communication
from coview.encoders.batchnorm import BatchNorm3d
from coview.losses import gather_with_gradient


@pytest.mark.parametrize("processes", [2, 8])
def test_a_gathered_tensor_and_its_gradient(processes):
    own = torch.randn(3, 4, requires_grad=True)  # 48 bytes
    with communication.counted(processes) as sent:
        assert gather_with_gradient(own).shape == (3 * processes, 4)
        gather_with_gradient(own).sum().backward()
    forward, backward = 2 * (processes - 1) * 48, 2 * (processes - 1) / processes * processes * 48
    assert (sent.collectives, sent.losses, sent.batch_norms) == (3, forward + backward, 0)


def test_batch_norms_are_counted_apart():
    norm = BatchNorm3d(5)
    with communication.counted(4) as sent:
        norm(torch.randn(2, 5, 1, 2, 2)).sum().backward()
    moments, gradients = 3 * (2 * 5 + 1) * 8, 2 * 3 / 4 * 2 * 5 * 4
    assert (sent.collectives, sent.losses, sent.batch_norms) == (2, 0, moments + gradients)
