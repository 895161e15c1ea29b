"""Protocol "finetune": the whole network trained with labels, from the run's weights and from scratch.

A fine-tuned child stands in RUN/finetune/<what>-<hash>/: a run like any other, trained once and found again.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from coview.config import Count, NonNegativeFloat, Positive, RunConfig, as_plain
from coview.config.files import load_config
from coview.embedding.cache import data_identity
from coview.embedding.run import Run
from coview.errors import UserError
from coview.evaluation.ensembles import DEFAULT_WEIGHTS
from coview.evaluation.features import remark_on_features
from coview.evaluation.protocols.aggregation import chance_row, guess_class
from coview.evaluation.protocols.base import Protocol, Scores, Task, require_two_classes
from coview.evaluation.protocols.inference import NumCrops, classify_videos, names_classes
from coview.evaluation.query_gallery import choose_videos
from coview.evaluation.results.result import ScoreRow
from coview.evaluation.results.runs import without_speed_settings
from coview.methods.base import ClassificationHead
from coview.registry import did_you_mean
from coview.stopping import Interrupted
from coview.training.checkpoint import WEIGHTS, latest_checkpoint
from coview.training.pretrain import pretrain
from coview.training.runfolder import RESOLVED, read_resolved

logger = logging.getLogger(__name__)

FOLDER = "finetune"
Start = Literal["trained", "random"]
STARTS: Mapping[Start, str] = {"trained": "fine-tuned from the run's weights", "random": "trained from scratch"}
_RECIPES: Mapping[ClassificationHead, str] = {"features": "finetune-vicc", "context": "finetune-cocon"}
"""Head of the classifier -> beginning of the names of the configs whose recipe it takes."""
_SIZES = {"cpu": "ucf10-cpu"}
"""Preset -> the rest of that name; of any other preset "ucf101"."""


@dataclass(frozen=True)
class FinetuneSettings:
    """How a run is fine-tuned, and what is averaged when the result is tested."""

    config: str | None = None
    """A config of method classify: its name or file. Not set: views, encoder, clips and augmentation of the run
    without blur, with the recipe of finetune-cocon-... where the method looks at contexts, else of
    finetune-vicc-..., its CPU-sized twin for a run of preset cpu."""
    start: Literal["both", "trained", "random"] = "both"
    """trained: begin with the run's weights; random: train from scratch, the baseline; or do both."""
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
        return tuple(STARTS) if self.start == "both" else (self.start,)


class Finetune(Protocol):
    """Top-1, top-5 and accuracy per class after fine-tuning all weights, beside the same training from scratch."""

    Settings = FinetuneSettings

    def score(self, task: Task) -> Scores:
        """Train the run's children where they are not there yet, and score them; see `Protocol.score`."""
        chosen: FinetuneSettings = self.settings
        videos = choose_videos(task.data, task.split, along_with=task.along_with)
        require_two_classes(videos, protocol="finetune")
        rows: list[ScoreRow] = []
        settings: dict[str, Any] = {}
        predictions: Mapping[str, Any] = {}
        remarks = list(remark_on_features(task))
        for start in chosen.starts:
            child = finetune_run(task, chosen, start)
            found = classify_videos(
                replace(task, run=child), videos, crops=chosen.crops, weights=chosen.weights, kind=start
            )
            rows += found.rows
            predictions = predictions or found.predictions  # the run's own, where both are asked for
            settings = {**found.settings, "classifier": describe_recipe(child)}
            remarks.append(f"{STARTS[start]}: {child.path.relative_to(task.run.path)}")
        rows.append(chance_row(videos, guess_class, description="classes in random order"))
        return Scores(
            rows=tuple(rows),
            counts=found.counts,
            settings={**as_plain(chosen), **settings, "crops": chosen.crops},
            split=task.split,
            variant=_variant(chosen),
            predictions=predictions,
            remarks=tuple(remarks),
        )


def describe_recipe(child: Run) -> dict[str, Any]:
    """Return the settings that a fine-tuned run was trained with."""
    config = as_plain(child.config)
    method = {name: value for name, value in config["method"].items() if name not in ("name", "classes")}
    return {**method, **{name: config[name] for name in ("encoder", "augment", "optimiser", "schedule")}}


def _variant(chosen: FinetuneSettings) -> str:
    """Return what of the settings makes a result of its own: a config, few labels, one start alone."""
    parts = [Path(chosen.config).stem if chosen.config else ""]
    parts += [f"labels{chosen.labels}-draw{chosen.draw}"] if chosen.labels is not None else []
    parts += [chosen.start] if chosen.start != "both" else []
    return "-".join(part for part in parts if part)


def finetune_run(task: Task, settings: FinetuneSettings, start: Start) -> Run:
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
    task.data.require_files(config.views)
    folder = task.run.path / FOLDER / _name(task, settings, config, start=start)
    finished = find_finished(folder)
    if finished is not None:
        logger.info("%s before: %s", STARTS[start], folder)
        return finished
    if start == "trained":
        config = replace(config, start_from=_recorded_start(folder) or str(task.run.checkpoint.resolve()))
    logger.info("to be %s: %s", STARTS[start], folder)
    result = pretrain(config, data=task.data.root, out=folder, resume=True, device=task.device, progress=task.progress)
    if not result.is_complete:
        raise Interrupted(f"stopped; the same command goes on there: {folder}", by=result.stopped_by)
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
    recipe = load_config(f"{_RECIPES[head]}-{_SIZES.get(own.preset, 'ucf101')}")
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
            val_fraction=recipe.training.val_fraction,
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


def find_finished(folder: Path) -> Run | None:
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
    recorded: str | None = read_resolved(folder)["config"].get("start_from")
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
