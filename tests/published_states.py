"""Names and shapes of published weights, spelled out as the published networks lay them out; values are random."""

from collections.abc import Iterator

import torch
from torch import Tensor

State = dict[str, Tensor]

MIXED = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


def convolution(state: State, names: tuple[str, str], sizes: tuple[int, int], kernel: tuple[int, int, int]) -> None:
    """Add a convolution without bias and its norm."""
    state[f"{names[0]}.weight"] = torch.randn(sizes[1], sizes[0], *kernel)
    for part in ("weight", "bias", "running_mean"):
        state[f"{names[1]}.{part}"] = torch.randn(sizes[1])
    state[f"{names[1]}.running_var"] = torch.rand(sizes[1]) * 0.01
    state[f"{names[1]}.num_batches_tracked"] = torch.tensor(7)


def s3d(spelling: dict[str, str], *, layers: dict[str, str], first: str, gating: bool = False) -> State:
    """Return S3D's weights in one of the spellings below.

    Args:
        spelling: "unit", "unit_norm", "space", "space_norm", "time", "time_norm" -> what stands there.
        layers: "1a", "3b" and so on -> name of the layer.
        first: name of a branch's first layer within the branch 0, "" or ".0".
        gating: whether there are gates.
    """
    state: State = {}

    def unit(name: str, inputs: int, outputs: int) -> None:
        names = f"{name}.{spelling['unit']}", f"{name}.{spelling['unit_norm']}"
        convolution(state, names, (inputs, outputs), (1, 1, 1))

    def separable(name: str, inputs: int, outputs: int, side: int) -> None:
        names = f"{name}.{spelling['space']}", f"{name}.{spelling['space_norm']}"
        convolution(state, names, (inputs, outputs), (1, side, side))
        names = f"{name}.{spelling['time']}", f"{name}.{spelling['time_norm']}"
        convolution(state, names, (outputs, outputs), (side, 1, 1))

    separable(layers["1a"], 3, 64, 7)
    unit(layers["2b"], 64, 64)
    separable(layers["2c"], 64, 192, 3)
    for short, (inputs, only, before1, after1, before2, after2, pooled) in MIXED.items():
        name = layers[short]
        unit(f"{name}.branch0{first}", inputs, only)
        for branch, before, after in (("branch1", before1, after1), ("branch2", before2, after2)):
            unit(f"{name}.{branch}.0", inputs, before)
            separable(f"{name}.{branch}.1", before, after, 3)
        unit(f"{name}.branch3.1", inputs, pooled)
        for place, width in enumerate((only, after1, after2, pooled) if gating else ()):
            state[f"{name}.gating_b{place}.fc.weight"] = torch.randn(width, width)
            state[f"{name}.gating_b{place}.fc.bias"] = torch.randn(width)
    return state


def _numbered(prefix: str) -> dict[str, str]:
    places = {"1a": 0, "2b": 2, "2c": 3, "3b": 5, "3c": 6, "4b": 8, "4c": 9, "4d": 10, "4e": 11, "4f": 12}
    return {name: f"{prefix}.{place}" for name, place in (places | {"5b": 14, "5c": 15}).items()}


def torchvision_s3d() -> State:
    """features.0.0.0.weight ... classifier.1.bias."""
    places = {"unit": "0", "unit_norm": "1", "space": "0.0", "space_norm": "0.1", "time": "1.0", "time_norm": "1.1"}
    state = s3d(places, layers=_numbered("features"), first="")
    return state | {"classifier.1.weight": torch.randn(9, 1024, 1, 1, 1), "classifier.1.bias": torch.randn(9)}


def kylemin_s3d() -> State:
    """module.base.0.conv_s.weight ... module.fc.0.bias."""
    letters = {"space": "conv_s", "space_norm": "bn_s", "time": "conv_t", "time_norm": "bn_t"}
    state = s3d({"unit": "conv", "unit_norm": "bn", **letters}, layers=_numbered("base"), first=".0")
    state |= {"fc.0.weight": torch.randn(9, 1024, 1, 1, 1), "fc.0.bias": torch.randn(9)}
    return {f"module.{name}": value for name, value in state.items()}


