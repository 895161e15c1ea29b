"""`coview doctor`: what is installed, what is missing for which feature, which codecs and devices work."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

Verdict = Literal["ok", "missing", "broken", "note"]

NEEDED = ("torch", "av", "numba", "numpy", "pyarrow", "safetensors", "scikit-learn", "scipy", "tensorboard")
OPTIONAL = {
    "distributed": ("cluster", "prepare --cluster: extraction over many machines"),
    "fastapi": ("serve", "serve: the page of an index"),
    "mediapipe": ("pose", "the views pose and segmentation: finds one person a frame, offline"),
}
DECODERS = ("h264", "mpeg4", "vp9", "hevc", "libdav1d")

_CLIP_BYTES = 40 * 128 * 171 * 5
"""40 stored frames, rgb and flow: a clip of the paper-sized configs."""
_HELD_CLIPS_A_WORKER = 16


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    what: str
    verdict: Verdict
    detail: str


def examine() -> Iterator[Finding]:
    """Yield findings, cheapest first; ends with two self-tests of a few seconds."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in NEEDED:
        yield _package(package)
    for package, (extra, feature) in OPTIONAL.items():
        if importlib.util.find_spec(package) is None:
            yield Finding(package, "missing", f"for {feature}; pip install 'coview[{extra}]'")
        else:
            yield _package(package)
    yield _opencv()
    yield from _person_detectors()
    yield from _codecs()
    yield from _devices()
    yield _disk()
    yield _shared_memory()
    yield _convolution_gradients()
    yield _self_test()


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "broken", "not installed; reinstall coview")


def _opencv() -> Finding:
    """Only one OpenCV distribution should be installed: two write the same files, and the last one installed wins."""
    wheels = sorted(
        (d.metadata["Name"], d.version)
        for d in importlib.metadata.distributions()
        if (d.metadata["Name"] or "").startswith("opencv")
    )
    found = ", ".join(f"{name} {number}" for name, number in wheels) or "not from a wheel"
    if len({number for _, number in wheels}) > 1:
        return Finding("opencv", "broken", f"{found} overwrite each other's files; bring them to one version")
    try:
        import cv2
    except ImportError as error:
        return Finding("opencv", "broken", f"{found}: {error}; without a display, reinstall the -headless one last")
    cv2.setNumThreads(1)
    if len(wheels) > 1:
        meaning = (
            "one overwrites the other's files; at one version that does no harm, but uninstalling either breaks cv2"
        )
        return Finding("opencv", "note", f"{found}: {meaning}: then reinstall the one that stays")
    return Finding("opencv", "ok", f"{cv2.__version__} ({found})")


def _person_detectors() -> Iterator[Finding]:
    """Say which detectors of persons can work, and what the others lack."""
    import torch

    from coview.errors import UserError
    from coview.views.persons.detectors import PERSON_DETECTORS
    from coview.views.persons.detectors.base import PersonOptions

    if importlib.util.find_spec("mediapipe") is not None:
        try:
            PERSON_DETECTORS.load("mediapipe")(PersonOptions(detector="mediapipe")).check("keypoints")
            yield Finding("persons: mediapipe", "ok", "its model is there and loads")
        except UserError as error:
            yield Finding("persons: mediapipe", "broken", str(error))
    try:
        import torchvision
    except (ImportError, RuntimeError, AttributeError) as error:
        lacking = f"needs the torchvision that belongs to torch {torch.__version__}: {str(error).splitlines()[0]}"
        yield Finding("persons: rcnn", "missing", f"{lacking}. Only for --pose.detector rcnn")
    else:
        weights = Path(torch.hub.get_dir()) / "checkpoints"
        are_there = [any(weights.glob(f"{name}rcnn_resnet50_fpn*.pth")) for name in ("keypoint", "mask")]
        state = "its weights are there" if all(are_there) else f"weights are downloaded once, to {weights}"
        yield Finding("persons: rcnn", "ok", f"torchvision {torchvision.__version__}; {state}")


