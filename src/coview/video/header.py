"""What the header of an opened video promises: its length and rate."""

import re
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

FALLBACK_FPS = 25.0
"""Frames a second of a video that does not say."""


def known_rate(rate: Fraction | None) -> float | None:
    """Return a rate that a video can have as a number; timers of 90 000 a second are no rates."""
    return float(rate) if rate is not None and 0 < rate <= 1000 else None


def stream_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the promised length of the pictures; None where the header speaks of no more than the longest stream."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    stated = re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", ""))  # as Matroska does
    if stated:
        return 3600 * int(stated[1]) + 60 * int(stated[2]) + float(stated[3])
    return file_seconds(container) if len(container.streams) == 1 else None


def file_seconds(container: InputContainer) -> float | None:
    """Return the promised length of the longest stream."""
    return container.duration / 1_000_000 if container.duration else None
