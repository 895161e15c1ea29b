"""The project's convolution: plain torch but for inputs as small as the kernel, which torch never gets to pad."""

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import coview
from coview.encoders import ENCODERS
from coview.encoders.convolution import Conv3d, choose_dilation, convolution_backward

PLAIN = [((3, 3, 3), (1, 1, 1), (4, 8, 8)), ((1, 3, 3), (1, 2, 2), (1, 5, 4)), ((1, 1, 1), (2, 2, 2), (1, 1, 1))]
SHORT = [
    ((7, 1, 1), (2, 1, 1), (5, 4, 4)),
    ((7, 1, 1), (2, 1, 1), (7, 4, 4)),
    ((3, 3, 3), (1, 1, 1), (2, 8, 8)),
    ((3, 3, 3), (2, 2, 2), (1, 1, 1)),
    ((1, 3, 3), (1, 2, 2), (4, 1, 2)),
    ((3, 5, 7), (1, 2, 4), (4, 9, 3)),
]


def both(kernel: tuple[int, ...], stride: tuple[int, ...], dilation: int = 1) -> tuple[Conv3d, nn.Conv3d]:
    padding = tuple(length // 2 * dilation for length in kernel)
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "bias": False}
    ours, plain = Conv3d(4, 6, kernel, **settings), nn.Conv3d(4, 6, kernel, **settings)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def results(convolution: nn.Conv3d, clips: Tensor) -> tuple[Tensor, ...]:
    clips = clips.clone().requires_grad_()
    output = convolution(clips)
    direction = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return output.detach(), *torch.autograd.grad(output, (clips, convolution.weight), direction)


class Calls(TorchDispatchMode):
    """Collects what torch's convolutions, forward and backward, are asked to pad and how large input and kernel are."""

    def __init__(self) -> None:
        super().__init__()
        self.forward: list[tuple[torch.Size, torch.Size, list[int]]] = []
        self.backward: list[tuple[torch.Size, torch.Size, list[int]]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten.convolution.default:
            self.forward.append((args[0].shape[2:], args[1].shape[2:], args[4]))
        if function is torch.ops.aten.convolution_backward.default:
            self.backward.append((args[1].shape[2:], args[2].shape[2:], args[5]))
        return function(*args, **(kwargs or {}))

    def dangerous(self) -> list[Any]:
        return [
            call
            for call in (*self.forward, *self.backward)
            if any(pad > 0 and length >= size for size, length, pad in zip(*call, strict=True))
        ]


@pytest.mark.parametrize(("kernel", "stride", "size"), PLAIN)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_is_torchs_to_the_bit_where_the_kernel_is_smaller_than_the_input(kernel, stride, size, layout) -> None:
    ours, plain = both(kernel, stride)
    clips = torch.randn(2, 4, *size).to(memory_format=layout)
    for one, other in zip(results(ours, clips), results(plain, clips), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("kernel", "stride", "size"), [*PLAIN, *SHORT])
def test_gives_torchs_numbers_everywhere(kernel, stride, size, dilation) -> None:
    ours, plain = (convolution.double() for convolution in both(kernel, stride, dilation))  # float64 has no fault
    clips = torch.randn(2, 4, *size, dtype=torch.float64)
    for one, other in zip(results(ours, clips), results(plain, clips), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("kernel", "stride", "size"), [*PLAIN, *SHORT])
def test_the_backward_function_is_what_autograd_does(kernel, stride, size) -> None:
    ours, plain = (convolution.double() for convolution in both(kernel, stride))
    clips = torch.randn(2, 4, *size, dtype=torch.float64)
    output, *gradients = results(plain, clips)
    direction = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    with Calls() as calls:
        found = convolution_backward(ours, direction, clips, ours.weight.detach())
    assert not calls.dangerous()
    for one, other in zip(found, gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("kernel", "stride", "size"), SHORT)
def test_torch_pads_nothing_where_the_kernel_reaches_over_the_input(kernel, stride, size) -> None:
    ours, plain = both(kernel, stride)
    with Calls() as calls:
        results(ours, torch.randn(2, 4, *size))
    assert len(calls.forward) == len(calls.backward) == 1
    assert not calls.dangerous()
    with Calls() as calls, torch.no_grad():  # forward alone has no fault: this shows that the test can tell
        plain(torch.randn(2, 4, *size))
    assert calls.dangerous()


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "transformers"])
def test_no_encoder_lets_torch_pad_a_short_input(name: str) -> None:
    encoder = ENCODERS.load(name)(in_channels=2).train()
    sizes = [*((frames, 16) for frames in (1, 2, 3, 5, 7)), (2, 32)]  # others: tests/contracts/test_encoder_gradients
    for frames, side in sizes:
        with Calls() as calls:
            encoder(torch.randn(2, 2, frames, side, side)).square().mean().backward()
        assert len(calls.forward) == len(calls.backward) == sum(isinstance(m, nn.Conv3d) for m in encoder.modules())
        assert not calls.dangerous(), f"{frames} frames at {side}: {calls.dangerous()}"
        for parameter_name, parameter in encoder.named_parameters():
            assert torch.isfinite(parameter.grad).all(), f"{frames} frames at {side}: {parameter_name}"


