"""From prepared data to augmented rgb clips at 128 x 128 on one core, beside a JPEG-blob loader, in turns.

Two kinds of clip: 32 frames as ViCC takes them (crop, flip, jitter, grey, blur, one draw a clip) and 8 x 5 frames,
every third, as CPC and CoCon do (jitter and grey drawn anew for every frame). Each from the stored video files and
through the cache of decoded frames (training.frame_cache), filled before. `--data` names a prepared set;
without it some real videos (COVIEW_DATA) or synthetic ones are prepared first, with `--gop` frames to a key frame.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from coview.augmentation.batch import augment
from coview.clips.frame_memory import FrameMemory
from coview.clips.loader import TrainingLoader
from coview.clips.samples import ClipSamples
from coview.config import AugmentSettings, ClipSettings, ViewInput
from coview.datasets.prepared import PreparedDataset
from coview.datasets.synthetic import SyntheticSettings
from coview.datatypes import VideoEntry
from coview.preparation.prepare import prepare
from coview.preparation.settings import PrepareSettings
from coview.training.freed_memory import keep_freed_memory
from coview.views.base import StorageSettings
from coview.views.opened import open_views
from jpeg_loader import JPEG_QUALITY, JpegBlob, load_clip
from record import record

SIZE = 128
GOALS = {"32 frames (ViCC)": (130, 250), "8 x 5 frames, step 3 (CPC)": (90, 250)}
"""Clips a second from stored files and through the cache."""
BATCH = 8
NUM_VIDEOS = 24
KINDS = {
    "32 frames (ViCC)": (
        ClipSettings(num_blocks=1, block_length=32, frame_stride=1),
        AugmentSettings(colour_per="clip", blur_probability=0.5),
    ),
    "8 x 5 frames, step 3 (CPC)": (ClipSettings(num_blocks=8, block_length=5, frame_stride=3), AugmentSettings()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a prepared data set with the view rgb")
    parser.add_argument("--gop", type=int, default=StorageSettings.gop, help="frames to a key frame, when preparing")
    parser.add_argument("--rounds", type=int, default=10, help="batches of 8 clips of each kind and loader")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        data = PreparedDataset.open(given.data) if given.data else prepared(Path(folder), gop=given.gop)
        entries = long_videos(data)
        if len(entries) < BATCH:
            parser.error(f"{len(entries)} videos are long enough; a batch takes {BATCH}")
        blob = jpeg_blob(data, entries, Path(folder) / "frames.jpg")
        storage = {"storage": data.info.get("storage"), "bytes_per_frame": stored_bytes(data, entries)}
        cache = Path(folder) / "frames"
        kinds = {name: compare(data, entries, blob, name=name, rounds=given.rounds, cache=cache) for name in KINDS}
        storage["cache_bytes_per_frame"] = round(
            sum(file.stat().st_size for file in cache.rglob("*.npy")) / sum(e.num_frames or 0 for e in entries)
        )
    about = {"size_px": SIZE, "batch": BATCH, "videos": len(entries), "jpeg_quality": JPEG_QUALITY}
    path = record("data_path", {**about, **storage, "goal_clips_per_second": GOALS, "kinds": kinds})
    for name, values in kinds.items():
        ours, cached, peer = (values[loader]["clips_per_second"] for loader in ("coview", "frame_cache", "jpeg_blob"))
        faster, cached_faster = values["times_faster"], values["times_faster_with_frame_cache"]
        print(f"{name}: {ours} clips/s ({faster} x), with a frame cache {cached} ({cached_faster} x), JPEG blob {peer}")
    print(path)


def prepared(folder: Path, *, gop: int, num_videos: int = NUM_VIDEOS) -> PreparedDataset:
    """Prepare some videos: real ones where COVIEW_DATA names them, otherwise synthetic ones."""
    storage = StorageSettings(gop=gop)
    real = os.environ.get("COVIEW_DATA")
    if real is None:
        synthetic = SyntheticSettings(num_videos=num_videos, num_frames=150)
        settings = PrepareSettings(layout="synthetic", views=("rgb",), synthetic=synthetic, storage=storage, workers=1)
        return prepare(folder / "clips", folder / "data", settings)
    videos = sorted((Path(real) / "ucf10" / "videos").rglob("*.mp4"))[:: max(1, 240 // num_videos)]
    table = folder / "videos.csv"
    table.write_text("\n".join(["path", *(str(video) for video in videos)]) + "\n", encoding="utf-8")
    return prepare(table, folder / "data", PrepareSettings(layout="csv", views=("rgb",), storage=storage, workers=1))


def long_videos(data: PreparedDataset) -> list[VideoEntry]:
    """Return videos that both kinds of clip fit into at full step."""
    longest = max(clip.span for clip, _ in KINDS.values())
    return [entry for entry in data.ready if (entry.num_frames or 0) >= longest][:NUM_VIDEOS]


def jpeg_blob(data: PreparedDataset, entries: list[VideoEntry], path: Path) -> JpegBlob:
    """Write the same pictures, at the same size, as JPEG."""
    view = open_views(data.view_options, ["rgb"])["rgb"]
    files = [data.view_path("rgb", entry.id, view.suffix) for entry in entries]
    lengths = [entry.num_frames or 0 for entry in entries]
    return JpegBlob(path, [view.read(file, np.arange(count)) for file, count in zip(files, lengths, strict=True)])


def stored_bytes(data: PreparedDataset, entries: list[VideoEntry]) -> int:
    sizes = [data.view_path("rgb", entry.id, ".mp4").stat().st_size for entry in entries]
    return round(sum(sizes) / sum(entry.num_frames or 0 for entry in entries))


def compare(
    data: PreparedDataset, entries: list[VideoEntry], blob: JpegBlob, *, name: str, rounds: int, cache: Path
) -> dict[str, Any]:
    """Load batches with each loader by turns; seconds are of the processor, so that neighbours disturb less."""
    clip, settings = KINDS[name]
    views = open_views(data.view_options, ["rgb"])
    inputs = {"rgb": ViewInput(size=SIZE)}
    random = np.random.default_rng(0)

    def ours(frame_cache: Path | None, frame_memory: FrameMemory | None = None) -> Callable[[], None]:
        dataset = ClipSamples(data, entries, views, clip, seed=0, frame_cache=frame_cache, frame_memory=frame_memory)
        if frame_memory is not None:
            for index, count in enumerate(dataset.videos.num_frames):
                dataset.videos.read(views["rgb"], index, np.arange(count))
        if frame_cache is not None:
            for index in range(len(dataset)):
                dataset[(0, index)]
        loader = TrainingLoader(dataset, batch_size=BATCH, workers=0)
        batches = (b for epoch in range(10**6) for b in loader.epoch(epoch))

        def load() -> None:
            augment(next(batches), views, inputs, settings, device=torch.device("cpu"))

        return load

    def peers() -> None:
        videos = random.integers(len(entries), size=BATCH)
        torch.stack([load_clip(blob, int(v), clip, settings, size=SIZE, random=random) for v in videos])

    loaders = {
        "coview": ours(None),
        "frame_cache": ours(cache),
        "frame_memory": ours(None, FrameMemory()),
        "jpeg_blob": peers,
    }
    seconds: dict[str, list[tuple[float, float]]] = {loader: [] for loader in loaders}
    for number in range(rounds + 1):
        for loader, run in loaders.items():
            taken = timed(run)
            if number:  # the first is to warm up
                seconds[loader].append(taken)
    results = {loader: speeds(taken) for loader, taken in seconds.items()}
    peer = results["jpeg_blob"]["clips_per_second"]
    return {
        **results,
        "times_faster": round(results["coview"]["clips_per_second"] / peer, 2),
        "times_faster_with_frame_cache": round(results["frame_cache"]["clips_per_second"] / peer, 2),
        "times_faster_with_frame_memory": round(results["frame_memory"]["clips_per_second"] / peer, 2),
    }


def timed(run: Callable[[], None]) -> tuple[float, float]:
    """Return seconds on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def speeds(taken: list[tuple[float, float]]) -> dict[str, float]:
    clock, processor = zip(*taken, strict=True)
    return {
        "clips_per_second": round(BATCH / statistics.median(processor), 1),
        "clips_per_second_best_batch": round(BATCH / min(processor), 1),
        "clips_per_second_on_the_clock": round(BATCH / statistics.median(clock), 1),
    }


if __name__ == "__main__":
    main()
