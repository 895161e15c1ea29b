"""A run's fine-tuned child: RUN/finetune/<what>-<hash>/, a run like any other, trained once and found again."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from coview.config import Count, NonNegativeFloat, Positive, RunConfig, as_plain, read_yaml
from coview.config.files import load_config
from coview.embedding.cache import data_identity
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.base import Task
from coview.evaluation.ensemble import DEFAULT_WEIGHTS
from coview.evaluation.inference import NumCrops, names_classes
from coview.evaluation.naming import without_speed_settings
from coview.methods.base import ClassificationHead
from coview.registry import did_you_mean
from coview.training.checkpoint import WEIGHTS, latest_checkpoint
from coview.training.pretrain import pretrain
from coview.training.runfolder import RESOLVED

logger = logging.getLogger(__name__)

FOLDER = "finetune"
Start = Literal["trained", "random"]
WHOSE: Mapping[Start, str] = {"trained": "the run's weights", "random": "random weights"}
RECIPES: Mapping[ClassificationHead, str] = {"features": "finetune-vicc", "context": "finetune-cocon"}
"""Head of the classifier -> beginning of the names of the configs whose recipe it takes."""
SIZES = {"cpu": "ucf10-cpu"}
"""Preset -> the rest of that name; of any other preset "ucf101"."""


@dataclass(frozen=True)
class FinetuneSettings:
    """How a run is fine-tuned, and what is averaged when the result is tested."""

    config: str | None = None
    """A config of method classify: its name or file. Not set: views, encoder, clips and augmentation of the run
    without blur, with the recipe of finetune-cocon-... where the method looks at contexts, else of
    finetune-vicc-..., its CPU-sized twin for a run of preset cpu."""
    start: Literal["both", "trained", "random"] = "both"
    """Begin with the run's weights, with random ones (the baseline), or do both."""
    epochs: Positive | None = None
    """Passes over the training videos for each view; not set: those of the recipe."""
    max_steps: Count = 0
    """End each stage after this many steps, for a quick check; 0: after its epochs."""
    labels: Positive | None = None
    """Training videos of each class that are used; not set: all."""
    draw: Count = 0
    """Which draw of them."""
    crops: NumCrops | None = None
    """Of each window at test; see protocol inference."""
    weights: Mapping[str, NonNegativeFloat] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    """View name -> weight of its probabilities in "weighted views"; one that is not named weighs 1, 0 leaves it out."""

    @property
    def starts(self) -> tuple[Start, ...]:
        """What to begin with, one after the other."""
        return ("trained", "random") if self.start == "both" else (self.start,)


def fine_tuned(task: Task, settings: FinetuneSettings, start: Start) -> Run:
    """Return the run's fine-tuned child: found finished, gone on with, or trained from the beginning.

    Args:
        task: the run, the data, and the split whose training videos teach.
        settings: how.
        start: which weights it begins with.

    Raises:
        UserError: the config cannot be used for this run, or the videos have no labels.
        KeyboardInterrupt: it was asked to stop; the same call goes on where it stands.
    """
    config = finetune_config(task.run, settings, split=task.split)
    task.data.require_views(config.views)
    folder = task.run.path / FOLDER / _name(task, settings, config, start=start)
    finished = _finished(folder)
    if finished is not None:
        logger.info("fine-tuned from %s before: %s", WHOSE[start], folder)
        return finished
    if start == "trained":
        config = replace(config, start_from=_recorded_start(folder) or str(task.run.checkpoint.resolve()))
    logger.info("fine-tuning from %s: %s", WHOSE[start], folder)
    result = pretrain(config, data=task.data.root, out=folder, resume=True, device=task.device, progress=task.progress)
    if not result.is_complete:
        raise KeyboardInterrupt(f"stopped; the same command goes on there: {folder}")
    return Run.load(folder)


def finetune_config(run: Run, settings: FinetuneSettings, *, split: str | None) -> RunConfig:
    """Return the settings of a run's fine-tuned child, not yet what it starts from.

    Raises:
        UserError: a config that does not exist, that is no classifier, or whose views are not the run's.
    """
    if settings.config is not None:
        config = load_config(settings.config)
        _check_fits(config, run, name=settings.config)
    else:
        config = _own_config(run)
    method = {**config.method, "labels": settings.labels, "draw": settings.draw}
    if settings.epochs is not None:
        method["epochs"] = settings.epochs
    training = replace(config.training, max_steps=settings.max_steps or config.training.max_steps)
    return replace(config, seed=run.config.seed, split=split, method=method, training=training, start_from=None)


def _own_config(run: Run) -> RunConfig:
    """Return the recipe that suits a run's method, with the run's own views, encoder, clips and augmentation."""
    own, head = run.config, run.method.classification_head
    recipe = load_config(f"{RECIPES[head]}-{SIZES.get(own.preset, 'ucf101')}")
    return replace(
        recipe,
        preset=own.preset,
        views=own.views,
        encoder=own.encoder,
        clip=replace(own.clip, clips_per_video=1),
        augment=replace(own.augment, blur_probability=0.0),
        training=replace(
            own.training,
            batch_size=recipe.training.batch_size,
            validation_share=recipe.training.validation_share,
            max_steps=0,
        ),
        evaluation=own.evaluation,
    )


def _check_fits(config: RunConfig, run: Run, *, name: str) -> None:
    if not names_classes(config):
        method = config.method.get("name")
        raise UserError(f"{name} is a config of method {method}, which names no classes; give one of method classify")
    for view in config.views:
        if view not in run.views:
            hint = did_you_mean(view, run.views) or "."
            raise UserError(f"{name} names the view {view!r}{hint} The views of {run.path}: {', '.join(run.views)}")


def _finished(folder: Path) -> Run | None:
    """Return a child that has done the last step of its last stage."""
    if latest_checkpoint(folder) is None:
        return None
    child = Run.load(folder)
    at = child.position
    return child if at.is_stage_finished and at.stage_index == len(child.stages) - 1 else None


def _recorded_start(folder: Path) -> str | None:
    """Return what a child that was begun starts from: its own weights go on from there though the run has moved."""
    if not (folder / RESOLVED).is_file():
        return None
    recorded: str | None = read_yaml(folder / RESOLVED)["config"].get("start_from")
    return recorded


def _name(task: Task, settings: FinetuneSettings, config: RunConfig, *, start: Start) -> str:
    """Return such as "trained-labels5-draw2-1f0c9a2e": the hash is of all that its weights depend on."""
    identity: dict[str, Any] = {
        "config": without_speed_settings(as_plain(config)),
        "seed": config.seed,
        "weights": _digest((task.run.checkpoint / WEIGHTS).read_bytes()) if start == "trained" else None,
        "data": data_identity(task.data, task.data.part(task.split, "train"), tuple(config.views)),
    }
    few = [f"labels{settings.labels}", f"draw{settings.draw}"] if settings.labels is not None else []
    return "-".join([start, *few, _digest(json.dumps(identity, sort_keys=True).encode())[:8]])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
