"""LARS against its formula by plain numbers, and against another library's."""

import math

import pytest
import torch
from torch import nn

from coview.config import OptimiserSettings, ViewInput
from coview.methods import Stage
from coview.training.lars import LARS
from coview.training.optimisers import build_optimiser


def test_one_weight_by_the_formula():
    weight = torch.tensor([[3.0, 4.0]], requires_grad=True)
    optimiser = LARS([weight], lr=2.0, momentum=0.5, weight_decay=0.1, trust=0.01)
    plain, speed = [3.0, 4.0], [0.0, 0.0]
    for gradient in ([1.0, 0.0], [0.0, 2.0], [1.0, 1.0]):
        weight.grad = torch.tensor([gradient])
        optimiser.step()
        length, slope = math.hypot(*plain), math.hypot(*gradient)
        factor = 0.01 * length / (slope + 0.1 * length)
        for i in range(2):
            speed[i] = 0.5 * speed[i] + factor * (gradient[i] + 0.1 * plain[i])
        plain = [w - 2.0 * v for w, v in zip(plain, speed, strict=True)]
        assert weight[0].tolist() == pytest.approx(plain, rel=1e-5)


def test_biases_and_norms_are_plain_sgd_without_decay():
    bias = torch.tensor([5.0, -1.0], requires_grad=True)
    optimiser = LARS([bias], lr=0.1, momentum=0.9, weight_decay=0.5, trust=0.001)
    bias.grad = torch.tensor([1.0, 2.0])
    optimiser.step()
    assert bias.tolist() == pytest.approx([4.9, -1.2])
    optimiser.step()
    assert bias.tolist() == pytest.approx([4.9 - 0.1 * 1.9, -1.2 - 0.1 * 3.8])


def test_nothing_moves_where_there_is_no_gradient_and_zeros_are_no_trouble():
    still, zero, flat = (torch.ones(2, 2, requires_grad=True) for _ in range(3))
    optimiser = LARS([still, zero, flat], lr=1.0, weight_decay=0.0)
    with torch.no_grad():
        zero.zero_()
    zero.grad, flat.grad = torch.ones(2, 2), torch.zeros(2, 2)
    optimiser.step()
    assert torch.equal(still, torch.ones(2, 2))
    assert torch.equal(zero, -torch.ones(2, 2))  # factor 1: a weight of length 0 could never leave it otherwise
    assert torch.equal(flat, torch.ones(2, 2))


def _small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(2, 4, 2), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4 * 8, 3))


def test_against_another_library():
    other = pytest.importorskip("pytorch_optimizer")
    ours, theirs = _small_network(), _small_network()
    options = {"lr": 0.6, "momentum": 0.9, "weight_decay": 1e-2}
    pairs = [
        (ours, LARS(ours.parameters(), trust=1e-3, **options)),
        (theirs, other.LARS(theirs.parameters(), trust_coefficient=1e-3, **options)),
    ]
    for step in range(5):
        clips = torch.randn(4, 2, 3, 3, 3, generator=torch.Generator().manual_seed(step))
        for network, optimiser in pairs:
            optimiser.zero_grad()
            network(clips).square().mean().backward()
            optimiser.step()
    start = _small_network().state_dict()
    for name, value in ours.named_parameters():
        assert not torch.equal(value, start[name])
        torch.testing.assert_close(value, theirs.get_parameter(name), rtol=1e-5, atol=1e-6)


def test_it_is_what_the_setting_builds_and_its_state_comes_back():
    network = nn.ModuleDict({"encoders": nn.ModuleDict({"a": _small_network(), "b": _small_network()})})
    inputs = {"b": ViewInput(learning_rate_factor=0.5)}
    stage = Stage("a", ("a",), ("encoders.a", "encoders.b"), epochs=1)
    settings = OptimiserSettings(name="lars", learning_rate=0.2, trust=0.01, weight_decay=1e-6)
    optimiser = build_optimiser(network, stage, settings, inputs)
    assert isinstance(optimiser, LARS)
    assert [group["lr"] for group in optimiser.param_groups] == [0.2, 0.1]
    assert optimiser.param_groups[0]["trust"] == 0.01
    network["encoders"]["a"](torch.ones(2, 2, 3, 3, 3)).sum().backward()
    optimiser.step()
    again = build_optimiser(network, stage, settings, inputs)
    again.load_state_dict(optimiser.state_dict())
    weight = network["encoders"]["a"][0].weight
    assert torch.equal(again.state[weight]["momentum_buffer"], optimiser.state[weight]["momentum_buffer"])
