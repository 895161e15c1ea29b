"""Terminals that cannot show every character: what they lack is written in plain letters, and nothing fails for it."""

import codecs
import io
import sys
import unicodedata

_HANDLER = "coview-plain"
_PLAIN = {"±": "+-", "·": "-", "–": "-", "—": "-", "−": "-", "×": "x", "…": "...", "→": "->", "✓": "v", "✗": "x"}


def write_plain_letters() -> None:
    """Let standard output and error write what their encoding lacks in plain letters: an ASCII terminal gets "+-"."""
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the characters that cannot be encoded, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    base = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode("ascii")
    return _PLAIN.get(character) or base or "?"


def one_line(text: str) -> str:
    """Return text that a terminal shows as it is: no line breaks, no control characters."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
