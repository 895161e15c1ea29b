"""Moving pictures, still ones and sound in files of the same extension."""

import struct

import pytest

from coview.datasets.moving_pictures import is_moving

PICTURE = b"\x2c" + struct.pack("<HHHHB", 0, 0, 2, 2, 0) + b"\x02\x02\x4c\x01\x00"
PAUSE = b"\x21\xf9\x04\x00\x05\x00\x00\x00"
LOOP = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
HEAD = b"GIF89a" + struct.pack("<HHBBB", 2, 2, 0x80, 0, 0) + bytes(6)


def webp(flags):
    return b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00" + bytes([flags]) + bytes(9)


def png(chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", 0) + chunk + bytes(4) for chunk in chunks)


CASES = {
    "two pictures.gif": (HEAD + LOOP + PAUSE + PICTURE + PAUSE + PICTURE + b";", True),
    "one picture that loops.gif": (HEAD + LOOP + PAUSE + PICTURE + b";", False),
    "a comma is no picture.gif": (HEAD + PAUSE + PICTURE + b"\x21\xfe\x03,,,\x00;", False),
    "cut off.gif": (HEAD + PAUSE + PICTURE[:12], False),
    "other.gif": (b"GIF of sorts", False),
    "empty.gif": (b"", False),
    "animated.webp": (webp(0x12), True),
    "still.WEBP": (webp(0x10), False),
    "plain.webp": (b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(20), False),
    "animated.apng": (png([b"IHDR", b"acTL", b"IDAT"]), True),
    "still.apng": (png([b"IHDR", b"IDAT", b"acTL"]), False),
    "video.ogg": (b"OggS" + bytes(24) + b"\x80theora" + bytes(9), True),
    "song.ogg": (b"OggS" + bytes(24) + b"\x01vorbis" + bytes(9), False),
}


@pytest.mark.parametrize("name", CASES)
def test_the_beginning_of_a_file_tells(name, tmp_path):
    content, moves = CASES[name]
    (tmp_path / name).write_bytes(content)
    assert is_moving(tmp_path / name) is moves


def test_a_file_that_is_not_there_does_not_move(tmp_path):
    assert not is_moving(tmp_path / "none.gif")
