"""Errors that are the user's to mend: the command line prints them without a traceback.

Every message says what was given, what is allowed and what to do. Anything that is not a `UserError`
is a bug of ours and keeps its traceback.
"""

from pathlib import Path
from typing import Literal

VideoErrorKind = Literal[
    "missing",  # no such file
    "unreadable",  # the operating system refuses to open it
    "empty",  # zero bytes
    "not_a_video",  # no container FFmpeg knows
    "no_video_stream",  # audio only
    "no_frames",  # a video stream without one decodable frame
    "corrupt",  # decoding fails part of the way
    "too_large",  # a frame larger than we are willing to hold
    "too_sparse",  # its frames lie too far apart for the rate asked for
    "unmatched",  # keypoints or masks that were given for it are missing or do not fit its frames
    "too_slow",  # decoding or extraction ran past its time limit
]


class UserError(Exception):
    """Something the user gave cannot be used; the message says what to do."""


class VideoError(UserError):
    """One video cannot be read.

    Attributes:
        kind: which of the known ways it is broken, for counting.
        path: the file.
        cause: one line, what was seen.
    """

    def __init__(self, kind: VideoErrorKind, path: Path | str, cause: str) -> None:
        super().__init__(f"{path}: {kind.replace('_', ' ')}: {cause}")
        self.kind: VideoErrorKind = kind
        self.path = Path(path)
        self.cause = cause

    def __reduce__(self) -> tuple[type["VideoError"], tuple[VideoErrorKind, Path, str]]:
        """Keep the three arguments when the error crosses a process boundary."""
        return VideoError, (self.kind, self.path, self.cause)


class MissingExtraError(UserError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, *, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'coview[{extra}]'"
        )
