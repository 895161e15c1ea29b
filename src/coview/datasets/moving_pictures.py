"""Files of kinds that may hold moving pictures, a still one or only sound: told apart by their first bytes."""

from collections.abc import Callable
from pathlib import Path

_READ_BYTES = 2**18
_OGG_VIDEO = (b"\x80theora", b"OVP80", b"BBCD\0", b"\x01video")


def is_moving(path: Path | str) -> bool:
    """Say whether a .gif, .webp, .apng or .ogg file holds moving pictures; a file that cannot be read holds none."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(_READ_BYTES)
    except OSError:
        return False
    return _KINDS[Path(path).suffix.lower()](start)


def _gif_moves(start: bytes) -> bool:
    """Walk the blocks of a GIF up to its second picture; one that is cut off before it has one picture at most."""
    if start[:4] != b"GIF8" or len(start) < 13:
        return False
    at = 13 + _colour_table(start[10])
    pictures = 0
    while at < len(start):
        kind = start[at]
        if kind == 0x2C and at + 10 <= len(start):  # a picture: its place and size, colours, data
            pictures += 1
            if pictures == 2:
                return True
            at += 11 + _colour_table(start[at + 9])
        elif kind == 0x21:  # an extension: its label, data
            at += 2
        else:
            return False
        while at < len(start) and start[at]:  # data comes in pieces of up to 255 bytes, the last one empty
            at += 1 + start[at]
        at += 1
    return pictures == 1 and len(start) == _READ_BYTES  # so large a first picture: let FFmpeg find out


def _colour_table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _webp_moves(start: bytes) -> bool:
    return start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8X" and len(start) > 20 and bool(start[20] & 2)


def _apng_moves(start: bytes) -> bool:
    return start[:8] == b"\x89PNG\r\n\x1a\n" and b"acTL" in start.partition(b"IDAT")[0]


def _ogg_moves(start: bytes) -> bool:
    return start[:4] == b"OggS" and any(codec in start[:4096] for codec in _OGG_VIDEO)


_KINDS: dict[str, Callable[[bytes], bool]] = {
    ".gif": _gif_moves,
    ".webp": _webp_moves,
    ".apng": _apng_moves,
    ".ogg": _ogg_moves,
}
PERHAPS_MOVING = frozenset(_KINDS)
"""Extensions that are worth asking `is_moving`."""
