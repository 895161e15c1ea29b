"""The run for videos of one's own, where no config is given: `joint` on the views that are there, as long as asked."""

import logging
import math
import os
import statistics
import time
from collections.abc import Mapping
from typing import Any

from coview.clips.loader import steps_per_epoch
from coview.config import RunConfig
from coview.config.files import load_config
from coview.datasets.prepared import PreparedDataset
from coview.errors import UserError
from coview.locks import temporary_folder
from coview.training.building import select_videos
from coview.training.choices import Choice, Footage, Machine, choose_config
from coview.training.pretrain import pretrain
from coview.wording import counted

logger = logging.getLogger(__name__)

EPOCHS = "method.epochs"
MINUTES = 10.0
_MOST_MINUTES = 1_000_000
WARM_UP_STEPS = 3
TIMED_STEPS = 6
LONGEST_WARM_UP = 0.05
"""Share of the steps in which the learning rate may rise."""


def sized_config(
    data: PreparedDataset,
    settings: Mapping[str, Any] | None = None,
    *,
    minutes: float | None = None,
    device: str = "auto",
) -> RunConfig:
    """Return the config `joint` with all views of a data set and the epochs that fit into some minutes.

    A few steps are taken on the data to see how long one lasts on this machine; nothing is kept of them. Where
    `settings` give the epochs, none are taken. Training takes split1 if there is one, else the first split, else all.

    Args:
        data: what to train on.
        settings: changes to the config, by dotted name.
        minutes: that training shall last, by the clock; not given: 10.
        device: as for `pretrain`.

    Raises:
        UserError: minutes beside given epochs or below 0, several processes, or settings and data that do not fit.
    """
    settings = dict(settings or {})
    config, choices = choose_config(footage_of(data), Machine.look(device), settings)
    for choice in choices:
        logger.info("%s", choice)
    if _names_epochs(settings):
        if minutes is not None:
            raise UserError(f"both minutes and {EPOCHS} say how long to train; give one of them")
        return config
    return load_config(fit_epochs(config, data, minutes=minutes, device=device), settings)


def fit_epochs(
    config: RunConfig, data: PreparedDataset, *, minutes: float | None = None, device: str = "auto"
) -> RunConfig:
    """Return a config with the epochs that fit into some minutes on this machine; see `sized_config`.

    Args:
        config: of a method that trains in one stage of `epochs`.
        data: what to train on.
        minutes: by the clock; not given: 10.
        device: as for `pretrain`.

    Raises:
        UserError: minutes below 0, or several processes.
    """
    minutes = MINUTES if minutes is None else minutes
    check_minutes(minutes)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError(f"several processes cannot measure how long a step lasts; give a config, or {EPOCHS}")
    videos = select_videos(config, data.part(config.split, "train"))
    sized, choice = reckon_epochs(config, seconds_per_step(config, data, device=device), len(videos), minutes=minutes)
    logger.info("%s", choice)
    return sized


def check_minutes(minutes: float) -> None:
    """Refuse minutes that no training lasts.

    Raises:
        UserError: not above 0, no number, or longer than anybody waits.
    """
    if not 0 < minutes <= _MOST_MINUTES:
        raise UserError(f"minutes is {minutes:g}, expected above 0 and at most {_MOST_MINUTES:,}")


def reckon_epochs(config: RunConfig, seconds: float, num_videos: int, *, minutes: float) -> tuple[RunConfig, Choice]:
    """Return a config with the epochs that fit into some minutes, and how that was reckoned.

    A warm-up of more than a twentieth of the steps is shortened to that: few steps would be little else.

    Args:
        config: the run.
        seconds: that a step lasts.
        num_videos: videos to train on.
        minutes: that training shall last.
    """
    per_epoch = steps_per_epoch(num_videos, batch_size=config.training.batch_size)
    epochs = max(1, round(60 * minutes / seconds / per_epoch))
    choice = Choice(
        "epochs",
        f"{epochs} of {counted(per_epoch, 'step')}",
        f"what fits into {minutes:g} min at {seconds:.2f} s a step",
    )
    warmup = min(config.schedule.warmup_steps, math.ceil(LONGEST_WARM_UP * epochs * per_epoch))
    return load_config(config, {EPOCHS: epochs, "schedule.warmup_steps": warmup}), choice


def footage_of(data: PreparedDataset) -> Footage:
    """Return what a prepared data set holds, in short; split1 if there is one, else the first split, else all."""
    ready = [(entry.num_frames, entry.fps) for entry in data.entries if entry.status == "ready"]
    rates = [fps for frames, fps in ready if frames and fps]
    lengths = [frames / fps for frames, fps in ready if frames and fps]
    fps, seconds = (statistics.median(rates), statistics.median(lengths)) if rates else (25.0, 0.0)
    split = "split1" if "split1" in data.splits else next(iter(data.splits), None)
    return Footage(len(ready), seconds, fps, tuple(data.view_options), split)


def seconds_per_step(config: RunConfig, data: PreparedDataset, *, device: str = "auto") -> float:
    """Return how long a training step of a run lasts on this machine, decoding included."""
    done_at: list[float] = []
    short = load_config(
        config, {"training.max_steps": WARM_UP_STEPS + TIMED_STEPS, EPOCHS: WARM_UP_STEPS + TIMED_STEPS}
    )
    with temporary_folder() as folder:
        pretrain(
            short,
            data=data.root,
            out=folder / "run",
            device=device,
            progress=lambda done, total, amounts: done_at.append(time.monotonic()),
        )
    return (done_at[-1] - done_at[WARM_UP_STEPS - 1]) / TIMED_STEPS


def joint_config(data: PreparedDataset, settings: Mapping[str, Any] | None = None) -> RunConfig:
    """Return the config `joint` with the views and the split of a data set, and the settings; epochs as they stand."""
    return choose_config(footage_of(data), Machine(cores=1), settings or {})[0]


def _names_epochs(settings: Mapping[str, Any]) -> bool:
    method = settings.get("method")
    return EPOCHS in settings or (isinstance(method, Mapping) and "epochs" in method)
