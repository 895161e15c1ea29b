"""Who can find people in videos: mediapipe, tried in a process of its own, and torchvision's networks."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from coview.cli.examination.finding import Finding

_PROGRAM = """
import sys, types
import numpy
sys.modules["matplotlib.pyplot"] = types.ModuleType("matplotlib.pyplot")
from mediapipe.python.solutions.pose import Pose
Pose(model_complexity=1).process(numpy.zeros((64, 64, 3), "uint8"))
"""
"""What the detector `mediapipe` does first; its own module is not imported, which would import torch once more, and
neither is pyplot, with which mediapipe could draw: half of the time."""
_EXTRA = "pip install 'coview[pose]'"
_TIMEOUT_SECONDS = 30


def begin_mediapipe() -> subprocess.Popen[str] | None:
    """Begin to load mediapipe's model in another process; None where it is not installed."""
    if importlib.util.find_spec("mediapipe") is None:
        return None
    command = [sys.executable, "-P", "-c", _PROGRAM]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def examine_people(mediapipe: subprocess.Popen[str] | None) -> Iterator[Finding]:
    """Yield what each detector of persons can do, and what it lacks."""
    yield _mediapipe(mediapipe)
    yield _rcnn()


def _mediapipe(trial: subprocess.Popen[str] | None) -> Finding:
    if trial is None:
        return Finding("mediapipe", "missing", "for the views pose and segmentation", _EXTRA)
    try:
        said = trial.communicate(timeout=_TIMEOUT_SECONDS)[1]
    except subprocess.TimeoutExpired:
        trial.kill()
        trial.communicate()
        return Finding("mediapipe", "note", f"did not load in {_TIMEOUT_SECONDS} s", "try again on a quiet machine")
    if trial.returncode:
        last = (said.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
        return Finding("mediapipe", "broken", f"cannot be used: {last}", f"a version that can: {_EXTRA}")
    return Finding("mediapipe", "ok", "its model is there and loads")


def _rcnn() -> Finding:
    """Look for torchvision, which a CPU build of torch from PyPI does not get along with, and for its weights."""
    import torch

    try:
        import torchvision
    except (ImportError, RuntimeError, AttributeError) as error:
        why = f"torchvision for torch {torch.__version__}: {str(error).splitlines()[0]}"
        remedy = "needed for --pose.detector rcnn alone; install the torchvision that belongs to this torch"
        return Finding("rcnn", "missing", why, remedy)
    weights = Path(torch.hub.get_dir()) / "checkpoints"
    if all(any(weights.glob(f"{name}rcnn_resnet50_fpn*.pth")) for name in ("keypoint", "mask")):
        return Finding("rcnn", "ok", f"torchvision {torchvision.__version__}; its weights are there")
    remedy = f"they are downloaded when first used; without a network, copy them to {weights}"
    return Finding("rcnn", "note", f"torchvision {torchvision.__version__}, its weights are not there yet", remedy)
