"""Odd values of the options of commands, drawn from what their parsers take: each is refused in one line, at once."""

import dataclasses
import os
import shutil
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from campaign import Campaign
from children import Ended, command, run_child
from odd_settings import ODD_TEXTS, leaves
from victims import Victim
from works import Works

from coview.cli import COMMANDS
from coview.cli.command import Command
from coview.config import RunConfig

WRONG = {
    int: ("x", "1.5", "nan", "", "1e3", "[1]", "-1", "0x10", "--", "é", "1 2"),
    float: ("x", "nan", "inf", "-inf", "1e999", "", "-1", "1,5", "[1]", "--"),
    bool: ("maybe", "1", "on", "null"),
}
"""What no option of this kind takes."""
ODD = {
    int: ("0", "9" * 30, "9" * 5000, "-" + "9" * 30),
    float: ("0", "1e-400", "1e308", "9" * 400),
    bool: ("True",),
    str: (
        "",
        "x",
        "no such",
        "../..",
        "x" * 5000,
        "a\u2028b",
        "=",
        "a=b=c",
        "nan",
        "0/0",
        "3/2",
        "-1/2",
        "1/" + "9" * 30,
        "\t",
    ),
}
"""What may be taken or not."""
_REFUSED_SECONDS = 3.0
_LONG_SECONDS = 8.0


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of a command, and the kinds of its values."""

    name: str
    kinds: tuple[Any, ...]
    takes_many: bool

    def draw(self, random: np.random.Generator) -> tuple[str, bool]:
        """Return a value, and whether it must be refused."""
        choices = [one for one in self.kinds if typing.get_origin(one) is Literal]
        kind: Any = next((one for one in (int, float, bool) if one in self.kinds), str)
        if choices:
            wrong, odd = ("", "x", "x" * 5000, typing.get_args(choices[0])[0].upper()), ()
        else:
            wrong, odd = WRONG.get(kind, ()), ODD[kind]
        place = int(random.integers(len(wrong) + len(odd)))
        return [*wrong, *odd][place], place < len(wrong)


def options_of(kind: type[Command]) -> Iterator[Option]:
    """Yield the options of a command, those without a place of their own."""
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        if name not in {field.name for field in dataclasses.fields(kind)}:
            continue
        notes = getattr(hint, "__metadata__", ())
        if tyro.conf.Positional in notes:
            continue
        named = next((note.name for note in notes if getattr(note, "name", None)), name)
        plain = typing.get_args(hint)[0] if notes else hint
        takes_many = typing.get_origin(plain) is tuple
        inner = typing.get_args(plain) if takes_many or typing.get_origin(plain) is not Literal else ()
        yield Option(f"--{named.replace('_', '-')}", inner or (plain,), takes_many)


def try_options(campaign: Campaign, victim: Victim, folder: Path, *, each: int, only: Sequence[str] = ()) -> None:
    """Give each command `each` odd values, one at a time."""
    works, out, log, scratch = Works(victim, folder), folder / "odd", folder / "odd.log", folder / "scratch"
    scratch.mkdir(exist_ok=True)
    for name in only or commands(works, out):
        random, kind = campaign.generator(f"options {name}"), COMMANDS[name.split()[0]]
        options = list(options_of(kind))
        for _ in range(each):
            words = _begin(works, name, out)
            if kind.takes_settings and kind.plain_settings and random.integers(2):
                settings = list(leaves(RunConfig))
                option = f"--{settings[int(random.integers(len(settings)))]}"
                value, must_refuse = ODD_TEXTS[int(random.integers(len(ODD_TEXTS)))], False
            else:
                chosen = options[int(random.integers(len(options)))]
                value, must_refuse = chosen.draw(random)
                option, words = chosen.name, _without(words, chosen.name)

            def event(words: list[object] = words, given: str = f"{option}={value}", must: bool = must_refuse) -> str:
                run = command(*words, given)
                ended = run_child(lambda: _within(scratch, run), log, limit_seconds=_LONG_SECONDS)
                return _objection(ended, must_refuse=must)

            told = f"{name} {option}={value[:40]!r}"
            campaign.attempt("options of commands", told, event, limit_seconds=60)
    shutil.rmtree(out, ignore_errors=True)


def commands(works: Works, out: Path) -> dict[str, list[object]]:
    """Return name -> a command line that is right."""
    index = works.collection.index
    asked = {
        "search": ["search", index, works.victim.source / "missing.mp4"],
        "outliers": ["outliers", index],
        "clusters": ["clusters", index, "--min-size", 2],
        "sample": ["sample", index, 2],
        "serve": ["serve", index, "--port", 0],
        "labels export": ["labels", "export", index, out / "labels.csv"],
        "table": ["table", works.victim.run],
    }
    asked["search"][2] = sorted(works.victim.source.glob("*.mp4"))[0]
    names = [name for name in works.table if "workers" not in name and name not in ("export torch", "embed videos")]
    return {**{name: works.words(name, out) for name in names}, **asked}


def _begin(works: Works, name: str, out: Path) -> list[object]:
    if name in works.table:
        works.begin(name, out)
    else:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
    return commands(works, out)[name]


def _within(folder: Path, run: Callable[[], int]) -> int:
    """Run a command in a folder where names that mean nothing find nothing."""
    os.chdir(folder)
    return run()


def _without(words: Sequence[object], option: str) -> list[object]:
    """Return words without an option and its value."""
    if option not in words:
        return [*words]
    place = words.index(option)
    return [*words[:place], *words[place + 2 :]]


def _objection(ended: Ended, *, must_refuse: bool) -> str:
    if ended.status == 99:
        return "taken, and worked with" if must_refuse else ""
    lines = [line for line in ended.text.splitlines() if line]
    if ended.objection:
        return ended.objection
    if ended.status != 2:
        return f"taken: exit status {ended.status}" if must_refuse else ""
    if sum(line.startswith("error: ") for line in lines) != 1:
        return f"not one line: {ended.text[-300:]!r}"
    is_slow = ended.processor_seconds > _REFUSED_SECONDS
    return f"refused after {ended.processor_seconds:.1f} s" if must_refuse and is_slow else ""
