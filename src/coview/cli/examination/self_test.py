"""Two trials: the whole road on eight frames, and the convolution gradients that some processors get wrong."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from coview.cli.examination.finding import Finding

if TYPE_CHECKING:
    from coview.encoders.convolution_fault import Trial

_PAGE = "docs/explanation/convolution-gradients.md"


def examine_road() -> Iterator[Finding]:
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
    seconds = time.perf_counter() - started
    detail = f"8 frames written, read back (mean error {error:.1f} of 255) and encoded in {seconds:.1f} s"
    if error < 4 and bool(torch.isfinite(feature).all()):
        yield Finding("the road", "ok", detail)
    else:
        yield Finding(
            "the road", "broken", detail, "install av and torch from their wheels again; else please report it"
        )


def begin_trial() -> "Trial":
    """Begin to try convolution gradients in a process of its own, which may die."""
    from coview.encoders.convolution_fault import begin_trial as begin

    return begin()


def examine_trial(trial: "Trial") -> Iterator[Finding]:
    """Say whether this processor and torch compute convolution gradients wrongly."""
    import torch

    from coview.encoders.convolution_fault import CASES

    fault, here = trial.result(), f"torch {torch.__version__} on {torch.backends.cpu.get_cpu_capability()}"
    if fault.trouble:  # what damaged memory does next is chance
        fault = begin_trial().result()
    if fault.trouble:
        yield Finding("torch", "note", f"could not be tried: {fault.trouble}", "run it again; else please report it")
        return
    if fault.coview_is_wrong:
        wrong = "; ".join(fault.coview_is_wrong)
        yield Finding(
            "coview", "broken", f"wrong with {here}: {wrong}", f"train with --training.precision fp32; {_PAGE}"
        )
    else:
        yield Finding("coview", "ok", f"right for {len(CASES)} shapes known to go wrong")
    if fault.torch_is_wrong:
        remedy = f"nothing to do in coview, which works around it; in code of your own, see {_PAGE}"
        yield Finding("torch", "note", f"{here} is wrong for {'; '.join(fault.torch_is_wrong)}", remedy)
    else:
        yield Finding("torch", "ok", f"{here} is right for them, too")
