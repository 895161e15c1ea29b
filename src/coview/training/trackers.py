"""Trackers of experiments (Weights & Biases, MLflow, Trackio), told what TensorBoard is told; each is an extra.

A tracker gets the run's name, its settings and its scalars: no path but the last part of one, nothing of the machine.
"""

import abc
import importlib.util
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

from coview.errors import MissingExtraError, UserError
from coview.files import disk_errors, write_json
from coview.registry import did_you_mean
from coview.wording import without_folders

logger = logging.getLogger(__name__)

TRACKERS_FILE = "trackers.json"
"""In a run's folder: tracker -> the name by which it knows the run, so that a resumed one goes on there."""
PROJECT = "coview"
_PARAMETERS_A_CALL = 100


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told once.

    Attributes:
        folder: of the run; a tracker may keep files of its own in it.
        settings: the run's, as plain values; paths are cut to their last part.
    """

    folder: Path
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.folder.resolve().name


class Tracker(abc.ABC):
    """One run in a tracker, which is begun, or gone on with, as this is made.

    Args:
        run: what is tracked.
        key: by which the tracker knows a run that goes on; None begins one.
    """

    package: ClassVar[str]
    key: str

    @abc.abstractmethod
    def __init__(self, run: TrackedRun, key: str | None) -> None: ...

    @abc.abstractmethod
    def scalars(self, values: Mapping[str, float], *, global_step: int) -> None:
        """Send the values of a step."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Send what is waiting and let go of the run."""


@final
class WandbTracker(Tracker):
    """Weights & Biases; WANDB_MODE=offline keeps everything in the run's folder, WANDB_PROJECT names the project."""

    package = "wandb"

    def __init__(self, run: TrackedRun, key: str | None) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self.key = key or secrets.token_hex(4)
        reticent = wandb.Settings(
            console="off",
            disable_git=True,
            save_code=False,
            host="",
            quiet=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            id=self.key,
            resume="allow",
            config=dict(run.settings),
            dir=str(run.folder),
            settings=reticent,
        )
        self._run.define_metric("*", step_metric="global_step")  # steps after a checkpoint are taken twice

    def scalars(self, values: Mapping[str, float], *, global_step: int) -> None:
        """Send the values of a step."""
        self._run.log({**values, "global_step": global_step})

    def finish(self) -> None:
        """Send what is waiting and let go of the run."""
        self._run.finish()


@final
class MlflowTracker(Tracker):
    """MLflow, at MLFLOW_TRACKING_URI, in the experiment MLFLOW_EXPERIMENT_NAME or "coview"."""

    package = "mlflow"

    def __init__(self, run: TrackedRun, key: str | None) -> None:
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        self._metric, self._client = Metric, MlflowClient()  # the client adds no user, host or source
        if key is not None:
            self.key = key
            self._client.update_run(key, status="RUNNING")
            return
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self._client.get_experiment_by_name(project)
        place = self._client.create_experiment(project) if experiment is None else experiment.experiment_id
        self.key = self._client.create_run(place, run_name=run.name).info.run_id
        parameters = [Param(name, str(value)) for name, value in _flat(run.settings).items()]
        for first in range(0, len(parameters), _PARAMETERS_A_CALL):
            self._client.log_batch(self.key, params=parameters[first : first + _PARAMETERS_A_CALL])

    def scalars(self, values: Mapping[str, float], *, global_step: int) -> None:
        """Send the values of a step; MLflow allows fewer letters in a name."""
        now_ms = round(1000 * time.time())
        names = {name: re.sub(r"[^\w./ -]", "_", name) for name in values}
        metrics = [self._metric(names[name], value, now_ms, global_step) for name, value in values.items()]
        self._client.log_batch(self.key, metrics=metrics)

    def finish(self) -> None:
        """Say that the run has ended."""
        self._client.set_terminated(self.key)


@final
class TrackioTracker(Tracker):
    """Trackio, in files on this machine; TRACKIO_PROJECT names the project."""

    package = "trackio"

    def __init__(self, run: TrackedRun, key: str | None) -> None:
        import trackio

        self._trackio, self.key = trackio, key or f"{run.name}-{secrets.token_hex(4)}"
        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        trackio.init(project=project, name=self.key, config=dict(run.settings), resume="allow")

    def scalars(self, values: Mapping[str, float], *, global_step: int) -> None:
        """Send the values of a step."""
        self._trackio.log(dict(values), step=global_step)

    def finish(self) -> None:
        """Send what is waiting and let go of the run."""
        self._trackio.finish()


TRACKERS: dict[str, type[Tracker]] = {kind.package: kind for kind in (WandbTracker, MlflowTracker, TrackioTracker)}


class Trackers:
    """The trackers of a run. One that fails is given up with a warning, and training goes on without it.

    Args:
        names: which; see `check_trackers`.
        run: what is tracked.
        is_resumed: go on with the runs that an earlier call began.
    """

    def __init__(self, names: Sequence[str], run: TrackedRun, *, is_resumed: bool) -> None:
        self._used: dict[str, Tracker] = {}
        keys = _read_keys(run.folder) if is_resumed else {}
        settings = without_folders(run.settings)
        told = TrackedRun(run.folder, settings)
        for name in names:
            self._try(name, partial(self._begin, name, told, keys.get(name)))
        if self._used:
            write_json(run.folder / TRACKERS_FILE, {**keys, **{name: one.key for name, one in self._used.items()}})

    def scalars(self, values: Mapping[str, float], *, global_step: int) -> None:
        """Send the values of a step to each."""
        for name, tracker in list(self._used.items()):
            self._try(name, partial(tracker.scalars, values, global_step=global_step))

    def finish(self) -> None:
        """Let each send what is waiting."""
        for name, tracker in list(self._used.items()):
            self._try(name, tracker.finish)
        self._used.clear()

    def _begin(self, name: str, run: TrackedRun, key: str | None) -> None:
        self._used[name] = TRACKERS[name](run, key)

    def _try(self, name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  (others' code, and a network: whatever it raises, training goes on)
            self._used.pop(name, None)
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            logger.warning("--log %s failed (%s): going on without; log.jsonl has the same numbers", name, reason)


def check_trackers(names: Sequence[str]) -> None:
    """Make sure that trackers are known and installed.

    Raises:
        TypeError: one string instead of several.
        UserError: there is no such tracker, or its package is not installed.
    """
    if isinstance(names, str):
        raise TypeError(f"log must be names of trackers, such as ({names!r},), not one string")
    for name in names:
        if name not in TRACKERS:
            raise UserError(
                f"no tracker {name!r}{did_you_mean(name, TRACKERS) or '.'} There are: {', '.join(TRACKERS)}"
            )
        if importlib.util.find_spec(TRACKERS[name].package) is None:
            raise MissingExtraError(f"--log {name}", package=TRACKERS[name].package, extra=name)


def _read_keys(folder: Path) -> dict[str, str]:
    path = folder / TRACKERS_FILE
    if not path.is_file():
        return {}
    with disk_errors(folder):
        text = path.read_bytes()
    try:
        keys = json.loads(text)
    except ValueError:
        keys = None
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        logger.warning("%s is damaged: trackers begin new runs", path)
        return {}
    return keys


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted name -> value."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
