"""Counts and lists of names in messages."""

from collections.abc import Sequence

_HISSING = ("s", "x", "ch", "sh")


def some(names: Sequence[str], count: int = 3) -> str:
    """Return the first few names, for messages: "a, b, c and 4 more"."""
    rest = len(names) - count
    return ", ".join(names[:count]) + (f" and {rest:,} more" if rest > 0 else "")


def counted(count: int, noun: str) -> str:
    """Return such as "1 file", "1,200 files" or "3 batches"."""
    plural = "es" if noun.endswith(_HISSING) else "s"
    return f"{count:,} {noun}{'' if count == 1 else plural}"
