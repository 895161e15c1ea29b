"""Weights that others published for S3D and R(2+1)D, put into our encoders by name where shapes agree."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from coview.encoders.base import Encoder
from coview.encoders.batchnorm import BatchNorm3d
from coview.errors import UserError

Rules = Sequence[tuple[str, str]]
"""(pattern, replacement) in this order: from our name of a tensor to the published one."""

Shape = tuple[int, ...]

NESTS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the weights within a checkpoint."""


@dataclass(frozen=True)
class Naming:
    """How a published network names its tensors.

    Attributes:
        source: whose it is, for the report.
        rules: our name -> theirs.
        eps: of its batch norms.
    """

    source: str
    rules: Rules
    eps: float = 1e-5


def _s3d_by_place(prefix: str) -> Rules:
    """Return rules for S3D's layers numbered in their order, pools included."""
    names = "conv1a pool2a conv2b conv2c pool3a mixed3b mixed3c pool4a mixed4b mixed4c mixed4d mixed4e mixed4f pool5a"
    layers = [*names.split(), "mixed5b", "mixed5c"]
    return [(rf"^layers\.{name}\.", f"{prefix}.{place}.") for place, name in enumerate(layers)]


_CONV_BN = [(r"\bconvolution\.", "conv."), (r"\bnorm\.", "bn.")]

NAMINGS = (
    Naming(
        "torchvision's s3d",
        [
            *_s3d_by_place("features"),
            (r"\bspatial\.", "0.0."),
            (r"\bspatial_norm\.", "0.1."),
            (r"\btemporal\.", "1.0."),
            (r"\btemporal_norm\.", "1.1."),
            (r"\bconvolution\.", "0."),
            (r"\bnorm\.", "1."),
        ],
        eps=1e-3,
    ),
    Naming(
        "S3D of kylemin",
        [
            *_s3d_by_place("base"),
            (r"\bspatial\.", "conv_s."),
            (r"\bspatial_norm\.", "bn_s."),
            (r"\btemporal\.", "conv_t."),
            (r"\btemporal_norm\.", "bn_t."),
            (r"\bbranch0\.", "branch0.0."),
            *_CONV_BN,
        ],
        eps=1e-3,
    ),
    Naming(
        "S3D of CoCLR and ViCC",
        [
            (r"^layers\.conv", "Conv_"),
            (r"^layers\.mixed", "Mixed_"),
            (r"\bspatial\.", "conv1."),
            (r"\bspatial_norm\.", "bn1."),
            (r"\btemporal\.", "conv2."),
            (r"\btemporal_norm\.", "bn2."),
            (r"\bbranch0\.", "branch0.0."),
            (r"\bgates\.(\d)\.linear\.", r"gating_b\1.fc."),
            *_CONV_BN,
        ],
    ),
    Naming(
        "torchvision's r2plus1d_18",
        [
            (r"^stem\.spatial\.", "stem.0."),
            (r"^stem\.spatial_norm\.", "stem.1."),
            (r"^stem\.temporal\.", "stem.3."),
            (r"^stem\.temporal_norm\.", "stem.4."),
            (r"^stage(\d)\.", r"layer\1."),
            (r"\bconvolution(\d)\.spatial\.", r"conv\1.0.0."),
            (r"\bconvolution(\d)\.spatial_norm\.", r"conv\1.0.1."),
            (r"\bconvolution(\d)\.temporal\.", r"conv\1.0.3."),
            (r"\bconvolution(\d)\.temporal_norm\.", r"conv\1.1."),
            (r"\bshortcut\.", "downsample."),
        ],
    ),
    Naming(
        "R(2+1)D of ViCC",
        [
            (r"^stem\.temporal_norm\.", "bn1."),
            (r"^stem\.", "conv1."),
            (r"^stage1\.", "conv2."),
            (r"^stage2\.", "conv3."),
            (r"^stage3\.", "conv4."),
            (r"^stage4\.", "conv5."),
            (r"^(conv\d)\.0\.", r"\1.block1."),
            (r"^(conv\d)\.1\.", r"\1.blocks.0."),
            (r"\bconvolution(\d)\.temporal_norm\.", r"bn\1."),
            (r"\bconvolution(\d)\.", r"conv\1."),
            (r"\bshortcut\.temporal_norm\.", "downsamplebn."),
            (r"\bshortcut\.", "downsampleconv."),
            (r"\bspatial\.", "spatial_conv."),
            (r"\bspatial_norm\.", "bn."),
            (r"\btemporal\.", "temporal_conv."),
        ],
    ),
)


@dataclass(frozen=True)
class WeightsReport:
    """What became of published weights; names are ours but for `left`.

    Attributes:
        source: whose network the names are.
        prefix: what stands before its names in the file, such as "module.".
        matched: tensors of the encoder that were loaded.
        misfits: name -> (our shape, published shape); these keep their random start.
        absent: tensors of the encoder that the file does not have; these keep their random start.
        left: published names that fit nowhere, such as those of a classifier.
    """

    source: str
    prefix: str
    matched: tuple[str, ...]
    misfits: Mapping[str, tuple[Shape, Shape]]
    absent: tuple[str, ...]
    left: tuple[str, ...]

    def describe(self) -> str:
        """Return the report in lines."""
        total = len(self.matched) + len(self.misfits) + len(self.absent)
        lines = [f"{len(self.matched)} of {total} tensors loaded, as named by {self.source}"]
        for name, (ours, theirs) in self.misfits.items():
            lines.append(f"not loaded, stays random: {name} is {list(ours)} here and {list(theirs)} in the file")
        if self.absent:
            lines.append(f"not in the file, stay random: {', '.join(self.absent)}")
        if self.left:
            lines.append(f"in the file and not used: {', '.join(self.left)}")
        return "\n".join(lines)