def test_nothing_in_the_project_makes_torchs_own_3d_convolution() -> None:
    source = Path(coview.__file__).parent
    exempt = {"convolution.py", "convolution_fault.py"}
    for file in source.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            made = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if made and file.name not in exempt:
                assert node.func.attr not in ("Conv3d", "conv3d"), f"{file.name}, line {node.lineno}"


def test_names_and_values_in_the_state_dict_are_torchs() -> None:
    ours, plain = both((3, 3, 3), (1, 1, 1))
    assert list(ours.state_dict()) == list(plain.state_dict()) == ["weight"]


def test_autocast_and_dynamo_take_the_same_way() -> None:
    ours, _ = both((3, 3, 3), (1, 1, 1))
    clips = torch.randn(2, 4, 2, 8, 8)
    padded = functional.pad(clips, (0, 0, 0, 0, 1, 1))
    wanted = functional.conv3d(padded, ours.weight, padding=(0, 1, 1))
    compiled = torch.compile(ours, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(clips), wanted)
    with torch.autocast("cpu", torch.bfloat16), Calls() as calls:
        assert ours(clips).dtype == torch.bfloat16
    assert not calls.dangerous()


def test_other_padding_than_zeros_is_refused() -> None:
    with pytest.raises(ValueError, match="circular"):
        Conv3d(2, 2, 3, padding=1, padding_mode="circular")
    with pytest.raises(ValueError, match="same"):
        Conv3d(2, 2, 3, padding="same")


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize(("kernel", "is_last"), [((3, 1, 1), True), ((3, 1, 1), False), ((1, 1, 1), True)])
def test_on_one_thread_narrow_kernels_go_the_way_of_several(one_thread, kernel, is_last):
    """Values and gradients stay; where torch has oneDNN, it and not a matrix product is what computes them."""
    ours, plain = both(kernel, (1, 1, 1))
    layout = torch.channels_last_3d if is_last else torch.contiguous_format
    clips = torch.randn(2, 4, 5, 3, 3).to(memory_format=layout)
    assert choose_dilation(clips, ours) == (1, 1, 2)
    for found, wanted in zip(results(ours, clips), results(plain, clips), strict=True):
        torch.testing.assert_close(found, wanted)
    direction = torch.randn_like(ours(clips))
    by_hand = convolution_backward(ours, direction, clips, ours.weight)
    wanted = torch.autograd.grad(plain(leaf := clips.clone().requires_grad_()), (leaf, plain.weight), direction)
    for found, expected in zip(by_hand, wanted, strict=True):
        torch.testing.assert_close(found, expected)
    if torch.backends.mkldnn.enabled:
        backends = [
            torch._C._select_conv_backend(
                clips, ours.weight.detach(), None, [1, 1, 1], list(ours.padding), list(dilation), False, [0, 0, 0], 1
            ).name
            for dilation in (ours.dilation, choose_dilation(clips, ours))
        ]
        assert backends == ["Slow3d", "Mkldnn"]


def test_others_are_left_to_torch(one_thread):
    ours = both((3, 1, 1), (1, 1, 1))[0]
    clips = torch.randn(2, 4, 5, 3, 3)
    for others in (clips.double(), clips.bfloat16(), clips.repeat(8, 1, 1, 1, 1), clips.to("meta")):
        assert choose_dilation(others, ours) == (1, 1, 1)
    for kernel, stride in (((1, 1, 1), (1, 1, 1)), ((3, 3, 3), (1, 1, 1)), ((3, 1, 1), (2, 1, 1))):
        assert choose_dilation(clips, both(kernel, stride)[0]) == (1, 1, 1)
    torch.set_num_threads(2)
    assert choose_dilation(clips, ours) == (1, 1, 1)
