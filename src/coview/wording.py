"""Counts, names and values in messages."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_HISSING = ("s", "x", "ch", "sh")
_FOLDERS = re.compile(r"""(?<![\w.:/~\\-])(?:/|[A-Za-z]:[/\\])(?:[^\s/\\:'"<>,;()]+[/\\])*(?=\w)""")
"""The folders of an absolute path inside a text; what follows is the file's own name."""


def some(names: Sequence[str], count: int = 3) -> str:
    """Return the first few names, for messages: "a, b, c and 4 more"."""
    rest = len(names) - count
    return ", ".join(names[:count]) + (f" and {rest:,} more" if rest > 0 else "")


def counted(count: int, noun: str) -> str:
    """Return such as "1 file", "1,200 files" or "3 batches"."""
    plural = "es" if noun.endswith(_HISSING) else "s"
    return f"{count:,} {noun}{'' if count == 1 else plural}"


def short(given: object) -> str:
    """Return a value as it stands in a message: itself where that is short, and its type."""
    text, kind = repr(given), type(given).__name__
    return f"{text} ({kind})" if len(text) <= 60 and "\n" not in text else f"of type {kind}"


def without_folders(values: Any) -> Any:
    """Return a text with every absolute path in it cut down to its last name; in lists and mappings each text.

    What people share (results, reports, embeddings) tells nobody how their disks and accounts are called.
    """
    if isinstance(values, str):
        return _FOLDERS.sub("", values)
    if isinstance(values, Mapping):
        return {key: without_folders(value) for key, value in values.items()}
    return [without_folders(value) for value in values] if isinstance(values, list | tuple) else values
