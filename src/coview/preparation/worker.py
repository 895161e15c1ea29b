"""The life of one worker process: take a video, prepare it, say what became of it, take the next.

Started by `run_pool` with an interpreter of its own; see `coview.children`.
"""

import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection

from coview.children import join_parent
from coview.errors import UserError
from coview.preparation.outcomes import VideoOutcome
from coview.preparation.video import VideoTask, prepare_video

Message = tuple[str, VideoOutcome | str | int | None]
"""("idle", None), ("frames", so far), ("done", outcome), ("stop", why all must stop), ("crash", traceback)."""

_REPORT_SECONDS = 0.5


def use_one_thread() -> None:
    """Keep the libraries that the environment does not reach to one thread."""
    import cv2

    cv2.setNumThreads(1)


def main(arguments: Sequence[str]) -> None:
    """Serve the parent process, with the plugins it has, until it closes the pipe or is gone.

    Args:
        arguments: those of `coview.children`.
    """
    pipe, _ = join_parent(arguments)  # what this process wrote aside is swept later
    use_one_thread()
    with pipe:
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
