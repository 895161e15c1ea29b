"""What a command is: arguments as fields, settings with dots, one public function that is called, what it prints."""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import tyro

from coview.cli.parsing import parse_words
from coview.errors import UserError
from coview.locks import sweep_temporary_folders
from coview.stopping import Interrupted

Settings = dict[str, Any]
"""Dotted name -> value, such as {"views.rgb.size": 64}."""

RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Runs = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Source = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
OutFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
ConfigName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CONFIG")]
Videos = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="VIDEOS")]
Members = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN[:VIEW][=WEIGHT]")]
RunA = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
RunB = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="B")]


class Command(abc.ABC):
    """One command of `coview`; a subclass is a dataclass whose fields are its arguments, its docstring the help."""

    takes_settings: ClassVar[bool] = False
    """Words such as --training.batch-size 16 are settings rather than arguments."""
    plain_settings: ClassVar[tuple[str, ...]] = ()
    """Settings whose name has no dot."""
    runs_encoders: ClassVar[bool] = False
    when_interrupted: ClassVar[str] = "the same command starts again from the beginning"
    """What is told on Ctrl-C, SIGTERM or SIGHUP where what was interrupted does not say it itself."""

    @abc.abstractmethod
    def run(self, settings: Settings) -> int:
        """Call the public function, print what came of it, return the exit status."""


def run_words(kind: type[Command], words: Sequence[str], *, name: str) -> int:
    """Parse the words after a command's name and run it; return its exit status.

    Raises:
        UserError: what was given cannot be understood, or whatever the command raises.
        Interrupted: asked to stop; the message says what is kept.
    """
    settings: Settings = {}
    if kind.takes_settings:
        words, settings = split_settings(words, kind.plain_settings)
    command = parse_words(kind, words, name=name)
    if kind.runs_encoders:
        from coview.training.freed_memory import keep_freed_memory

        keep_freed_memory()
    sweep_temporary_folders()
    try:
        return command.run(settings)
    except KeyboardInterrupt as stop:
        raise Interrupted(str(stop) or f"interrupted; {kind.when_interrupted}", by=stop) from None


def split_settings(words: Sequence[str], plain: Sequence[str]) -> tuple[list[str], Settings]:
    """Take the settings out of a command line.

    Args:
        words: those after the command's name.
        plain: settings without a dot in their name.

    Returns:
        The other words, and the settings.

    Raises:
        UserError: a setting without a value, or with one that cannot be read.
    """
    rest: list[str] = []
    settings: Settings = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or ("." not in name and name not in plain):
            rest.append(word)
            continue
        if not equals:
            if not waiting or waiting[0].startswith("--"):
                raise UserError(f"--{name} needs a value, such as --{name} 1")
            text = waiting.pop(0)
        settings[name] = _read_setting(name, text)
    return rest, settings


def _read_setting(name: str, text: str) -> Any:
    from coview.config.yaml_files import read_value

    try:
        return read_value(text)
    except UserError as error:
        raise UserError(f"--{name}: {error}") from None


def split_plugins(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take every `--plugin MODULE` out of a command line; return the other words and the modules.

    Raises:
        UserError: one without a module.
    """
    rest: list[str] = []
    plugins: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.partition("=")
        if name != "--plugin":
            rest.append(word)
            continue
        if not equals:
            value = waiting.pop(0) if waiting and not waiting[0].startswith("-") else ""
        if not value:
            raise UserError("--plugin needs the name of a module, such as --plugin my_package")
        plugins.append(value)
    return rest, plugins


def own_settings(settings: Settings, kind: str, name: str, others: Sequence[str] = ()) -> Settings:
    """Return the settings of one protocol without its name: {"knn.k": 5} becomes {"k": 5} for the protocol knn.

    Raises:
        UserError: a setting of something else than it and the others that are used beside it.
    """
    own: Settings = {}
    for key, value in settings.items():
        first, _, rest = key.partition(".")
        whose = first.replace("_", "-")
        if rest and whose == name:
            own[rest] = value
        elif not rest or whose not in others:
            raise UserError(f"--{key} is no setting of {kind} {name}; its settings begin with --{name}.")
    return own
