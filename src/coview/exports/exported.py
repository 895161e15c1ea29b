"""An exported encoder, run by onnxruntime: raw frames in, vectors or probabilities out. It needs no run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coview.clips.sampling import Indices, window_indices
from coview.errors import MissingExtraError, UserError
from coview.exports.description import KEY, Description
from coview.exports.frames import crop_frames
from coview.files import SUMS, is_as_summed

ONNX_NAME = "model.onnx"


class ExportedEncoder:
    """What `coview export --format onnx` wrote, ready for use.

    Example:
        encoder = ExportedEncoder("exported/")
        vectors = encoder({"rgb": frames})["rgb"]  # frames (B, T, H, W, 3) uint8 -> (B, D), unit rows

    Args:
        path: the folder, or the .onnx file.
        threads: for onnxruntime; None: as many as there are cores.

    Attributes:
        path: of the file.
        description: inputs, classes, how frames are chosen.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        UserError: no such file, or not one of ours.
    """

    def __init__(self, path: Path | str, *, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("an exported encoder", package="onnxruntime", extra="export") from None
        path = Path(path)
        self.path = path / ONNX_NAME if path.is_dir() else path
        if not self.path.is_file():
            raise UserError(f"{self.path} does not exist; make it with: coview export RUN --format onnx --out DIR")
        if not is_as_summed(self.path):
            raise UserError(f"{self.path} is damaged: it is not what {SUMS} beside it says; export it again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  (onnxruntime's errors have no base class of their own)
            raise UserError(f"{self.path} is not an ONNX file that can be run: {_first_line(error)}") from None
        told = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        self.description = Description.read(told, source=str(self.path))

    def __repr__(self) -> str:
        return f"ExportedEncoder({str(self.path)!r}, {self.description.output} of {', '.join(self.views)})"

    @property
    def views(self) -> tuple[str, ...]:
        """The views it takes and answers for."""
        return self.description.views

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the probabilities; empty where vectors come out."""
        return self.description.classes

    def windows(self, num_frames: int, *, max_windows: int | None = None) -> Indices:
        """Return the frames of the half-overlapping windows of a video: (W, T); see `coview.clips.sampling`."""
        return window_indices(num_frames, self.description.clip, max_windows=max_windows)

    def __call__(self, frames: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Return what the graph makes of windows.

        Args:
            frames: view -> (B, T, H, W, C) uint8, of any size, every view's in step; pictures of another size than
                the graph's are cropped and resized first. For views that are drawn (pose) the rendered clips
                (B, T, size, size, C) float32.

        Returns:
            View -> (B, D) unit vectors, or (B, classes) probabilities.

        Raises:
            UserError: a view is missing, or its frames have another shape or type.
        """
        ready = {}
        for given in self.description.inputs:
            own = frames.get(given.view)
            if own is None:
                raise UserError(
                    f"{self.path} needs frames of {', '.join(self.views)}; got {', '.join(frames) or 'none'}"
                )
            own = np.asarray(own)
            fits = own.ndim == 5 and own.dtype == given.dtype and own.shape[1] == given.frames
            fits = fits and own.shape[4] == given.channels and 0 not in own.shape
            if given.dtype != "uint8":
                fits = fits and own.shape[2:4] == (given.size, given.size)
            if not fits:
                side = "H, W" if given.dtype == "uint8" else f"{given.size}, {given.size}"
                raise UserError(
                    f"frames of {given.view} are {own.shape} {own.dtype}, expected (B, {given.frames}, {side}, "
                    f"{given.channels}) {given.dtype}"
                )
            if given.dtype == "uint8" and own.shape[2:4] != (given.size, given.size):
                own = np.stack([crop_frames(clip, size=given.size) for clip in own])
            ready[given.view] = np.ascontiguousarray(own)
        made = self._session.run(list(output_names(self.views)), ready)
        return dict(zip(self.views, made, strict=True))


def output_names(views: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the graph's outputs: ONNX allows no name twice, so they are not the inputs'."""
    return tuple(f"{view}_out" for view in views)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
