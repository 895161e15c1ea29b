"""Whether all of index.sqlite-wal is still there, which a killed process leaves.

SQLite takes a damaged write-ahead log for one that ends before the damage, and what was confirmed after it is gone
without a word. The file index.sqlite-shm, which is left beside it, knows how far the log went, and its last checksum.
Formats: https://www.sqlite.org/fileformat2.html#the_write_ahead_log and https://www.sqlite.org/walformat.html
"""

import struct
import time
from pathlib import Path

_LOG_HEADER, _FRAME_HEADER, _STATE = 32, 24, struct.Struct("=3I2BHII2I8s2I")
_WORD = 2**32


def is_log_damaged(table: Path) -> bool:
    """Say whether the log of a table lacks something that was confirmed.

    False where nobody can know: there is no log, nothing beside it that tells of this one, others are writing just now,
    or the machine has started anew since, as -shm is never brought to the disk for certain.
    """
    log, shared = (table.with_name(f"{table.name}-{end}") for end in ("wal", "shm"))
    try:
        before = shared.read_bytes()[: 2 * _STATE.size]
        content = log.read_bytes()
        after = shared.read_bytes()[: 2 * _STATE.size]
        written = shared.stat().st_mtime
    except OSError:
        return False
    half = len(before) // 2
    if len(before) < 2 * _STATE.size or before != after or before[:half] != before[half:] or written < _started_at():
        return False
    _, _, _, is_begun, is_big_endian, _, frames, _, *last, salt, _, _ = _STATE.unpack_from(before)
    if not is_begun or frames == 0:
        return False
    order = "big" if is_big_endian else "little"
    if _has_sound_header(content, order) and content[16:24] != salt:
        return False  # another log than the one that is told of
    return _checksum_after(content, frames, salt, order) != tuple(last)


def _started_at() -> float:
    """Return when this machine was started, in seconds as files have them; 0 where it does not say."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _has_sound_header(log: bytes, order: str) -> bool:
    return len(log) >= _LOG_HEADER and _add((0, 0), log[:24], order) == struct.unpack(">2I", log[24:32])


def _checksum_after(log: bytes, frames: int, salt: bytes, order: str) -> tuple[int, int] | None:
    """Return the checksum of a log after so many frames, None where one of them is not sound."""
    if not _has_sound_header(log, order):
        return None
    page = int.from_bytes(log[8:12], "big")
    summed = struct.unpack(">2I", log[24:32])
    for place in range(_LOG_HEADER, _LOG_HEADER + frames * (_FRAME_HEADER + page), _FRAME_HEADER + page):
        frame = log[place : place + _FRAME_HEADER + page]
        if len(frame) < _FRAME_HEADER + page or frame[8:16] != salt:
            return None
        summed = _add(_add(summed, frame[:8], order), frame[_FRAME_HEADER:], order)
        if summed != struct.unpack(">2I", frame[16:24]):
            return None
    return summed


def _add(summed: tuple[int, int], data: bytes, order: str) -> tuple[int, int]:
    """Go on with a checksum over pairs of words."""
    first, second = summed
    words = struct.unpack(f"{'>' if order == 'big' else '<'}{len(data) // 4}I", data)
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) % _WORD
        second = (second + words[place + 1] + first) % _WORD
    return first, second
