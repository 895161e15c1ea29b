"""Rendered clips -> a folder of video files with labels and truth, as a real data set would come."""

import contextlib
import csv
import io
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import cv2

from coview.config import as_plain, read_yaml, write_yaml
from coview.datasets.synthetic.reading import LABELS_FILE
from coview.datasets.synthetic.rendering import render_clip
from coview.datasets.synthetic.settings import SyntheticSettings, action_of, clip_id, group_name, split_of
from coview.datasets.synthetic.truth import TRUTH_FOLDER, Truth, write_truth
from coview.errors import UserError
from coview.files import atomic_path, remove_parts
from coview.locks import why_no_processes
from coview.stopping import leave_stopping_to_parent
from coview.video.encode import Preset
from coview.video.stored import write_rgb

SETTINGS_FILE = "synthetic.yaml"
KEY_FRAME_DISTANCE = 25
CRF = 20.0
PRESET: Preset = "veryfast"


def write_synthetic(
    out: Path,
    settings: SyntheticSettings,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write all clips of the synthetic data set, those that are already there excepted.

    `out` gets <id>.mp4, truth/<id>.npz (`read_truth`), synthetic.yaml and, at the end, labels.csv. Every file appears
    whole or not at all; stopped at any moment, the next call goes on, and a call after the last changes nothing.

    Args:
        out: the folder; made if it does not exist.
        settings: what to render.
        workers: processes; 1 renders in this one.
        progress: called with (clips there, clips in all), first for those found.

    Raises:
        UserError: `out` holds something else or clips of other settings, or cannot be written to.
    """
    try:
        _claim(out, settings)
        missing = [index for index in range(settings.num_videos) if not _video_path(out, index).exists()]
        tell = progress or _tell_nobody
        done = settings.num_videos - len(missing)
        tell(done, settings.num_videos)
        for _ in _write_clips(out, settings, missing, workers=workers):
            done += 1
            tell(done, settings.num_videos)
        if missing or not (out / LABELS_FILE).exists():
            _write_labels(out, settings)
    except OSError as error:
        raise UserError(
            f"cannot write synthetic clips to {out}: {error.strerror or error}. What is finished is kept; mend that "
            f"and give the same command again"
        ) from error


def _tell_nobody(done: int, total: int) -> None:
    pass


def _claim(out: Path, settings: SyntheticSettings) -> None:
    """Make the folder ours, or check that it is ours and of the same settings; clear what a stopped call left."""
    record = out / SETTINGS_FILE
    if record.exists():
        written = read_yaml(record)
        asked = as_plain(settings)
        if written != asked:
            unlike = [
                f"{name} {written.get(name)} (asked: {value})"
                for name, value in asked.items()
                if written.get(name) != value
            ]
            raise UserError(
                f"{out} holds synthetic clips of other settings: {', '.join(unlike)}; choose another folder"
            )
    else:
        out.mkdir(parents=True, exist_ok=True)
        remove_parts(out)
        if any(out.iterdir()):
            raise UserError(f"{out} is not empty and holds no synthetic clips; choose another folder")
        with atomic_path(record) as aside:
            write_yaml(aside, as_plain(settings), first_line="Synthetic clips, rendered by coview with these settings")
    (out / TRUTH_FOLDER).mkdir(exist_ok=True)
    for folder in (out, out / TRUTH_FOLDER):
        remove_parts(folder)


def _write_clips(out: Path, settings: SyntheticSettings, indices: Sequence[int], *, workers: int) -> Iterator[None]:
    """Write the clips of these indices, yielding after each."""
    write = partial(_write_clip, out, settings)
    if workers <= 1 or len(indices) <= 1 or why_no_processes():
        for index in indices:
            write(index)
            yield
        return
    # Not forked: a fork inherits the locks of OpenCV's and torch's threads without the threads.
    with _importing_nothing_from_here():
        pool = ProcessPoolExecutor(
            min(workers, len(indices)), mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
        )
        running = {pool.submit(write, index) for index in indices}
    try:
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                yield
    except BrokenProcessPool as error:
        raise UserError(
            f"a process that renders synthetic clips to {out} was killed, perhaps for lack of memory. What is finished "
            f"is kept; give the same command again, with fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _importing_nothing_from_here() -> Iterator[None]:
    """Keep processes that are spawned meanwhile from importing out of the current folder, as Python would."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def _start_worker() -> None:
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    leave_stopping_to_parent(None if parent is None else parent.pid)  # which lets the clips in work be finished


def _write_clip(out: Path, settings: SyntheticSettings, index: int) -> None:
    clip = render_clip(settings, index)
    # The truth first: once the video is there, the clip counts as finished.
    with atomic_path(out / TRUTH_FOLDER / f"{clip.id}.npz") as aside:
        write_truth(Truth(clip.keypoints, clip.masks), aside)
    with atomic_path(_video_path(out, index)) as aside:
        write_rgb(iter(clip.frames), aside, fps=settings.fps, gop=KEY_FRAME_DISTANCE, crf=CRF, preset=PRESET)


def _video_path(out: Path, index: int) -> Path:
    return out / f"{clip_id(index)}.mp4"


def _write_labels(out: Path, settings: SyntheticSettings) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", "label", "group", "split1"))
    for index in range(settings.num_videos):
        split = split_of(index, test_share=settings.test_share)
        table.writerow((_video_path(out, index).name, action_of(settings.seed, index), group_name(index), split))
    with atomic_path(out / LABELS_FILE) as aside:
        aside.write_text(text.getvalue(), encoding="utf-8")
