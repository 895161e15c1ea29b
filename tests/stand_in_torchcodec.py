"""The part of torchcodec's interface that coview uses, decoded by PyAV: for tests where torchcodec is not installed."""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from coview.video.stored import read_rgb


@dataclass(frozen=True)
class Frames:
    data: torch.Tensor


class VideoDecoder:
    """Decodes what `write_rgb` made; the keywords are torchcodec's, its defaults are left out."""

    opened: list[tuple[Path, str]] = []
    asked: list[list[int]] = []

    def __init__(
        self, source: Path, *, device: str, seek_mode: str, num_ffmpeg_threads: int, dimension_order: str
    ) -> None:
        assert (seek_mode, num_ffmpeg_threads, dimension_order) == ("exact", 1, "NHWC")
        if device == "cuda":
            raise RuntimeError("Unsupported device: cuda")
        self.source, self.device, self.cpu_fallback = source, device, False
        self.opened.append((source, device))

    def get_frames_at(self, indices: list[int]) -> Frames:
        self.asked.append(indices)
        try:
            frames = read_rgb(self.source, np.array(indices))
        except Exception as error:
            raise IndexError(f"Invalid frame index={indices[-1]}") from error
        return Frames(torch.from_numpy(frames).to(self.device))


def use_stand_in(patch: pytest.MonkeyPatch) -> type[VideoDecoder]:
    """Let `torchcodec.decoders.VideoDecoder` be the stand-in for the time of a test."""
    package, decoders = ModuleType("torchcodec"), ModuleType("torchcodec.decoders")
    kind = type("VideoDecoder", (VideoDecoder,), {"opened": [], "asked": []})
    decoders.VideoDecoder = kind  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "torchcodec", package)
    patch.setitem(sys.modules, "torchcodec.decoders", decoders)
    return kind


def require_torchcodec() -> None:
    """Skip a test where the real one is not installed, or cannot be loaded."""
    try:
        importlib.import_module("torchcodec.decoders")
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"needs torchcodec (not among the development packages): {str(error).strip().splitlines()[0]}")
