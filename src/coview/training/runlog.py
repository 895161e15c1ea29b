"""What happened, as it happens: log.jsonl (one event a line), TensorBoard, and trackers where a run has any."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coview.files import disk_errors, read_line, seal_line, write_text
from coview.training.trackers import TrackedRun, Trackers

logger = logging.getLogger(__name__)

LOG_FILE = "log.jsonl"
_TEXTS = ("event", "stage", "time", "text")
_REQUIRED = {
    "stage": ("stage", "step"),
    "step": ("stage", "epoch", "step", "loss"),
    "epoch": ("stage", "epoch", "step", "loss"),
}


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunLog:
    """Appends events to RUN/log.jsonl and scalars to RUN/tensorboard; does nothing in processes other than rank 0.

    TensorBoard's files are a convenience: where they cannot be written, training goes on without, with a warning.

    Args:
        run: the run's folder.
        is_main: whether this process writes.
        last_step: global step of the checkpoint a resumed run goes on from; later lines are dropped, since those
            steps will be taken again. None for a new run.
        trackers: names of trackers that are told the scalars, too; see `coview.training.trackers`.
        settings: of the run, for them.

    Raises:
        UserError: the log cannot be written.
    """

    def __init__(
        self,
        run: Path,
        *,
        is_main: bool,
        last_step: int | None = None,
        trackers: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._run, self._file, self._board, self._trackers = run, None, None, None
        if not is_main:
            return
        path = run / LOG_FILE
        if last_step is not None and path.exists():
            kept = [event for event in read_log(path) if event.get("global_step", 0) <= last_step]
            write_text(path, "".join(f"{seal_line(event)}\n" for event in kept))
        with disk_errors(run):
            self._file = path.open("a", encoding="utf-8")
        purged = None if last_step is None else last_step + 1
        try:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._board = SummaryWriter(str(run / "tensorboard"), purge_step=purged)
        except OSError as error:
            self._give_up_board(error)
        self._trackers = Trackers(trackers, TrackedRun(run, settings or {}), is_resumed=bool(last_step))

    def write(self, event: str, **values: Any) -> None:
        """Append one event with the time; it is on disk when this returns, as far as the system's cache goes.

        Raises:
            UserError: the disk is full or refuses.
        """
        if self._file is not None:
            with disk_errors(self._run):
                self._file.write(seal_line({"event": event, **values, "time": now()}) + "\n")
                self._file.flush()

    def scalars(self, values: Mapping[str, float], *, global_step: int) -> None:
        """Send scalars to TensorBoard and to the trackers."""
        if self._trackers is not None:
            self._trackers.scalars(values, global_step=global_step)
        if self._board is not None:
            try:
                for name, value in values.items():
                    self._board.add_scalar(name, value, global_step)
            except OSError as error:
                self._give_up_board(error)

    def _give_up_board(self, error: OSError) -> None:
        self._board = None
        folder = self._run / "tensorboard"
        logger.warning(
            "%s cannot be written (%s): going on without TensorBoard; log.jsonl has the same numbers", folder, error
        )

    def close(self) -> None:
        """Write what is buffered and release the files."""
        if self._trackers is not None:
            self._trackers.finish()
        if self._board is not None:
            try:
                self._board.close()
            except OSError as error:
                self._give_up_board(error)
        if self._file is not None:
            with disk_errors(self._run):
                self._file.close()
            self._file = None


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the sound events of a log.jsonl; lines that were cut off or damaged are passed over, and counted aloud.

    Raises:
        UserError: the file cannot be read at all.
    """
    with disk_errors(path.parent):
        lines = path.read_bytes().split(b"\n")
    events = [event for event in map(_event, lines) if event is not None]
    if not events:
        logger.warning("%s holds no event", path)
    num_damaged = len([line for line in lines if line.strip()]) - len(events)
    if num_damaged:
        logger.warning("%s: %d of %d lines are damaged or cut off: passed over", path, num_damaged, len(lines))
    return events


def _event(line: bytes) -> dict[str, Any] | None:
    """Return what a line says; None where it is not as it was written."""
    try:
        event = read_line(line)
        is_event = datetime.fromisoformat(event["time"]).tzinfo is not None and _has_its_values(event)
        return event if is_event else None
    except (ValueError, TypeError, KeyError):
        return None


def _has_its_values(event: Mapping[str, Any]) -> bool:
    """Say whether an event holds what its readers rely on; lines of an older coview have no checksum."""
    named = all(isinstance(value, str) for key, value in event.items() if key in _TEXTS)
    counts = all(isinstance(event.get(key, 0), int) for key in ("epoch", "step", "global_step", "num_steps"))
    values = all(_is_amount(value) for key, value in event.items() if key not in _TEXTS)
    return named and counts and values and all(key in event for key in _REQUIRED.get(event["event"], ()))


def _is_amount(value: Any) -> bool:
    """Say whether a value is a number, or names with numbers, or a list of names."""
    if isinstance(value, dict):
        return all(map(_is_amount, value.values()))
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, int | float)
