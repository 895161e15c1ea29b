"""The loop: every stage of a method, every epoch, every step, from any checkpoint on."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from coview.config import RunConfig
from coview.datatypes import ProgressSink, ViewBatch
from coview.errors import UserError
from coview.methods import LossOutput, Method, Progress, Stage
from coview.methods.base import freeze_all_but, freeze_layers
from coview.training.checkpoint import Checkpoint, Position, save_checkpoint
from coview.training.distributed import Processes
from coview.training.feed import Feed
from coview.training.finite import Arriving, BadStep, FiniteWatch
from coview.training.interrupt import StopRequest
from coview.training.optimisers import build_optimiser, set_learning_rate
from coview.training.precision import Precision, name_of
from coview.training.reporter import Reporter
from coview.training.runlog import RunLog
from coview.training.schedules import Plateau, learning_rate_factor

logger = logging.getLogger(__name__)


class NonFiniteLossError(UserError):
    """The loss is not a number; no checkpoint holds weights that were updated with it."""


class Trainer:
    """Trains a method. All that the next step depends on is in `position`, the weights and `_state()`.

    Args:
        method: what to train, on the device already.
        feed: its batches.
        config: the run's settings.
        run: the run's folder.
        processes: this process and how many there are.
        precision: number format and layout.
        log: where events go.
        progress: told (steps done, steps of the stage, amounts) after every step.
    """

    def __init__(
        self,
        method: Method,
        feed: Feed,
        *,
        config: RunConfig,
        run: Path,
        processes: Processes,
        precision: Precision,
        log: RunLog,
        progress: ProgressSink | None = None,
    ) -> None:
        self.method, self.feed, self.config, self.run_folder = method, feed, config, run
        self.processes, self.precision, self.log, self.progress = processes, precision, log, progress
        self.position = Position()
        self.stopped_by = 0
        """The signal by which all processes have agreed to stop, 0 where there was none."""
        self._stop = StopRequest()
        self._finite = FiniteWatch(processes)
        self._flags: Arriving | None = None
        self.saved_at = time.monotonic()

    def num_steps(self, stage: Stage) -> int:
        """Return the optimiser steps of a stage."""
        steps = stage.epochs * self.feed.steps_per_epoch
        return min(steps, self.config.training.max_steps or steps)

    def run(self, start: Checkpoint | None = None) -> bool:
        """Train from the beginning, or from a checkpoint, to the end.

        Returns:
            Whether the run is complete; False when it was asked to stop, with a checkpoint of where it stands.

        Raises:
            NonFiniteLossError: the loss is inf or nan.
            UserError: a checkpoint cannot be written.
        """
        if start is not None:
            self.method.load_state_dict(dict(start.weights))
            self.position = start.position
            self._restore_random_state(start.state["random"])
        with self._stop:
            for index, stage in enumerate(self.method.stages()):
                if index < self.position.stage_index:
                    continue
                if self.stopped_by:
                    return False
                if start is not None and index == self.position.stage_index:
                    is_complete = start.position.is_stage_finished or self._run_stage(stage, start.state)
                else:
                    self.position = Position(index, stage.name, global_step=self.position.global_step)
                    is_complete = self._run_stage(stage, None)
                if not is_complete:
                    return False
        self.stopped_by = 0  # asked for when nothing was left to do
        return True

    def _run_stage(self, stage: Stage, state: Mapping[str, Any] | None) -> bool:
        """Train one stage from its beginning, or go on inside it; return False when asked to stop before its end."""
        at, num_steps = self.position, self.num_steps(stage)
        learning = stage.trainable_at(at.epoch)
        self._let_learn(learning)
        self.optimiser = build_optimiser(self.method, stage, self.config.optimiser, self.config.views)
        self.scaler = torch.GradScaler(self.processes.device.type, enabled=self.precision.dtype_name == "fp16")
        self.plateau = Plateau()
        if state is not None:
            self._restore(state)
        losses: Sequence[float] = () if state is None else state.get("epoch_losses", ())
        is_own = len(losses) == self.processes.world_size  # else saved by other processes than these
        own = losses[self.processes.rank] if is_own else at.epoch_loss_sum
        self.epoch_loss = torch.tensor(own, dtype=torch.float64, device=self.processes.device)
        self.saved_at = time.monotonic()
        model = self._over_processes()
        reporter = Reporter(
            stage,
            num_steps,
            config=self.config,
            processes=self.processes,
            log=self.log,
            progress=self.progress,
            first_step=at.step,
        )
        if self.processes.is_main:
            logger.info("stage %s: step %d of %d", stage.name, at.step, num_steps)
        self.log.write("stage", stage=stage.name, step=at.step, global_step=at.global_step, num_steps=num_steps)

        while at.step < num_steps or at.step_in_epoch == self.feed.steps_per_epoch:
            first = at.step
            if stage.trainable_at(at.epoch) != learning:
                learning = stage.trainable_at(at.epoch)
                self._let_learn(learning)
                model = self._over_processes()
            batches = self.feed.training(stage.views, epoch=at.epoch, first_step=at.step_in_epoch)
            for batch in reporter.timed(batches):
                output, learning_rate = self._step(
                    model, batch, Progress(stage, at.stage_index, at.epoch, at.step, num_steps)
                )
                at.step, at.step_in_epoch, at.global_step = at.step + 1, at.step_in_epoch + 1, at.global_step + 1
                reporter.step(at, output, learning_rate=learning_rate, num_videos=batch.num_videos)
                should_save = self._agree()
                if at.step == num_steps or self.stopped_by:
                    break
                if should_save:
                    self._save()
            batches.close()
            assert at.step > first or at.step_in_epoch == self.feed.steps_per_epoch, "the feed gave no batch"
            if at.step_in_epoch == self.feed.steps_per_epoch and not self.stopped_by:
                self._end_epoch(stage, reporter)
            if self.stopped_by and (at.step < num_steps or at.step_in_epoch == self.feed.steps_per_epoch):
                self._save()
                return False
        at.is_stage_finished = True
        self._save()
        return True

    def _let_learn(self, names: Sequence[str]) -> None:
        """Let submodules of the method learn, but for the first layers of encoders that are to stand still."""
        freeze_all_but(self.method, names)
        freeze_layers(self.method, self.config.optimiser.frozen_layers)

    def _over_processes(self) -> nn.Module:
        """Wrap the method so that gradients are averaged over processes; anew each stage, since others learn."""
        if self.processes.world_size == 1:
            return self.method
        return DistributedDataParallel(self.method, broadcast_buffers=False, gradient_as_bucket_view=True)

    def _step(self, model: nn.Module, batch: ViewBatch, now: Progress) -> tuple[LossOutput, float]:
        """Take one optimiser step, the batch in `loss_parts` parts; return the last part's output and the rate."""
        settings = self.config.training
        factor = learning_rate_factor(
            self.config.schedule,
            self.config.optimiser,
            step=now.step,
            num_steps=now.num_steps,
            epochs=now.stage.epochs,
            reductions=self.plateau.reductions,
        )
        learning_rate = set_learning_rate(self.optimiser, factor)
        parts = list(split_batch(batch, settings.loss_parts))
        for number, part in enumerate(parts, start=1):
            with _gradients_stay_here(model) if number < len(parts) else nullcontext():
                with self.precision.autocast(self.processes.device):
                    output: LossOutput = model(part, now)
                self._require_finite(self._finite.observe(output, self.position))
                self.scaler.scale(output.total / len(parts)).backward()
            self.epoch_loss += output.total.detach() / len(parts)
        if settings.clip_norm > 0:
            self.scaler.unscale_(self.optimiser)
            trained = [p for group in self.optimiser.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(trained, settings.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.method.after_step()
        return output, learning_rate

    def _require_finite(self, bad: BadStep | None) -> None:
        """Stop with a loss of inf or nan: before the update, or on a GPU before the next, and before a checkpoint."""
        if bad is None:
            return
        at = bad.at
        self.log.write("non-finite", stage=at.stage, step=at.step, global_step=at.global_step, parts=list(bad.parts))
        names = ", ".join(bad.parts) or "the total, or a part in another process"
        now_used = name_of(self.precision.dtype_name, self.precision.channels_last)
        kept = "No update with it was kept" if bad.is_updated else "No update was made with it"
        raise NonFiniteLossError(
            f"the loss is not finite in stage {at.stage}, epoch {at.epoch}, step {at.step}: {names}. {kept} and the "
            "last checkpoint is intact. Causes: too high a learning rate, gradients that grow too "
            f"large, or the precision ({now_used}), by too coarse rounding or a fault of this processor that coview "
            "doctor would name. Try, in a new --out, a lower optimiser.learning_rate, training.clip_norm 1, or "
            "training.precision fp32"
        )

    def _agree(self) -> bool:
        """Decide, the same in every process, whether to save now, and in `stopped_by` whether to stop.

        Several processes with GPUs do what they agreed on at the step before, so that none waits for its device.
        """
        asked = self._stop.signal_number  # may come at any moment, in one process alone: read once
        settings, every = self.config.training, self.config.training.checkpoint_every_steps
        is_due = time.monotonic() - self.saved_at > settings.checkpoint_every_seconds
        if self.processes.world_size > 1:
            flags = torch.tensor([asked, int(is_due)], device=self.processes.device)
            distributed.all_reduce(flags, op=distributed.ReduceOp.MAX)
            agreed = Arriving(flags)
            if self._finite.is_late:
                agreed, self._flags = self._flags or Arriving(torch.zeros(2, dtype=torch.int64)), agreed
            asked, due = agreed.read()
            is_due = bool(due)
        self.stopped_by = asked
        return is_due or (every > 0 and self.position.step % every == 0)  # which all know by themselves

    def _end_epoch(self, stage: Stage, reporter: Reporter) -> None:
        """Validate, move the plateau schedule, go to the next epoch; asked to stop meanwhile, leave all as it is."""
        self._require_finite(self._finite.settle())
        at = self.position
        values = {"loss": float(self.processes.mean(self.epoch_loss)) / self.feed.steps_per_epoch}
        if (at.epoch + 1) % self.config.training.validate_every == 0:
            found = self._validate(stage)
            if self.stopped_by:
                return
            values.update(found)
            judged = values.get("validation_loss", values["loss"])
            self.plateau.observe(judged, patience=self.config.schedule.patience)
        reporter.epoch(at, values)
        at.epoch, at.step_in_epoch = at.epoch + 1, 0
        self.epoch_loss.zero_()

    @torch.no_grad()
    def _validate(self, stage: Stage) -> dict[str, float]:
        """Return the mean loss of the held-out batches, nothing where there are none. Draws no random numbers."""
        at = self.position
        now = Progress(stage, at.stage_index, at.epoch, at.step, self.num_steps(stage))
        self.method.eval()
        losses = []
        for batch in self.feed.validation(stage.views):
            with self.precision.autocast(self.processes.device):
                losses.append(self.method(batch, now).total)
            self._agree()
            if self.stopped_by:
                break
        self._let_learn(stage.trainable_at(at.epoch))
        return {"validation_loss": float(self.processes.mean(torch.stack(losses).mean()))} if losses else {}

    def _save(self) -> None:
        """Write a checkpoint. Every process takes part, since each has a random state of its own."""
        self._require_finite(self._finite.settle())
        self._flags = None  # what was due is done
        self.saved_at = time.monotonic()
        state = self._state()
        self.position.epoch_loss_sum = sum(state["epoch_losses"]) / self.processes.world_size
        if self.processes.is_main:
            keep = 1 if self.position.is_stage_finished else self.config.training.keep_checkpoints
            save_checkpoint(self.run_folder, self.position, weights=self.method.state_dict(), state=state, keep=keep)
        self.processes.barrier()

    def _state(self) -> dict[str, Any]:
        """Return what affects the next step beside the weights and the position."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "plateau": self.plateau.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": self.processes.gather_objects(random_state(self.processes.device)),
            "epoch_losses": self.processes.gather_objects(float(self.epoch_loss)),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `_state` returned, but for the random state."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.plateau = Plateau(**state["plateau"])
        self.scaler.load_state_dict(state["scaler"])

    def _restore_random_state(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Put back this process's random state, one of those that `_state` gathered."""
        if self.processes.rank < len(states):
            set_random_state(states[self.processes.rank], self.processes.device)
        saved_by, now = len(states), self.processes.world_size
        if saved_by != now:
            logger.warning("saved by %d process(es), going on with %d: equal, but not to the bit", saved_by, now)


def _gradients_stay_here(model: nn.Module) -> AbstractContextManager[None]:
    """Leave averaging over processes to the last part of an accumulated batch."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()


def split_batch(batch: ViewBatch, parts: int) -> Iterator[ViewBatch]:
    """Cut a batch into `parts` batches of nearly equal size, fewer where it has fewer videos."""
    parts = min(parts, batch.num_videos)
    bounds = [round(i * batch.num_videos / parts) for i in range(parts + 1)]
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        clips = {name: clip[first:last] for name, clip in batch.clips.items()}
        yield ViewBatch(clips, batch.entry_indices[first:last], batch.labels[first:last])


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return torch's random state on the CPU and, where used, the GPU."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Put back what `random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
