"""What the loop tells: a log line every few steps with health, speed and the wait for data; progress; warnings."""

import logging
import time
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from coview.config import RunConfig
from coview.datatypes import ProgressSink, ViewBatch
from coview.methods import LossOutput, Stage
from coview.training.checkpoint import Position
from coview.training.distributed import Processes
from coview.training.health import HealthWatch, measure
from coview.training.runlog import RunLog

logger = logging.getLogger(__name__)


class Reporter:
    """Reports on one stage.

    Args:
        stage: the stage.
        num_steps: its optimiser steps.
        config: the run's settings.
        processes: this process and how many there are.
        log: where events go.
        progress: told (steps done, steps in all, amounts) after every step.
        first_step: where in the stage this begins.
    """

    def __init__(
        self,
        stage: Stage,
        num_steps: int,
        *,
        config: RunConfig,
        processes: Processes,
        log: RunLog,
        progress: ProgressSink | None,
        first_step: int,
    ) -> None:
        self.stage, self.num_steps = stage, num_steps
        self.config, self.processes, self.log, self.progress = config, processes, log, progress
        self._watch = HealthWatch()
        self._amounts: dict[str, float] = {}
        self._logged_at, self._logged_step = time.monotonic(), first_step
        self._waited_seconds = self._decode_seconds = self._augment_seconds = 0.0

    def timed(self, batches: Iterator[ViewBatch]) -> Iterator[ViewBatch]:
        """Pass the batches on; add up the time spent waiting for them, and what it took to make them."""
        while True:
            started = time.monotonic()
            batch = next(batches, None)
            self._waited_seconds += time.monotonic() - started
            if batch is None:
                return
            self._decode_seconds += batch.decode_seconds
            self._augment_seconds += batch.augment_seconds
            yield batch

    def step(self, at: Position, output: LossOutput, *, learning_rate: float, num_videos: int) -> None:
        """Tell of one step; every `log_every` steps and at the end also in the log."""
        if at.step % self.config.training.log_every == 0 or at.step == self.num_steps:
            self._log_step(at, output, learning_rate=learning_rate, num_videos=num_videos)
        if self.progress is not None:
            self.progress(at.step, self.num_steps, self._amounts)

    def _log_step(self, at: Position, output: LossOutput, *, learning_rate: float, num_videos: int) -> None:
        values = {
            "loss": float(self.processes.mean(output.total.detach())),
            "learning_rate": learning_rate,
            **self._speed(at, num_videos),
        }
        parts, meters = self._everywhere(output.parts), self._everywhere(output.meters)
        health = measure({name: rows.detach() for name, rows in output.features.items()})
        place = {"stage": self.stage.name, "epoch": at.epoch, "step": at.step, "global_step": at.global_step}
        references = dict(output.chance_level)
        self.log.write("step", **place, **values, parts=parts, chance_level=references, meters=meters, health=health)
        flat = {**values, **parts, **meters}
        flat.update({f"{name}/{meter}": value for name, row in health.items() for meter, value in row.items()})
        self._scalars(at, flat)
        self._amounts.update(values)
        for warning in self._watch.observe(health, parts, references, meters, output.limits):
            logger.warning("stage %s, step %d: %s", self.stage.name, at.step, warning)
            self.log.write("warning", **place, text=warning)

    def _everywhere(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the mean of each value over the processes."""
        if not values:
            return {}
        means = self.processes.mean(torch.stack([value.detach().float() for value in values.values()]))
        return dict(zip(values, means.tolist(), strict=True))

    def _speed(self, at: Position, num_videos: int) -> dict[str, float]:
        """Return, since the last call, clips a second over all processes, the wait for data, and the cores at it."""
        now = time.monotonic()
        elapsed = max(now - self._logged_at, 1e-9)
        clips = (at.step - self._logged_step) * num_videos * self.processes.world_size
        waited = min(1.0, self._waited_seconds / elapsed)
        decoding, augmenting = self._decode_seconds / elapsed, self._augment_seconds / elapsed
        self._logged_at, self._logged_step = now, at.step
        self._waited_seconds = self._decode_seconds = self._augment_seconds = 0.0
        return {
            "clips_per_second": clips * self.config.clip.clips_per_video / elapsed,
            "data_wait_share": waited,
            "decoding_cores": decoding,
            "augmenting_cores": augmenting,
        }

    def epoch(self, at: Position, values: Mapping[str, float]) -> None:
        """Tell of the end of an epoch: its mean loss and, where there is one, the validation loss."""
        place = {"stage": self.stage.name, "epoch": at.epoch, "step": at.step, "global_step": at.global_step}
        self.log.write("epoch", **place, **values)
        self._scalars(at, {f"epoch_{name}": value for name, value in values.items()})
        self._amounts.update({name: value for name, value in values.items() if name != "loss"})

    def _scalars(self, at: Position, values: Mapping[str, float]) -> None:
        named = {f"{self.stage.name}/{name}": value for name, value in values.items()}
        self.log.scalars(named, global_step=at.global_step)
