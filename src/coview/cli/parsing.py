"""Words of a command line -> a command; a mistake is one line, as everywhere else, in place of tyro's box."""

import contextlib
import inspect
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import tyro

from coview.errors import UserError
from coview.registry import did_you_mean

_Kind = TypeVar("_Kind")
_WHOLE, _ANY = "a whole number", "a number"
_KINDS = {"INT": _WHOLE, "FLOAT": _ANY}
_SHOWN = 60


def parse_words(kind: type[_Kind], words: Sequence[str], *, name: str) -> _Kind:
    """Return the command that `words` ask for; --help is printed and ends the program.

    Raises:
        UserError: an unknown option, a missing one, or a value of the wrong kind.
    """
    arguments: dict[str, Any] = {"prog": f"coview {name}", "description": inspect.getdoc(kind)}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command: _Kind = tyro.cli(kind, args=list(words), **arguments)
        return command
    except SystemExit as end:
        if not end.code:
            raise
    said, terminal = io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.ExitStack() as wide:  # once more, with every line whole, and a box of one kind
        wide.callback(_set_columns, os.environ.get("COLUMNS"))
        _set_columns("100000")
        wide.enter_context(contextlib.redirect_stdout(terminal))
        wide.enter_context(contextlib.redirect_stderr(said))
        wide.enter_context(contextlib.suppress(SystemExit))
        tyro.cli(kind, args=list(words), **arguments)
    raise UserError(f"{_in_one_line(said.getvalue(), name, words)} (see coview {name} --help)")


def _set_columns(width: str | None) -> None:
    """Say how wide the terminal is; None: it says so itself."""
    os.environ.pop("COLUMNS", None)
    if width is not None:
        os.environ["COLUMNS"] = width


def _in_one_line(box: str, name: str, words: Sequence[str]) -> str:
    """Return what tyro's box says; the words of one that is not known are tyro's own.

    What tyro hands to programs instead of text is private to it, and changes from version to version.
    """
    parts = _parts(box)
    message, rest = parts[0][0], [line for part in parts[1:] for line in part]
    if found := re.match(r"Error parsing (\S+?): (.*)", message):
        wanted = next((line.removeprefix(found[1]).strip() for line in rest if line.startswith(found[1])), "")
        given = re.search(r"'(.*)'", found[2])
        what = " or ".join(_KINDS.get(one, one) for one in wanted.split("|") if one != "{None}") or (
            _WHOLE if "int()" in found[2] else _ANY
        )
        return f"{found[1]} takes {what}, not {_shown(given[1]) if given else found[2]}"
    if found := re.match(r"invalid choice '(.*)' for argument '(.*)'\. Expected one of \((.*)\)", message):
        known = [one for one in re.findall(r"'(.*?)'", found[3]) if one != "None"]
        hint = did_you_mean(found[1], known) or "."
        return f"{found[2]} is {_shown(found[1])}{hint} Known: {', '.join(known)}"
    if found := re.match(r"Missing value for argument '(?:\('|)(.*?)(?:',\)|)'", message):
        dashed = next((word for word in words if re.match(r"-[^-]", word)), None)
        hint = f"; what begins with a dash comes last, after --: -- {_shown(dashed, quoted=False)}" if dashed else ""
        return f"{found[1]} needs a value{hint if not found[1].startswith('-') else ''}"
    if message.startswith("Missing from") and (needed := list(_needed(parts[0][1:]))):
        return f"coview {name} needs {'; '.join(needed)}"
    if found := re.match(r"Unrecognized options: (.*)", message):
        meant = [line.split()[0].strip(",") for line in rest if line.startswith("--")]
        hint = f"; did you mean {' or '.join(dict.fromkeys(meant))}?" if meant else ""
        return f"not understood: {_shown(found[1], quoted=False)}{hint}"
    return " ".join(" ".join([*parts[0], *rest]).split()) or "not understood"


def _parts(box: str) -> list[list[str]]:
    """Return the lines between the rules of a box; one empty line where there are none."""
    parts: list[list[str]] = [[]]
    for line in box.splitlines():
        text = line.strip("│╭╮╰╯ ")
        if line.startswith(("╭", "╰")):
            continue
        if text and not text.strip("─"):
            parts.append([])
        elif text:
            parts[-1].append(text)
    return list(filter(None, parts)) or [[""]]


def _needed(lines: Sequence[str]) -> Iterator[str]:
    """Yield each missing argument with its meaning; lines of both take turns."""
    for argument, meaning in zip(lines[::2], lines[1::2], strict=False):
        yield f"{argument.split()[0]}: {meaning.removesuffix('(required)').strip().rstrip('.')}"


def _shown(text: str, *, quoted: bool = True) -> str:
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return ascii(short) if quoted else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in short)
