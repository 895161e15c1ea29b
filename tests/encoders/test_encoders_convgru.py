import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from coview.datatypes import unit
from coview.encoders.convgru import ConvGRU


def test_one_feature_by_hand() -> None:
    gru = ConvGRU(1, dropout=0.0)
    with torch.no_grad():
        for gate, weights in ((gru.reset, (0.0, 0.0)), (gru.update, (1.0, 2.0)), (gru.candidate, (3.0, -4.0))):
            gate.weight.copy_(torch.tensor([weights]))
    update = 1 / (1 + math.exp(-(1 * 0.5 + 2 * -1.0)))
    candidate = math.tanh(3 * 0.5 - 4 * -1.0 * 0.5)  # the reset gate is 1/2
    mixed = -1.0 * (1 - update) + candidate * update
    assert gru.step(torch.tensor([0.5]), torch.tensor([-1.0])).item() == math.copysign(1.0, mixed)


def reference(gru: ConvGRU, blocks: Tensor) -> Tensor:
    """The same unit as 1 x 1 convolutions over maps (B, N, D, S, S)."""

    def gate(linear: nn.Linear, *maps: Tensor) -> Tensor:
        return conv2d(torch.cat(maps, dim=1), linear.weight[:, :, None, None], linear.bias)

    hidden = torch.zeros_like(blocks[:, 0])
    for block in blocks.unbind(1):
        update, reset = gate(gru.update, block, hidden).sigmoid(), gate(gru.reset, block, hidden).sigmoid()
        candidate = gate(gru.candidate, block, hidden * reset).tanh()
        hidden = unit(hidden * (1 - update) + candidate * update, dim=1)
    return hidden


def test_equals_one_by_one_convolutions() -> None:
    gru = ConvGRU(8, dropout=0.0)
    blocks = torch.randn(2, 3, 8, 4, 5)
    states = gru(blocks.permute(0, 1, 3, 4, 2))
    assert states.shape == (2, 3, 4, 5, 8)
    torch.testing.assert_close(states[:, -1].permute(0, 3, 1, 2), reference(gru, blocks))


def test_cells_do_not_see_each_other_nor_the_future() -> None:
    gru = ConvGRU(8, dropout=0.0)
    blocks = torch.randn(1, 3, 2, 2, 8)
    changed = blocks.clone()
    changed[0, 1, 0, 1] += 1
    differs = (gru(blocks) != gru(changed)).any(dim=-1)[0]  # (N, S, S)
    assert differs.nonzero().tolist() == [[1, 0, 1], [2, 0, 1]]


def test_states_are_unit_and_dropout_falls_on_them_in_training_only() -> None:
    gru = ConvGRU(1000, dropout=0.1)
    blocks = torch.randn(1, 3, 1, 1, 1000)
    states = gru(blocks)
    torch.testing.assert_close(states.norm(dim=-1), torch.ones(1, 3, 1, 1))
    assert (states == 0).float().mean().item() == pytest.approx(0.1, abs=0.03)
    assert not (gru.eval()(blocks) == 0).any()


def test_starts_orthogonal_without_bias() -> None:
    for gate in (gru := ConvGRU(16, dropout=0.1)).reset, gru.update, gru.candidate:
        torch.testing.assert_close(gate.weight @ gate.weight.T, torch.eye(16), atol=1e-5, rtol=0)
        assert not gate.bias.any()
