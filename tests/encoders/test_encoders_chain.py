import copy

import pytest
import torch
from torch import Tensor, nn

from coview.encoders.batchnorm import BatchNorm3d
from coview.encoders.chain import Link, run_chain
from coview.encoders.convolution import Conv3d


def links_of(*widths: int) -> nn.ModuleList:
    torch.manual_seed(0)
    pairs = nn.ModuleList()
    for before, after in zip(widths, widths[1:], strict=False):
        norm = BatchNorm3d(after)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
        pairs.append(nn.ModuleList([Conv3d(before, after, 3, stride=(1, 2, 1), padding=1, bias=False), norm]))
    return pairs


def plain(clips: Tensor, links: nn.ModuleList, final_relu: bool) -> Tensor:
    for place, (convolution, norm) in enumerate(links):
        clips = norm(convolution(clips))
        if final_relu or place < len(links) - 1:
            clips = clips.relu()
    return clips


def found(links: nn.ModuleList, clips: Tensor, final_relu: bool, *, is_chain: bool) -> dict[str, Tensor]:
    links, clips = copy.deepcopy(links), clips.clone().requires_grad_()
    pairs: list[Link] = [(convolution, norm) for convolution, norm in links]
    output = run_chain(clips, pairs, final_relu=final_relu) if is_chain else plain(clips, links, final_relu)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    gradients = {name: parameter.grad for name, parameter in links.named_parameters()}
    return {"output": output.detach(), "clips": clips.grad, **gradients, **dict(links.named_buffers())}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("final_relu", [True, False])
@pytest.mark.parametrize("widths", [(3, 4), (3, 5, 4), (3, 6, 5, 4)])
def test_is_the_modules_one_after_the_other(widths: tuple[int, ...], final_relu: bool, training: bool) -> None:
    links, clips = links_of(*widths).train(training), torch.randn(2, 3, 4, 8, 5)
    wanted = found(links, clips, final_relu, is_chain=False)
    for name, value in found(links, clips, final_relu, is_chain=True).items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-4, msg=lambda text, name=name: name + text)


def test_under_autocast_gradients_keep_the_parameters_format() -> None:
    links, clips = links_of(3, 5, 4).train(), torch.randn(2, 3, 4, 8, 5)
    with torch.autocast("cpu", torch.bfloat16):
        ours, wanted = (found(links, clips, True, is_chain=is_chain) for is_chain in (True, False))
    for name, value in ours.items():
        assert value.dtype == wanted[name].dtype, name
        if value.is_floating_point():
            error = (value.float() - wanted[name].float()).norm() / wanted[name].float().norm()
            assert error < 0.05, name


def saved_bytes(links: nn.ModuleList, clips: Tensor, *, is_chain: bool) -> int:
    sizes: dict[int, int] = {}

    def note(value: Tensor) -> Tensor:
        sizes[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        output = run_chain(clips, [tuple(pair) for pair in links]) if is_chain else plain(clips, links, True)
    assert output.requires_grad
    return sum(sizes.values())


def test_keeps_half_of_what_torch_keeps() -> None:
    links, clips = links_of(8, 8, 8, 8), torch.randn(2, 8, 8, 32, 32)
    own = sum(p.numel() * 4 for p in links.parameters()) + clips.numel() * 4
    ours, theirs = (saved_bytes(links, clips, is_chain=is_chain) - own for is_chain in (True, False))
    assert ours < 0.6 * theirs


def test_one_value_a_channel_cannot_train() -> None:
    links = links_of(3, 4).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        run_chain(torch.randn(1, 3, 1, 1, 1), [tuple(links[0])])