def coclr_s3dg() -> State:
    """encoder_q.0.Conv_1a.conv1.weight ..., each also as encoder_q.0.block..., and a second encoder."""
    numbers = {"space": "conv1", "space_norm": "bn1", "time": "conv2", "time_norm": "bn2"}
    layers = {"1a": "Conv_1a", "2b": "Conv_2b", "2c": "Conv_2c", **{name: f"Mixed_{name}" for name in MIXED}}
    state = s3d({"unit": "conv", "unit_norm": "bn", **numbers}, layers=layers, first=".0", gating=True)
    stem = {name.replace("Conv_1a", "block1.0"): value for name, value in state.items() if name.startswith("Conv_1a")}
    query = {f"encoder_q.0.{name}": value for name, value in (stem | state).items()}
    return query | {name.replace("_q", "_k"): value + 1 for name, value in query.items()}


def torchvision_r2plus1d_18() -> State:
    """stem.0.weight ... layer4.1.conv2.1.bias, fc.weight, fc.bias."""
    state: State = {}
    convolution(state, ("stem.0", "stem.1"), (3, 45), (1, 7, 7))
    convolution(state, ("stem.3", "stem.4"), (45, 64), (3, 1, 1))
    for name, inputs, outputs, middle in _torchvision_blocks():
        for number, into in ((1, inputs), (2, outputs)):
            inner = f"{name}.conv{number}"
            convolution(state, (f"{inner}.0.0", f"{inner}.0.1"), (into, middle), (1, 3, 3))
            convolution(state, (f"{inner}.0.3", f"{inner}.1"), (middle, outputs), (3, 1, 1))
        if inputs != outputs:
            convolution(state, (f"{name}.downsample.0", f"{name}.downsample.1"), (inputs, outputs), (1, 1, 1))
    return state | {"fc.weight": torch.randn(9, 512), "fc.bias": torch.randn(9)}


def _torchvision_blocks() -> Iterator[tuple[str, int, int, int]]:
    middles = [(144, 144), (230, 288), (460, 576), (921, 1152)]
    for stage, (first, second) in enumerate(middles):
        width = 64 * 2**stage
        yield f"layer{stage + 1}.0", max(64, width // 2), width, first
        yield f"layer{stage + 1}.1", width, width, second


def vicc_r2plus1d() -> State:
    """0.conv1.spatial_conv.weight ... 0.conv5.block1.bn2.bias."""
    state: State = {}

    def separable(name: str, norm: str, sizes: tuple[int, int, int], kernel: tuple[int, int, int]) -> None:
        space, time = (1, *kernel[1:]), (kernel[0], 1, 1)
        convolution(state, (f"{name}.spatial_conv", f"{name}.bn"), sizes[:2], space)
        convolution(state, (f"{name}.temporal_conv", norm), sizes[1:], time)

    separable("conv1", "bn1", (3, 83, 64), (3, 7, 7))
    sizes = [(64, 144, 144, 64, 0), (64, 230, 288, 128, 42), (128, 460, 576, 256, 85), (256, 921, 1152, 512, 170)]
    for stage, (inputs, first, second, outputs, shortcut) in enumerate(sizes):
        block = f"conv{stage + 2}.block1"
        separable(f"{block}.conv1", f"{block}.bn1", (inputs, first, outputs), (3, 3, 3))
        separable(f"{block}.conv2", f"{block}.bn2", (outputs, second, outputs), (3, 3, 3))
        if shortcut:
            sizes_beside = (inputs, shortcut, outputs)
            separable(f"{block}.downsampleconv", f"{block}.downsamplebn", sizes_beside, (1, 1, 1))
    return {f"0.{name}": value for name, value in state.items()}
