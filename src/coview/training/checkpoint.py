"""Checkpoints that are whole or not there: written aside, synced, renamed.

RUN/checkpoints/<stage>-<step>/ holds model.safetensors (the method's weights and buffers), state.pt (all else that
affects the next step: optimiser, schedule, scaler, random states) and meta.json (where in the run it stands).
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from coview.errors import UserError

FOLDER = "checkpoints"
WEIGHTS, STATE, META = "model.safetensors", "state.pt", "meta.json"


@dataclass
class Position:
    """Where the next step is; counts start at 0.

    Attributes:
        stage_index: place in the method's stages.
        stage: that stage's name.
        epoch: epoch within the stage.
        step_in_epoch: optimiser step within the epoch: the data position.
        step: optimiser step within the stage.
        global_step: optimiser step within the run.
        is_stage_finished: the stage has done its last step.
        epoch_loss_sum: of the steps of this epoch so far, for the plateau schedule without validation videos.
    """

    stage_index: int = 0
    stage: str = ""
    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    global_step: int = 0
    is_stage_finished: bool = False
    epoch_loss_sum: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read back."""

    path: Path
    position: Position
    weights: Mapping[str, Tensor]
    state: Mapping[str, Any]


def save_checkpoint(
    run: Path, position: Position, *, weights: Mapping[str, Tensor], state: Mapping[str, Any], keep: int
) -> Path:
    """Write a checkpoint and remove the oldest of the same stage beyond `keep`.

    Raises:
        UserError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    folder = run / FOLDER / f"{position.stage}-{position.step:08d}"
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for stale in folder.parent.glob(".*.tmp"):
            shutil.rmtree(stale, ignore_errors=True)
        aside.mkdir()
        save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, aside / WEIGHTS)
        torch.save(dict(state), aside / STATE)
        (aside / META).write_text(json.dumps(asdict(position), indent=1), encoding="utf-8")
        for file in aside.iterdir():
            _sync(file)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
        _sync(folder.parent)
    except (OSError, RuntimeError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise _write_error(error, folder) from error
    for old in checkpoints(run, stage=position.stage)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def _write_error(error: OSError | RuntimeError, folder: Path) -> Exception:
    """Turn a full or read-only disk into the user's error; safetensors and torch.save report it in their own words."""
    text = str(error).lower()
    is_full = getattr(error, "errno", None) == errno.ENOSPC or "no space" in text or "unexpected pos" in text
    is_full = is_full or "file write failed" in text
    if not is_full and not isinstance(error, OSError):
        return error
    free = shutil.disk_usage(folder.parent if folder.parent.exists() else Path.cwd()).free / 2**20
    cause = f"the disk is full ({free:.0f} MB free)" if is_full else str(error)
    return UserError(
        f"cannot write the checkpoint {folder}: {cause}. Earlier ones are kept; make room, then go on with --resume"
    )


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checkpoints(run: Path, *, stage: str | None = None) -> list[Path]:
    """Return the run's whole checkpoints, oldest first; of one stage or of all."""
    found = []
    for path in (run / FOLDER).glob("*"):
        match = re.fullmatch(r"(.+)-(\d{8})", path.name)
        if match and (path / META).is_file() and stage in (None, match[1]):
            meta = json.loads((path / META).read_text(encoding="utf-8"))
            found.append((meta["stage_index"], meta["step"], path))
    return [path for *_, path in sorted(found)]


def latest_checkpoint(run: Path) -> Path | None:
    """Return the newest checkpoint of a run, None where there is none yet."""
    return next(reversed(checkpoints(run)), None)


def read_position(path: Path) -> Position:
    """Return where in its run a checkpoint stands."""
    return Position(**json.loads((path / META).read_text(encoding="utf-8")))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, tensors on the CPU.

    Raises:
        UserError: it is damaged; the message names the file.
    """
    try:
        weights = load_file(path / WEIGHTS)
        state = torch.load(path / STATE, map_location="cpu", weights_only=True)
        return Checkpoint(path, read_position(path), weights, state)
    except Exception as error:
        raise UserError(
            f"the checkpoint {path} is damaged ({type(error).__name__}: {error}); "
            "remove that folder to go on from the one before"
        ) from error
