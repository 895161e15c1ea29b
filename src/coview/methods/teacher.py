"""A frozen network that teaches: loaded when training needs it, and no part of what a run keeps."""

from pathlib import Path

import torch
from torch import Tensor

from coview.encoders.base import Encoder
from coview.encoders.file import load_encoder
from coview.encoders.pretrained import load_pretrained


class FrozenTeacher:
    """An encoder of a folder or file, loaded at its first use: opening a run that named it reads nothing.

    It is no module, so that its weights are in no checkpoint and no optimiser.

    Args:
        path: folder of a pretrained network, or a file of `Run.save_encoder`.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._encoder: Encoder | None = None

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Map clips (n, C, T, H, W), normalised, to features (n, E) float32.

        Raises:
            UserError: the path holds no network, or one of other channels.
        """
        if self._encoder is None:
            self._encoder = self._load(clips.shape[1])
        encoder = self._encoder.to(clips.device)
        return encoder.pooled(clips).float()

    def _load(self, channels: int) -> Encoder:
        if self.path.is_file():
            return load_encoder(self.path)
        return load_pretrained(self.path, in_channels=channels)