def _codecs() -> Iterator[Finding]:
    import av

    for name in DECODERS:
        try:
            av.Codec(name, "r")
            yield Finding(f"decoder {name}", "ok", "")
        except av.codec.codec.UnknownCodecError:
            yield Finding(f"decoder {name}", "missing", "videos of this kind cannot be read")
    try:
        av.Codec("libx264", "w")
        yield Finding("encoder libx264", "ok", "")
    except av.codec.codec.UnknownCodecError:
        yield Finding("encoder libx264", "broken", "prepare cannot store views; install av from its wheel")


def _devices() -> Iterator[Finding]:
    import torch

    flags = _cpu_flags()
    units = [flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    bf16 = "bf16 units" if any("bf16" in unit for unit in units) else "no bf16 units: fp32 is fastest"
    yield Finding("cpu", "ok", f"{cores} cores, {', '.join(units) or 'no vector units known'}; {bf16}")
    if not torch.cuda.is_available():
        yield Finding("gpu", "note", "none that PyTorch can use; everything runs on the CPU")
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        yield Finding(f"gpu {index}", "ok", f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GB free")


def _cpu_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith(("flags", "Features"))]
    return set(lines[0].partition(":")[2].split()) if lines else set()


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return Finding("disk here", "ok" if free > 2 else "note", f"{free:.0f} GB free in {Path.cwd()}")


def _shared_memory() -> Finding:
    """Compare shared memory with what the decoding processes of a run at paper size would hold."""
    from coview.clips.workers import free_shared_memory, remark_on_shared_memory
    from coview.training.video_feed import default_workers

    held = _HELD_CLIPS_A_WORKER * default_workers() * _CLIP_BYTES
    free, short = free_shared_memory(), remark_on_shared_memory(held)
    if short:
        return Finding("shared memory", "note", f"for a paper-sized run, {short}")
    return Finding("shared memory", "ok", "" if free is None else f"{free / 2**30:.1f} GB free")


def _convolution_gradients() -> Finding:
    """Say whether this processor and torch compute convolution gradients wrongly, tried in a child that may die."""
    import torch

    from coview.encoders.convolution_fault import CASES, find_fault

    fault, here = find_fault(), f"torch {torch.__version__} on {torch.backends.cpu.get_cpu_capability()}"
    what, page = "convolution gradients", "see docs/explanation/convolution-gradients.md"
    if fault.trouble:
        return Finding(what, "note", f"could not be tried: {fault.trouble}")
    if fault.coview_is_wrong:
        return Finding(what, "broken", f"{here}: coview's are wrong for {'; '.join(fault.coview_is_wrong)}; {page}")
    if fault.torch_is_wrong:
        wrong = "; ".join(fault.torch_is_wrong)
        return Finding(
            what, "note", f"{here} has the fault ({wrong}); coview works around it: its own are right; {page}"
        )
    return Finding(what, "ok", f"{here}: torch's and coview's are right for {len(CASES)} shapes known to go wrong")


def _self_test() -> Finding:
    """Write a small video, read it back, compute a feature: the whole road on eight frames."""
    import torch

    from coview.encoders import ENCODERS
    from coview.locks import temporary_folder
    from coview.video.stored import read_rgb, write_rgb

    started = time.perf_counter()
    ramp = np.linspace(40, 200, 64, dtype=np.uint8)
    frames = [np.stack([np.roll(np.tile(ramp, (64, 1)), 4 * t, axis=1)] * 3, axis=2) for t in range(8)]
    with temporary_folder() as folder:
        path = folder / "selftest.mp4"
        write_rgb(frames, path, fps=25, gop=8)
        read = read_rgb(path, np.arange(8))
    error = float(np.abs(read.astype(int) - np.stack(frames).astype(int)).mean())
    encoder = ENCODERS.load("tiny3d")(in_channels=3).eval()
    with torch.inference_mode():
        feature = encoder.pooled(torch.from_numpy(read).permute(3, 0, 1, 2)[None].float() / 255)  # (1, D)
    is_fine = error < 4 and bool(torch.isfinite(feature).all())
    seconds = time.perf_counter() - started
    detail = f"8 frames written, read back (mean error {error:.1f} of 255) and encoded in {seconds:.1f} s"
    return Finding("self-test", "ok" if is_fine else "broken", detail)
