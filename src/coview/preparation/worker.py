"""The life of one worker process: take a video, prepare it, say what became of it, take the next.

Started by `run_pool` with an interpreter of its own rather than `multiprocessing`'s: it needs no guard in the user's
script, and however it ends, its pipe ends with it.
"""

import json
import sys
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection

from coview.errors import UserError
from coview.preparation.outcomes import VideoOutcome
from coview.preparation.video import VideoTask, prepare_video
from coview.registry import load_plugins
from coview.stopping import leave_stopping_to_parent

_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
SINGLE_THREAD = dict.fromkeys(_THREAD_COUNTS, "1")
"""Environment of a worker: as many processes as cores, so one thread each."""

Message = tuple[str, VideoOutcome | str | int | None]
"""("idle", None), ("frames", so far), ("done", outcome), ("stop", why all must stop), ("crash", traceback)."""

_REPORT_SECONDS = 0.5


def use_one_thread() -> None:
    """Keep the libraries that the environment does not reach to one thread."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def main(arguments: Sequence[str]) -> None:
    """Serve the parent process, with the plugins it has, until it closes the pipe or is gone.

    Args:
        arguments: descriptor of the pipe, process number of the parent, JSON of plugin -> folder it lies in.
    """
    descriptor, parent, plugins = arguments
    leave_stopping_to_parent(int(parent))  # what it wrote aside is swept later
    use_one_thread()
    folders: dict[str, str] = json.loads(plugins)
    sys.path += [folder for folder in dict.fromkeys(folders.values()) if folder not in sys.path]
    load_plugins(folders)
    with Connection(int(descriptor)) as pipe:
        while True:
            pipe.send(("idle", None))
            try:
                task: VideoTask = pipe.recv()
            except EOFError:
                return
            _work(task, pipe)


def _work(task: VideoTask, pipe: Connection) -> None:
    frames = 0
    reported_at = time.monotonic()

    def on_frame() -> None:
        nonlocal frames
        frames += 1
        report()

    def report() -> None:
        nonlocal reported_at
        now = time.monotonic()
        if now - reported_at > _REPORT_SECONDS:
            reported_at = now
            pipe.send(("frames", frames))

    try:
        outcome = prepare_video(task, on_frame=on_frame, on_piece=report)
    except UserError as error:
        pipe.send(("stop", str(error)))
    except Exception:
        pipe.send(("crash", traceback.format_exc()))
        raise
    else:
        pipe.send(("frames", frames))
        pipe.send(("done", outcome))
