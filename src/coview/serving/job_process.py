"""The life of a process that does jobs for the page: take one, do it, say what became of it, take the next."""

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coview.children import join_parent
from coview.collection.index import Index
from coview.collection.opening import open_index
from coview.errors import UserError
from coview.files import write_json
from coview.serving import films
from coview.serving.looking_over import LOOKS

_LARGEST_FILE = 16 * 2**30


@dataclass
class Bench:
    """What jobs work with.

    Attributes:
        folder: of the index.
        run: folder of its run, where it was moved.
        tell: called with the share of the job that is done.
    """

    folder: Path
    run: Path | None
    tell: Callable[[float], None]
    _index: Index | None = None

    def index(self) -> Index:
        """Return the index, with its run."""
        if self._index is None:
            self._index = open_index(self.folder, run=self.run)
        return self._index


def _embed(bench: Bench, *, path: str, start: float | None, end: float | None) -> dict[str, Any]:
    vectors = bench.index().embed_query(Path(path), start, end)
    return {view: np.asarray(vector, np.float32) for view, vector in vectors.items()}


def _film(bench: Bench, *, path: str) -> dict[str, Any]:
    return films.describe_film(Path(path))


def _poster(bench: Bench, *, path: str, at: float, height: int, out: str) -> None:
    films.write_poster(Path(path), Path(out), at_seconds=at, height=height)


def _copy(bench: Bench, *, path: str, out: str) -> None:
    films.write_copy(Path(path), Path(out), tell=bench.tell)


def _view(bench: Bench, *, path: str, view: str, start: float, end: float, out: str) -> None:
    films.write_view(
        Path(path), Path(out), view=view, start_seconds=start, end_seconds=end, made_like=bench.index().run.resolved
    )


def _look_over(bench: Bench, *, kind: str, out: str) -> None:
    write_json(Path(out), LOOKS[kind](bench.index(), bench.tell))


JOBS: Mapping[str, Callable[..., Any]] = {
    "embed": _embed,
    "film": _film,
    "poster": _poster,
    "copy": _copy,
    "view": _view,
    "look_over": _look_over,
}


def main(arguments: Sequence[str]) -> None:
    """Serve the parent process until it closes the pipe or is gone.

    Args:
        arguments: those of `coview.children`; folder of the index; folder of its run, "" where that is where it was.
    """
    pipe, (index, run) = join_parent(arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    with pipe:
        bench = Bench(Path(index), Path(run) if run else None, lambda share: pipe.send(("share", share)))
        pipe.send(("ready", None))
        while True:
            try:
                name, values = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(("done", JOBS[name](bench, **values)))
            except UserError as error:
                pipe.send(("refused", str(error)))
            except Exception:
                pipe.send(("refused", "it failed for a reason that coview does not know; see the server's messages"))
                raise
