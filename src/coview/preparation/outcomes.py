"""What became of each video, one line appended as soon as it is known: killed at any moment, nothing is lost.

The stored files are the work; these lines say which of them are finished and which videos failed, without
rewriting a manifest of thousands of rows after every video. Folding them into the manifest is the last step.
"""

import dataclasses
import errno
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from coview.datasets.prepared import WORK_FOLDER
from coview.datatypes import VideoEntry
from coview.files import read_line, seal_line

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoOutcome:
    """How preparing one video ended."""

    id: str
    """The video."""
    status: Literal["ready", "failed"]
    """ready: `views` are stored; failed: see `reason`."""
    views: tuple[str, ...] = ()
    """Views that are stored, whether or not another one failed."""
    reason: str = ""
    """"kind: cause" of a failure, or a remark about a ready video."""
    num_frames: int | None = None
    """In every stored view."""
    fps: float | None = None
    """Of the stored views."""
    width: int | None = None
    """Of the stored rgb frames."""
    height: int | None = None
    """Of the stored rgb frames."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """"<view>.<what>" -> what was counted while that view was made (`View.counts`)."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """View -> bytes and beginning of the SHA-256 of its stored file, as in `VideoEntry`."""
    source_stamp: tuple[int, int] | None = None
    """Size and modification time of the source file, by which a mended file is known."""
    finished_at: float = field(default_factory=time.time)
    """Seconds since 1970; the latest outcome of a video counts."""

    @property
    def duration_seconds(self) -> float | None:
        """num_frames / fps."""
        return self.num_frames / self.fps if self.num_frames and self.fps else None


def source_stamp(path: Path | str) -> tuple[int, int] | None:
    """Return size and modification time of a file, None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  (paths in manifests are text)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def read_outcomes(out: Path) -> dict[str, VideoOutcome]:
    """Read the latest outcome of each video from all outcome files of a data set; a torn line is skipped."""
    latest: dict[str, VideoOutcome] = {}
    for path in sorted((out / WORK_FOLDER).glob("outcomes*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            outcome = from_line(line)
            if outcome is not None:
                if outcome.id not in latest or outcome.finished_at >= latest[outcome.id].finished_at:
                    latest[outcome.id] = outcome
            elif line:
                log.info("%s: skipped a line that was cut off or damaged", path)
    return latest


def to_line(outcome: VideoOutcome) -> str:
    """Return an outcome as one line of JSON, without its end."""
    return seal_line(dataclasses.asdict(outcome))


def from_line(line: str) -> VideoOutcome | None:
    """Return the outcome that `to_line` wrote; None for a line that was cut off or damaged."""
    try:
        values = read_line(line.encode())
        stamp = values["source_stamp"]
        changes = {"views": tuple(values["views"]), "source_stamp": tuple(stamp) if stamp else None}
        return VideoOutcome(**{**values, **changes})
    except (ValueError, TypeError, KeyError):
        return None


def describe_unread(entries: Sequence[VideoEntry], *, most: int | None = None) -> list[str]:
    """Return a line a video that failed or is missing, and the counts of the remarks on those that are ready.

    Args:
        entries: the manifest.
        most: lines of videos, the rest is counted; None: all.
    """
    unread = [entry for entry in entries if entry.status != "ready"]
    lines = [f"  {entry.status} {entry.id}: {entry.reason or entry.status}" for entry in unread[:most]]
    if len(unread) > len(lines):
        lines.append(f"  and {len(unread) - len(lines):,} more")
    remarks = Counter(entry.reason.partition(":")[0] for entry in entries if entry.status == "ready" and entry.reason)
    if remarks:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in remarks.most_common())
        lines.append(f"  ready, with a remark: {kinds}")
    return lines


class OutcomeLog:
    """Appends outcomes to one file; the file is opened at the first outcome, so a run without work leaves no trace.

    Args:
        out: the prepared data set.
        name: "" or the share of a job array, such as "-2of8": each writes its own file.
    """

    def __init__(self, out: Path, name: str = "") -> None:
        self.path = out / WORK_FOLDER / f"outcomes{name}.jsonl"
        self._file: IO[bytes] | None = None

    def append(self, outcome: VideoOutcome) -> None:
        """Write one line and hand it to the operating system."""
        if self._file is None:
            self._file = self.path.open("ab+", buffering=0)
            if _ends_in_mid_line(self._file):
                self._file.write(b"\n")
        line = to_line(outcome).encode() + b"\n"
        if self._file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def close(self) -> None:
        """Close the file; safe to call twice."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _ends_in_mid_line(file: IO[bytes]) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"
