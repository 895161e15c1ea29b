"""The command line: parse, call one function, print. Nothing heavy is imported before a command runs."""

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from coview.cli.compare import Compare, Ensemble
from coview.cli.make import Embed, Prepare, Pretrain
from coview.cli.scores import Analyse, Assignments, Evaluate, Tabulate
from coview.cli.terminal import run_command
from coview.errors import UserError
from coview.registry import did_you_mean, load_plugins


@dataclass(frozen=True)
class Demo:
    """Walk the whole road on synthetic videos: files, views, pre-training, retrieval, report."""

    out: Path = Path("demo")
    """Folder for everything the demo makes; a second call goes on there."""
    config: str = "demo"
    """Settings of the run."""

    def run(self, assignments: Assignments) -> int:
        """Run the road's commands one after the other, each printed as a user would type it."""
        from coview.cli.road import run_demo

        return run_demo(self.out, self.config, assignments, run_arguments)


@dataclass(frozen=True)
class Doctor:
    """Say what is installed, what is missing for which feature, which codecs and devices work; test it in a second."""

    def run(self, assignments: Assignments) -> int:
        """Print the findings as they come."""
        from rich.console import Console

        from coview.cli.examination import examine

        colours = {"ok": "green", "missing": "yellow", "note": "cyan", "broken": "bold red"}
        console, is_broken = Console(soft_wrap=True, highlight=False), False
        for finding in examine():
            is_broken |= finding.verdict == "broken"
            verdict = f"[{colours[finding.verdict]}]{finding.verdict:8}[/]"
            console.print(f"{verdict} {finding.what:18} {finding.detail}")
        return 1 if is_broken else 0


@dataclass(frozen=True)
class List:
    """List what a config or a command may name: views, encoders, methods, layouts, protocols, analyses, ..."""

    what: tyro.conf.Positional[
        Literal["all", "views", "encoders", "methods", "layouts", "protocols", "analyses", "configs", "settings"]
    ] = "all"
    """Which list."""

    def run(self, assignments: Assignments) -> int:
        """Print the list."""
        from coview.cli.reference import listing

        print(listing(self.what))
        return 0


Command = Prepare | Pretrain | Evaluate | Ensemble | Compare | Analyse | Tabulate | Embed | Demo | Doctor | List
COMMANDS: dict[str, type[Command]] = {
    "prepare": Prepare,
    "pretrain": Pretrain,
    "evaluate": Evaluate,
    "ensemble": Ensemble,
    "compare": Compare,
    "analyse": Analyse,
    "table": Tabulate,
    "embed": Embed,
    "demo": Demo,
    "doctor": Doctor,
    "list": List,
}
PLAIN_SETTINGS: dict[str, tuple[str, ...]] = {
    "prepare": (),
    "pretrain": ("seed", "split", "preset", "start-from", "start_from"),
    "evaluate": (),
    "ensemble": (),
    "analyse": (),
    "demo": ("seed",),
}
"""Commands that take dotted settings, and the settings without a dot that each takes."""


COMPUTES = ("pretrain", "evaluate", "ensemble", "analyse", "embed")
"""Commands that run encoders."""


def split_settings(arguments: Sequence[str], plain: Sequence[str]) -> tuple[list[str], Assignments]:
    """Take the settings out of a command line.

    Args:
        arguments: the words after the command.
        plain: settings without a dot in their name.

    Returns:
        The other words, and the settings as (dotted name, text).

    Raises:
        UserError: a setting without a value.
    """
    rest: list[str] = []
    assignments: Assignments = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or ("." not in name and name not in plain):
            rest.append(word)
            continue
        if not equals:
            if not waiting or waiting[0].startswith("--"):
                raise UserError(f"--{name} needs a value, such as --{name} 1")
            value = waiting.pop(0)
        assignments.append((name, value))
    return rest, assignments


def split_plugins(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take every `--plugin MODULE` out of a command line; return the other words and the modules.

    Raises:
        UserError: one without a module.
    """
    rest: list[str] = []
    plugins: list[str] = []
    waiting = list(arguments)
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


def print_overview() -> int:
    """Print the commands, a line each."""
    from coview import __version__

    print(f"coview {__version__}: learn from unlabelled video by letting several views of it teach each other\n")
    for name, kind in COMMANDS.items():
        print(f"  coview {name:9} {inspect.getdoc(kind).splitlines()[0]}")  # type: ignore[union-attr]
    print("\nEvery command takes --plugin MODULE: a package that registers methods, views, encoders, ... of its own.")
    print("Start with: coview demo. Each command explains itself: coview prepare --help")
    return 0


def run_arguments(arguments: Sequence[str]) -> int:
    """Run the command that a command line asks for; return its exit status."""
    from coview import __version__

    arguments, plugins = split_plugins(arguments)
    if plugins:
        sys.path.append(str(Path.cwd()))  # where a plugin that is not installed lies
        load_plugins(plugins)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        return print_overview()
    if arguments[0] in ("--version", "-V"):
        print(f"coview {__version__}")
        return 0
    name, rest = arguments[0], list(arguments[1:])
    if name not in COMMANDS:
        raise UserError(f"unknown command {name!r}{did_you_mean(name, COMMANDS) or '.'} Known: {', '.join(COMMANDS)}.")
    if name in COMPUTES:
        from coview.training.freed_memory import keep_freed_memory

        keep_freed_memory()
    assignments: Assignments = []
    if name in PLAIN_SETTINGS:
        rest, assignments = split_settings(rest, PLAIN_SETTINGS[name])
    kind = COMMANDS[name]
    command: Command = tyro.cli(kind, args=rest, prog=f"coview {name}", description=inspect.getdoc(kind))
    return command.run(assignments)


def main() -> None:
    """Entry point of the command `coview`."""
    sys.exit(run_command(lambda: run_arguments(sys.argv[1:])))
