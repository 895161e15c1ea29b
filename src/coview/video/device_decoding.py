"""Stored rgb views decoded by torchcodec on the device that trains: frames become tensors there, not on the host.

On an NVIDIA GPU its video decoder takes H.264 apart and a kernel makes RGB of the planes, by the colour matrix and
range that the file names. Files of planes (`write_planes`) are not for it: their bytes are numbers, which a conversion
by way of RGB may round.
"""

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from coview.errors import MissingExtraError, UserError

_FEATURE = "training.decoder torchcodec"
_OTHERWISE = "training.decoder pyav decodes on the processor"


def read_rgb_on(device: torch.device, path: Path, frame_indices: NDArray[Any]) -> Tensor:
    """Read some frames of a file that `write_rgb` made, as `read_rgb`, up to rounding and how colours are enlarged.

    Work is begun on the device's current stream of this thread, as is what follows: nothing has to wait for it. Threads
    may call it at the same time.

    Args:
        device: where frames are decoded and lie: a CPU or an NVIDIA GPU.
        path: the file.
        frame_indices: (T,) integers, ascending, repeats allowed, T >= 1.

    Returns:
        (T, H, W, 3) uint8.

    Raises:
        UserError: torchcodec is not there or cannot be loaded, the device cannot decode, or the frames are not there.
    """
    kind = _decoder_kind()
    with torch.accelerator.device_index(device.index):  # a thread begins with the first GPU
        try:
            # Exact: a frame is known by its number, after a look at every packet.
            decoder = kind(path, device=str(device), seek_mode="exact", num_ffmpeg_threads=1, dimension_order="NHWC")
            frames: Tensor = decoder.get_frames_at(frame_indices.tolist()).data
        except (RuntimeError, ValueError, IndexError) as error:
            raise UserError(f"torchcodec cannot read {path} on {device}: {_in_short(error)}; {_OTHERWISE}") from error
        if decoder.cpu_fallback:
            raise UserError(f"{device} cannot decode {path} ({decoder.cpu_fallback}); {_OTHERWISE}")
    return frames


def _decoder_kind() -> Any:
    """Return torchcodec's class of decoders.

    Raises:
        UserError: it is not installed, or does not fit the torch and FFmpeg that are here.
    """
    try:
        from torchcodec.decoders import VideoDecoder
    except ModuleNotFoundError:
        raise MissingExtraError(_FEATURE, package="torchcodec", extra="torchcodec") from None
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(
            f"{_FEATURE}: torchcodec is installed and cannot be loaded ({_in_short(error)}). It needs FFmpeg's shared "
            "libraries (such as: apt-get install ffmpeg) and a build that fits torch's: on PyPI, after 0.13.0, one for "
            f"CUDA alone. {_OTHERWISE}"
        ) from error
    return VideoDecoder


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
