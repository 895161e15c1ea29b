"""Checkpoints that are whole or not there: written aside, synced, renamed; and read only if they are as written.

RUN/checkpoints/<stage>-<step>/ holds model.safetensors (the method's weights and buffers), state.pt (all else that
affects the next step: optimiser, schedule, scaler, random states), meta.json (where in the run it stands) and
SHA256SUMS, the checksums of the three, in the form that `sha256sum --check` takes.
"""

import io
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from coview.config import parse
from coview.errors import UserError
from coview.files import SUMS, hash_file, refusal, to_disk, write_synced

logger = logging.getLogger(__name__)

FOLDER = "checkpoints"
WEIGHTS, STATE, META = "model.safetensors", "state.pt", "meta.json"


class DamagedCheckpointError(UserError):
    """A checkpoint is not as it was written."""


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
        epoch_loss_sum: of the steps of this epoch so far, for the plateau schedule without validation videos; the
            mean over the processes, each of which has its own in state.pt.
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

    Those of a later step of the stage go too: training went back behind them, because they are damaged.

    Raises:
        UserError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    folder = run / FOLDER / f"{position.stage}-{position.step:08d}"
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(run)
        aside.mkdir()
        sums = ""
        for name, content in _contents(position, weights, state):
            sums += f"{write_synced(aside / name, content)}  {name}\n"
        write_synced(aside / SUMS, sums.encode())
        to_disk(aside)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
        to_disk(folder.parent)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)  # before the free space is told
        cause = refusal(error, folder) or error
        raise UserError(
            f"cannot write the checkpoint {folder}: {cause}. Earlier checkpoints are untouched: mend that, then go on "
            "with --resume"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    steps = {step: path for path, stage, step in _folders(run) if stage == position.stage}
    kept = sorted(step for step in steps if step <= position.step)[-keep:]
    for step in steps.keys() - set(kept):
        shutil.rmtree(steps[step], ignore_errors=True)
    return folder


def _contents(
    position: Position, weights: Mapping[str, Tensor], state: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of the files of a checkpoint, one after the other: only one of them is held in memory."""
    yield WEIGHTS, safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in weights.items()})
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    yield STATE, buffer.getvalue()
    yield META, json.dumps(asdict(position), indent=1).encode()


def remove_unfinished(run: Path) -> None:
    """Remove the checkpoints that a killed process left half-written; the caller is the only one at the run."""
    for stale in (run / FOLDER).glob(".*.tmp"):
        shutil.rmtree(stale, ignore_errors=True)


def _folders(run: Path) -> list[tuple[Path, str, int]]:
    """Return (folder, stage, step) of the run's checkpoints as their names say, sound or not."""
    matches = ((path, re.fullmatch(r"(.+)-(\d{8})", path.name)) for path in (run / FOLDER).glob("*"))
    return [(path, match[1], int(match[2])) for path, match in matches if match and path.is_dir()]


def checkpoints(run: Path, *, stage: str | None = None) -> list[Path]:
    """Return the run's checkpoints, oldest first; of one stage or of all. One without its place is told and left out.

    Whether weights and state are sound is seen when they are read, and by `latest_checkpoint`.
    """
    found = []
    for path, of_stage, _ in _folders(run):
        if stage in (None, of_stage):
            try:
                position = read_position(path)
            except DamagedCheckpointError as error:
                _warn_once(f"left out: {error}")
            else:
                found.append((position.stage_index, position.step, path))
    return [path for *_, path in sorted(found)]


def latest_checkpoint(run: Path, *, is_to_train: bool = True) -> Path | None:
    """Return the newest sound checkpoint of a run, None where there is none yet; tells of newer ones that are damaged.

    Args:
        run: its folder.
        is_to_train: the state of training has to be sound, too; otherwise it is not looked at.

    Raises:
        UserError: there are checkpoints, and every one of them is damaged.
    """
    damaged = []
    for path in reversed(checkpoints(run)):
        try:
            _require_sound(path, with_state=is_to_train)
        except DamagedCheckpointError as error:
            damaged.append(str(error))
        else:
            for text in damaged:
                _warn_once(f"{text}. Taken instead: {path.name}")
            return path
    if _folders(run):
        names = ", ".join(sorted(path.name for path, *_ in _folders(run)))
        raise UserError(
            f"every checkpoint of {run} is damaged: {names}. Put sound copies there, or remove {run / FOLDER} to train "
            "from the beginning"
        )
    return None


@cache
def _warn_once(text: str) -> None:
    logger.warning("%s", text)


def _require_sound(path: Path, *, with_state: bool) -> None:
    """Check the files of a checkpoint against their checksums; one that has none is read."""
    if not (path / SUMS).is_file():
        (load_checkpoint if with_state else read_weights)(path)
    for name in (WEIGHTS, META, *([STATE] if with_state else [])):
        _require_as_written(path, name)


def _require_as_written(path: Path, name: str) -> None:
    """Compare one file of a checkpoint with its checksum; checkpoints of an older coview have none.

    Raises:
        DamagedCheckpointError: it differs, or one of the two cannot be read.
    """
    try:
        if not (path / SUMS).exists():
            return
        sums = (path / SUMS).read_text(encoding="utf-8")
        stamp = (path / name).stat()
        found = _hash_of(path / name, stamp.st_size, stamp.st_mtime_ns)
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, name, error) from error
    if f"{found}  {name}" not in sums.split("\n"):
        raise _damaged(path, name, "its content is not what was written")


@cache
def _hash_of(path: Path, size: int, modified: int) -> str:
    """Return the hash of a file that was `modified` then: taken once in a process."""
    return hash_file(path)


def _damaged(path: Path, name: str, cause: object) -> DamagedCheckpointError:
    seen = f"{type(cause).__name__}: {cause}" if isinstance(cause, Exception) else cause
    return DamagedCheckpointError(f"the checkpoint {path} is damaged: {name}: {seen}")


def read_position(path: Path) -> Position:
    """Return where in its run a checkpoint stands.

    Raises:
        DamagedCheckpointError: meta.json is damaged.
    """
    _require_as_written(path, META)
    try:
        return parse(Position, json.loads((path / META).read_bytes()), source=META)
    except (OSError, ValueError, TypeError, RecursionError, UserError) as error:
        raise _damaged(path, META, error) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights of a checkpoint, on the CPU.

    Raises:
        DamagedCheckpointError: model.safetensors is damaged.
    """
    _require_as_written(path, WEIGHTS)
    try:
        return safetensors.torch.load_file(path / WEIGHTS)
    except Exception as error:
        raise _damaged(path, WEIGHTS, error) from error


def hash_weights(path: Path) -> str:
    """Return the SHA-256 of a checkpoint's weights, which is taken once in a process.

    Raises:
        OSError: they cannot be read.
    """
    stamp = (path / WEIGHTS).stat()
    return _hash_of(path / WEIGHTS, stamp.st_size, stamp.st_mtime_ns)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, tensors on the CPU.

    Raises:
        DamagedCheckpointError: the message names the file.
    """
    position, weights = read_position(path), read_weights(path)
    _require_as_written(path, STATE)
    try:
        state = torch.load(path / STATE, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _damaged(path, STATE, error) from error
    return Checkpoint(path, position, weights, state)
