"""The 3D convolution of every encoder: where torch's gradients can be wrong, it pads the input itself.

Where torch would take the slower of its two ways on one thread, it asks for the other (`choose_dilation`).

On processors with AVX-512, oneDNN (3.12, as in torch 2.13.0) computes the weight gradient of a padded convolution
wrongly, or writes past its memory, where the kernel reaches over the whole input in some dimension. Padding explicitly
and then convolving without padding is right everywhere. See docs/explanation/convolution-gradients.md.
"""

import torch
from torch import Tensor, nn, ops
from torch.nn import functional

Sizes = tuple[int, ...]
"""Along T, H, W."""
_FAST_FROM = 16
"""Clips from which torch takes oneDNN on one thread in any case."""


class Conv3d(nn.Conv3d):
    """`nn.Conv3d` with zero padding whose gradients are right for clips as small as its kernel, too.

    Where no padded dimension of the clips is as small as the kernel it is `nn.Conv3d` to the bit, on one thread but for
    rounding; names and values in the state dict are the same everywhere.

    Raises:
        ValueError: another padding mode than zeros, or padding given as a word.
    """

    def __init__(self, *arguments: object, **settings: object) -> None:
        super().__init__(*arguments, **settings)  # type: ignore[arg-type]
        if self.padding_mode != "zeros" or isinstance(self.padding, str):
            raise ValueError(f"Conv3d pads with zeros, by numbers; got {self.padding!r}, {self.padding_mode!r}")

    def forward(self, clips: Tensor) -> Tensor:
        """Map clips (B, C, T, H, W) to (B, D, T', H', W')."""
        clips, padding = pad_short_dimensions(clips, self)
        dilation = self.dilation if torch.is_autocast_enabled("cpu") else choose_dilation(clips, self)
        return functional.conv3d(clips, self.weight, self.bias, self.stride, padding, dilation, self.groups)


def choose_dilation(clips: Tensor, convolution: Conv3d) -> Sizes:
    """Return a dilation under which the convolution is the same and torch computes it by oneDNN.

    On one thread torch leaves oneDNN aside for fewer than 16 float32 clips, no stride, no dilation and kernels one
    pixel wide and high (`use_mkldnn` in ATen's Convolution.cpp): those of separable convolutions along time, and of
    width 1, which then take 2 to 3 times as long. Such a kernel reaches no further when it is dilated in space.

    Args:
        clips: (B, C, T, H, W), in the number format that the convolution computes in.
        convolution: whose kernel it is.
    """
    kernel, own = convolution.kernel_size, (convolution.stride, convolution.dilation)
    is_left_aside = kernel[1:] == (1, 1) and own == ((1, 1, 1), (1, 1, 1)) and convolution.groups == 1
    if not is_left_aside or clips.device.type != "cpu" or clips.dtype != torch.float32:
        return convolution.dilation
    if torch.compiler.is_compiling() or torch.get_num_threads() > 1 or clips.shape[0] >= _FAST_FROM:
        return convolution.dilation
    if not torch.backends.mkldnn.is_available():
        return convolution.dilation
    if kernel[0] == 1 and not clips.is_contiguous(memory_format=torch.channels_last_3d):
        return convolution.dilation  # a plain matrix product, which oneDNN would sort anew
    return (1, 1, 2)


def short_dimensions(size: Sizes, convolution: Conv3d) -> Sizes:
    """Return which of T, H, W (0, 1, 2) are padded and no longer than the kernel, before padding."""
    return tuple(
        axis
        for axis in range(3)
        if paddings(convolution)[axis] > 0
        and convolution.dilation[axis] * (convolution.kernel_size[axis] - 1) + 1 >= size[axis]
    )


def paddings(convolution: Conv3d) -> Sizes:
    """Return how many zeros the convolution adds on both sides along T, H, W."""
    assert not isinstance(convolution.padding, str)
    return convolution.padding


def pad_short_dimensions(clips: Tensor, convolution: Conv3d) -> tuple[Tensor, Sizes]:
    """Pad the dimensions that torch had better not pad; return the clips and what is left for torch to pad.

    Args:
        clips: (B, C, T, H, W); returned as they are where no dimension is short.
        convolution: whose padding it is.

    Returns:
        The clips with their zeros in short dimensions, and the padding along T, H, W that remains.
    """
    padding = paddings(convolution)
    short = short_dimensions(clips.shape[2:], convolution)
    if not short:
        return clips, padding
    amounts = [padding[axis] if axis in short else 0 for axis in (2, 1, 0) for _ in range(2)]  # pad() starts at W
    remaining = tuple(0 if axis in short else padding[axis] for axis in range(3))
    return functional.pad(clips, amounts), remaining


def convolution_backward(convolution: Conv3d, gradient: Tensor, clips: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of a convolution without bias, for backward passes written by hand.

    Args:
        convolution: whose stride, padding, dilation and groups count.
        gradient: (B, D, T', H', W'), of the output; in the number format that the forward pass computed in.
        clips: (B, C, T, H, W), the input.
        kernel: the weight.

    Returns:
        The gradients of the clips and of the kernel, in their shapes and number formats.
    """
    padded, padding = pad_short_dimensions(clips, convolution)
    used = padded.to(gradient.dtype)
    sizes = (convolution.stride, padding, choose_dilation(used, convolution), False, [0, 0, 0], convolution.groups)
    through, of_kernel, _ = ops.aten.convolution_backward(
        gradient, used, kernel.to(gradient.dtype), None, *sizes, [True, True, False]
    )
    if padded is not clips:
        for axis in range(2, 5):
            margin = (padded.shape[axis] - clips.shape[axis]) // 2
            through = through.narrow(axis, margin, clips.shape[axis])  # zeros that were added need no gradient
    return through.to(clips.dtype), of_kernel.to(kernel.dtype)
