"""Files of labels: CSV, and the JSON of FiftyOne, Label Studio and VIA, read and written without their packages.

Each format is a file with `read(values, source) -> entries` and `write(labels, names, facts) -> text`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coview.collection.labels.faults import Faults
from coview.collection.labels.formats import csv_table, fiftyone, label_studio, via
from coview.collection.labels.label import Label
from coview.collection.labels.matching import Entry, relative_names
from coview.collection.store import VideoFacts
from coview.errors import UserError
from coview.registry import did_you_mean

FORMATS = ("csv", "fiftyone", "label-studio", "via")
_JSON: Mapping[str, Any] = {"fiftyone": fiftyone, "label-studio": label_studio, "via": via}


def choose_format(path: Path, format: str | None) -> str:
    """Return the format in which a file is to be written.

    Raises:
        UserError: an unknown one, or none was named and the file's name does not tell.
    """
    if format is not None:
        if format not in FORMATS:
            raise UserError(
                f"unknown format {format!r}{did_you_mean(format, FORMATS) or '.'} Known: {', '.join(FORMATS)}"
            )
        return format
    if path.suffix.lower() == ".csv":
        return "csv"
    raise UserError(f"{path.name}: in which format? Give --format: {', '.join(FORMATS)}")


def read_file(path: Path, format: str | None, faults: Faults) -> list[Entry]:
    """Return what a file of labels says, in its order.

    Args:
        path: the file.
        format: of it; None: recognised.
        faults: takes the lines of a table that cannot be understood.

    Raises:
        UserError: no such file, an unknown format, or damaged; says where.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise UserError(f"cannot read the labels {path}: {error.strerror or error}") from None
    chosen = None if format is None else choose_format(path, format)
    if chosen == "csv" or (chosen is None and not text.lstrip().startswith(("{", "["))):
        return csv_table.read(text, faults)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    chosen = chosen or next((name for name, module in _JSON.items() if module.recognises(values)), None)
    if chosen is None:
        raise UserError(f"{path} is in an unknown format; known: {', '.join(FORMATS)}. Which is it? Give --format")
    try:
        found: list[Entry] = _JSON[chosen].read(values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        cause = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is not in the format {chosen} ({cause}); known: {', '.join(FORMATS)}") from None
    except UserError as error:
        raise UserError(f"{path}, {error}") from None
    return found


def export_text(labels: Sequence[Label], format: str, *, base: Path, facts: Mapping[int, VideoFacts]) -> str:
    """Return labels as the text of a file that is to lie in the folder `base`."""
    names = relative_names(labels, base)
    if format == "csv":
        return csv_table.write(labels, names)
    return json.dumps(_JSON[format].write(labels, names, facts), indent=1) + "\n"
