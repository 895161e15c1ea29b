"""What happened, as it happens: log.jsonl (one event a line) and TensorBoard."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOG_FILE = "log.jsonl"


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunLog:
    """Appends events to RUN/log.jsonl and scalars to RUN/tensorboard; does nothing in processes other than rank 0.

    Args:
        run: the run's folder.
        is_main: whether this process writes.
        last_step: global step of the checkpoint a resumed run goes on from; later lines are dropped, since those
            steps will be taken again. None for a new run.
    """

    def __init__(self, run: Path, *, is_main: bool, last_step: int | None = None) -> None:
        self._file = None
        if not is_main:
            return
        from torch.utils.tensorboard.writer import SummaryWriter

        path = run / LOG_FILE
        if last_step is not None and path.exists():
            kept = [event for event in read_log(path) if event.get("global_step", 0) <= last_step]
            path.write_text("".join(json.dumps(event) + "\n" for event in kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=None if last_step is None else last_step + 1)

    def write(self, event: str, **values: Any) -> None:
        """Append one event with the time; it is on disk when this returns, as far as the system's cache goes."""
        if self._file is not None:
            self._file.write(json.dumps({"event": event, **values, "time": now()}) + "\n")
            self._file.flush()

    def scalars(self, values: Mapping[str, float], *, global_step: int) -> None:
        """Send scalars to TensorBoard."""
        if self._file is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, global_step)

    def close(self) -> None:
        """Write what is buffered and release the files."""
        if self._file is not None:
            self._file.close()
            self._board.close()
            self._file = None


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the events of a log.jsonl; a last line cut off by a kill is passed over."""
    events = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            if number != len(lines) - 1:
                raise
    return events
