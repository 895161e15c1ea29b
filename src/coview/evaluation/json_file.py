"""Results as JSON files: written aside and renamed; a number that does not exist is null."""

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coview.config import as_plain
from coview.errors import UserError


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values as JSON, atomically; nan and infinities become null.

    Raises:
        UserError: the folder cannot be written.
    """
    text = json.dumps(_without_nan(as_plain(values)), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, as `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, atomically, with the folders it needs.

    Raises:
        UserError: it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise UserError(f"cannot write the result {path}: {error}") from error


def _without_nan(values: Any) -> Any:
    if isinstance(values, float) and not math.isfinite(values):
        return None
    if isinstance(values, dict):
        return {key: _without_nan(value) for key, value in values.items()}
    return [_without_nan(value) for value in values] if isinstance(values, list) else values
