"""The command line, one file a command: parse, call one public function, print. Nothing heavy is imported before."""

import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from coview.cli.adapt import Adapt
from coview.cli.analyse import Analyse
from coview.cli.clusters import Clusters
from coview.cli.command import Command, run_words, split_plugins
from coview.cli.compare import Compare
from coview.cli.demo import Demo
from coview.cli.doctor import Doctor
from coview.cli.duplicates import Duplicates
from coview.cli.embed import Embed
from coview.cli.ensemble import Ensemble
from coview.cli.evaluate import Evaluate
from coview.cli.export import Export
from coview.cli.finetune import Finetune
from coview.cli.head import HeadCommand
from coview.cli.index import IndexCommand
from coview.cli.init import Init
from coview.cli.labels import LabelsCommand
from coview.cli.list import List
from coview.cli.outliers import Outliers
from coview.cli.predict import Predict
from coview.cli.prepare import Prepare
from coview.cli.pretrain import Pretrain
from coview.cli.sample import Sample
from coview.cli.score import Score
from coview.cli.search import Search
from coview.cli.serve import Serve
from coview.cli.shards import Shards
from coview.cli.table import TableCommand
from coview.cli.terminal import run_command
from coview.errors import UserError
from coview.registry import did_you_mean, load_plugins
from coview.stopping import end_with_launcher

COMMANDS: dict[str, type[Command]] = {
    "init": Init,
    "prepare": Prepare,
    "shards": Shards,
    "pretrain": Pretrain,
    "adapt": Adapt,
    "evaluate": Evaluate,
    "ensemble": Ensemble,
    "compare": Compare,
    "analyse": Analyse,
    "table": TableCommand,
    "embed": Embed,
    "export": Export,
    "index": IndexCommand,
    "search": Search,
    "duplicates": Duplicates,
    "outliers": Outliers,
    "clusters": Clusters,
    "sample": Sample,
    "labels": LabelsCommand,
    "head": HeadCommand,
    "finetune": Finetune,
    "predict": Predict,
    "score": Score,
    "serve": Serve,
    "demo": Demo,
    "doctor": Doctor,
    "list": List,
}


def main() -> None:
    """Entry point of the command `coview`."""
    os.environ["PYTHONSAFEPATH"] = "1"  # processes that this one starts import nothing from the current folder either
    end_with_launcher()
    sys.exit(run_command(lambda: run_arguments(sys.argv[1:])))


def run_arguments(arguments: Sequence[str]) -> int:
    """Run the command that a command line asks for; return its exit status.

    Raises:
        UserError: there is no such command, a plugin cannot be imported, or whatever the command raises.
    """
    from coview import __version__

    words, plugins = split_plugins(arguments)
    if plugins:
        sys.path.append(str(Path.cwd()))  # where a plugin that is not installed lies
        load_plugins(plugins)
    if not words or words[0] in ("-h", "--help", "help"):
        _print_overview(__version__)
        return 0
    if words[0] in ("--version", "-V"):
        print(f"coview {__version__}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        raise UserError(f"unknown command {name!r}{did_you_mean(name, COMMANDS) or '.'} Known: {', '.join(COMMANDS)}.")
    _require_folder()
    return run_words(COMMANDS[name], words[1:], name=name)


def _require_folder() -> None:
    """Make sure that the current folder is there: paths start from it, and torch does not load without."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UserError("the current folder is not there any more; go to another one (cd)") from None


def _print_overview(version: str) -> None:
    """Print the commands, a line each."""
    print(f"coview {version}: learn from unlabelled video by letting several views of it teach each other\n")
    for name, kind in COMMANDS.items():
        print(f"  coview {name:10} {(inspect.getdoc(kind) or '').splitlines()[0]}")
    print("\nEvery command takes --plugin MODULE, a package that registers methods, views, encoders, ... of its own.")
    print("Start with: coview demo. Each command explains itself: coview prepare --help")