def load_published_weights(encoder: Encoder, state: Mapping[str, Any] | Path | str) -> WeightsReport:
    """Copy published weights into an encoder, in place.

    Which network it is and what stands before its names ("module.", "backbone.", "encoder_q.0.") is found out from
    the names. A norm that was trained with another eps gets that difference added to its running variance, so that in
    eval mode it does exactly what it did.

    Args:
        encoder: keeps its random start where nothing fits; the first layer's for another number of channels.
        state: name -> tensor, or a .pth or .safetensors file of it; a training checkpoint that holds it will do.

    Raises:
        UserError: the file cannot be read, nothing in it fits this encoder, or numbers in it are not finite.
    """
    found = read_state(state) if isinstance(state, (str, Path)) else _tensors(state)
    source = str(state) if isinstance(state, (str, Path)) else "the given weights"
    ours = {name: value for name, value in encoder.state_dict().items() if not name.endswith("num_batches_tracked")}
    naming, prefix = _recognise(ours, found)
    theirs = {name: prefix + published_name(name, naming.rules) for name in ours}
    present = {name: found[published] for name, published in theirs.items() if published in found}
    fitting = {name: value for name, value in present.items() if value.shape == ours[name].shape}
    if not any(value.ndim > 1 for value in fitting.values()):
        raise UserError(
            f"nothing in {source} fits the encoder {type(encoder).__name__}: its {len(found)} tensors are named like "
            f"{', '.join(list(found)[:3]) or 'nothing'}. Known are: {', '.join(known.source for known in NAMINGS)}"
        )
    broken = [name for name, value in fitting.items() if not value.isfinite().all()]
    if broken:
        raise UserError(f"{source} holds weights that are not finite, such as {theirs[broken[0]]}; it is of no use")
    _copy(encoder, fitting, eps=naming.eps)
    return WeightsReport(
        source=naming.source,
        prefix=prefix,
        matched=tuple(fitting),
        misfits={
            name: (tuple(ours[name].shape), tuple(value.shape))
            for name, value in present.items()
            if name not in fitting
        },
        absent=tuple(name for name in ours if name not in present),
        left=_left(found, set(theirs.values())),
    )


def published_name(name: str, rules: Rules) -> str:
    """Return the published name of a tensor of ours."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def read_state(path: Path | str) -> dict[str, Tensor]:
    """Read name -> tensor from a .safetensors file or from what torch.save wrote; runs no code from it.

    Raises:
        UserError: no such file, or no weights in it.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  (damaged or foreign bytes make an unpickler raise anything)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"cannot read weights from {path}: {reason}; give a .safetensors file, or a .pth file of tensors alone"
        ) from error
    if not isinstance(loaded, Mapping):
        raise UserError(f"{path} holds a {type(loaded).__name__}, not weights by name; save its state_dict() instead")
    return _tensors(loaded)


def _tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the dense tensors of numbers by name, from within a training checkpoint where that is what it is."""
    for _ in NESTS:  # at most one within another of each
        state = next((state[nest] for nest in NESTS if isinstance(state.get(nest), Mapping)), state)
    return {name: value for name, value in state.items() if isinstance(name, str) and _is_plain(value)}


def _is_plain(value: object) -> bool:
    if not isinstance(value, Tensor) or value.is_quantized or value.is_meta or value.is_complex():
        return False
    return value.layout == torch.strided


def _recognise(ours: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> tuple[Naming, str]:
    """Return the naming and prefix under which most of our tensors are found; of equals the first in the file."""
    counts: Counter[tuple[int, str]] = Counter()
    for place, naming in enumerate(NAMINGS):
        wanted = {published_name(name, naming.rules) for name in ours}
        for name in found:
            parts = name.split(".")
            for start in range(len(parts)):
                if ".".join(parts[start:]) in wanted:
                    counts[place, "".join(f"{part}." for part in parts[:start])] += 1
    if not counts:
        return NAMINGS[0], ""
    ((place, prefix), _), *_ = counts.most_common(1)
    return NAMINGS[place], prefix


@torch.no_grad()
def _copy(encoder: Encoder, values: Mapping[str, Tensor], *, eps: float) -> None:
    norms = {name: part for name, part in encoder.named_modules() if isinstance(part, BatchNorm3d)}
    targets = encoder.state_dict()
    for name, value in values.items():
        targets[name].copy_(value)
        norm = norms.get(name.removesuffix(".running_var"))
        if norm is not None:
            targets[name].add_(eps - norm.eps)


def _left(found: Mapping[str, Tensor], used: set[str]) -> tuple[str, ...]:
    """Return the names not used, but for counters and for tensors that stand in the file under a second name."""
    places = {found[name].data_ptr() for name in used if name in found}
    return tuple(
        name
        for name, value in found.items()
        if name not in used and not name.endswith("num_batches_tracked") and value.data_ptr() not in places
    )
