"""The folder of a head: head.json says what it is, head-*.safetensors hold its numbers; sealed, neither runs code."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

from coview.errors import UserError
from coview.files import (
    check_format,
    disk_errors,
    make_folder,
    read_line,
    remove_parts,
    seal_line,
    write_bytes,
    write_text,
)

FORMAT = 1
ABOUT, REPORT = "head.json", "report.html"


def is_head(path: Path) -> bool:
    """Whether a folder is one of a head."""
    return (path / ABOUT).is_file()


def check_place(path: Path, *, overwrite: bool) -> None:
    """Refuse a place at which no head can be written, before any work is done for it.

    Raises:
        UserError: something is there.
    """
    if path.exists() and not (path.is_dir() and (is_head(path) or all(map(_is_left_over, path.iterdir())))):
        raise UserError(f"{path} is there already and is no head; choose a new folder")
    if is_head(path) and not overwrite:
        raise UserError(f"{path} holds a head already; choose a new folder, or replace it with --overwrite")


def _is_left_over(path: Path) -> bool:
    """Whether a file is one of those that are written before head.json, by a process that came to no end."""
    return path.name == REPORT or path.match("head-*.safetensors") or path.match(".part-*")


def write_files(folder: Path, about: Mapping[str, Any], numbers: Mapping[str, NDArray[Any]]) -> None:
    """Write a folder; a head that was there stays whole until the new one is.

    Raises:
        UserError: it cannot be written.
    """
    data = tensor_bytes({name: np.ascontiguousarray(values) for name, values in numbers.items()})
    digest = hashlib.sha256(data).hexdigest()
    name = f"head-{digest[:16]}.safetensors"
    with disk_errors(folder):
        make_folder(folder)
        remove_parts(folder)
        before = {file.name for file in folder.glob("head-*.safetensors")}
        write_bytes(folder / name, data)
        sealed = seal_line({"format": FORMAT, **about, "file": name, "sha256": digest})
        write_text(folder / ABOUT, f"{sealed}\n")
        for old in before - {name}:
            (folder / old).unlink(missing_ok=True)


def read_files(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what head.json says, and the numbers.

    Raises:
        UserError: no head there, or one of another version of coview.
        ValueError: a damaged one; also OSError, KeyError, TypeError.
    """
    if not is_head(folder):
        raise UserError(f"{folder} is no head: it has no {ABOUT}; make one with: coview head INDEX --out {folder}")
    about = read_line((folder / ABOUT).read_bytes().strip())
    check_format(about["format"], known=FORMAT, what=str(folder), remedy="make the head again")
    name = str(about["file"])
    if Path(name).name != name:
        raise ValueError(f"it names the file {name!r}")
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise ValueError(f"the checksum of {name} differs")
    try:
        return about, read_tensors(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
