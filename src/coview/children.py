"""Interpreters that this process starts for its work: with the coview and the plugins that it has, on one thread.

They need no guard in the user's script, as multiprocessing's do; however one ends, its pipe ends with it. Nothing is
imported from the current folder: a folder of videos may hold a file called random.py.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from coview.registry import load_plugins
from coview.stopping import leave_stopping_to_parent, stop_signals_held_back

_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_SINGLE_THREAD = dict.fromkeys(_THREAD_COUNTS, "1")
_COVIEW_IN = str(Path(__file__).resolve().parents[1])
_START = "import sys; {0!r} in sys.path or sys.path.insert(0, {0!r}); from {1} import main; main(sys.argv[1:])"


def start_child(
    module: str, *arguments: str, plugins: Sequence[str], output: IO[bytes] | None = None
) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start the function `main` of a module in a process of its own; it calls `join_parent` first.

    Args:
        module: the module; `main` takes a list of words.
        arguments: the last of these words.
        plugins: modules that the child imports, too.
        output: where what it prints goes; not given: where that of this process goes.

    Returns:
        The process, and this end of its pipe.
    """
    pipe, theirs = Pipe()
    start = [sys.executable, "-P", "-c", _START.format(_COVIEW_IN, module)]
    words = [str(theirs.fileno()), str(os.getpid()), json.dumps(_folders_of(plugins)), *arguments]
    with stop_signals_held_back():  # until the child has said that it leaves them to this process
        process = subprocess.Popen(
            [*start, *words],
            pass_fds=[theirs.fileno()],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends its children
        )
    theirs.close()
    return process, pipe


def join_parent(words: Sequence[str]) -> tuple[Connection, Sequence[str]]:
    """Prepare the process that `start_child` began: it ends with its parent, and has its plugins.

    Returns:
        The child's end of the pipe, and the arguments.
    """
    descriptor, parent, plugins, *arguments = words
    leave_stopping_to_parent(int(parent))
    folders: dict[str, str] = json.loads(plugins)
    sys.path += [folder for folder in dict.fromkeys(folders.values()) if folder not in sys.path]
    load_plugins(folders)
    return Connection(int(descriptor)), arguments


def _folders_of(plugins: Sequence[str]) -> dict[str, str]:
    """Return module -> the folder from which it was imported."""
    folders = {}
    for name in plugins:
        place = Path(sys.modules[name].__file__ or "").resolve()
        folders[name] = str(place.parents[name.count(".") + (place.name == "__init__.py")])
    return folders


def _environment() -> dict[str, str]:
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = [folder for folder in given if folder and Path(folder).resolve() != Path.cwd()]
    return {**os.environ, **_SINGLE_THREAD, "PYTHONPATH": os.pathsep.join(folders)}
