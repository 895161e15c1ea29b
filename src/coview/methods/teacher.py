"""A frozen network that teaches: loaded when training needs it, and no part of what a run keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from coview.config.types import PositiveFloat
from coview.datatypes import ViewBatch
from coview.encoders.base import Encoder
from coview.encoders.file import load_encoder
from coview.encoders.pretrained import load_pretrained
from coview.errors import UserError
from coview.losses.distillation import similarity_distillation_loss
from coview.methods.base import LossOutput, Stage


@dataclass(frozen=True)
class TeacherSettings:
    """Settings of methods that a frozen network may teach."""

    teacher: str | None = None
    """A frozen network that teaches the views that learn, in every stage that has clips of `teacher_view`: folder of a
    pretrained one (transformers' layout) or a file of `Run.save_encoder`. Read while the run is trained, never when it
    is opened."""
    teacher_view: str = "rgb"
    """The view whose clips the teacher sees."""
    teacher_weight: PositiveFloat = 1.0
    """Of the teacher's part in the loss, beside 1 for the views among themselves."""
    teacher_temperature: PositiveFloat = 0.1
    """tau_t, the teacher's cosines are divided by it."""


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


class TeacherTerm:
    """What a teacher, where there is one, adds to a method's loss.

    That is weight * the mean over views, and within a view over its clips or blocks, of
    `losses.similarity_distillation_loss`: each view learns which other videos the teacher finds alike. Without a
    teacher, and in a stage without clips of its view, the loss stays as it is.

    Args:
        settings: the method's own.
        views: of the method.
        temperature: tau, the views' cosines are divided by it.
        num_blocks: N, into which the clips are cut for the teacher, too.

    Raises:
        UserError: the method has no such view as the teacher is to see.
    """

    def __init__(
        self, settings: TeacherSettings, views: Sequence[str], *, temperature: float, num_blocks: int = 1
    ) -> None:
        if settings.teacher is not None and settings.teacher_view not in views:
            raise UserError(f"teacher_view is {settings.teacher_view!r}, expected one of: {', '.join(views)}")
        self.settings, self.temperature, self.num_blocks = settings, temperature, num_blocks
        self._network = None if settings.teacher is None else FrozenTeacher(settings.teacher)

    def add_to(
        self, output: LossOutput, students: Mapping[str, Sequence[Tensor]], batch: ViewBatch, stage: Stage
    ) -> LossOutput:
        """Return the loss with the teacher's term in its total and, for the log, as the part `<view>/teacher`.

        Args:
            output: what the method asks for by itself.
            students: view that learns -> features (B, D) of each of its clips or blocks, in the order of time.
            batch: clips (B, M, C, N*L, H, W) of the stage's views. Clips beyond the teacher's M learn from its last.
            stage: the batch's.
        """
        own = self.settings
        if self._network is None or own.teacher_view not in stage.views:
            return output
        seen = rearrange(batch.clips[own.teacher_view], "b m c (n l) h w -> b (m n) c l h w", n=self.num_blocks)
        guides = self._network.features(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])  # (B, M*N, E)
        losses = {
            view: torch.stack(
                [
                    similarity_distillation_loss(
                        rows,
                        guides[:, min(number, guides.shape[1] - 1)],
                        temperature=self.temperature,
                        teacher_temperature=own.teacher_temperature,
                    )
                    for number, rows in enumerate(features)
                ]
            ).mean()
            for view, features in students.items()
        }
        taught = torch.stack(list(losses.values())).mean()
        parts = {f"{view}/teacher": loss.detach() for view, loss in losses.items()}
        return replace(output, total=output.total + own.teacher_weight * taught, parts={**output.parts, **parts})
