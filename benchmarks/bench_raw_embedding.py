"""Four video files to vectors of rgb and flow by `tiny3d`: views made for the moment, beside views stored first.

The peer is what `coview.prepare` with x264's preset medium and `Run.embed` of what it made take together, as it was
done before. Both take turns in one process on one core; seconds are of the processor, medians. Videos are the shortest
of UCF101's where COVIEW_DATA names some, else synthetic. A 1080p file is made of the first, to measure preparing one.
With one repeat, the default, it takes about a minute of one core.

The last part indexes the same files into a new index, beside its bare parts: making the views alone, and the encoders'
forward pass alone, on as many windows of random numbers, in the same precision and batches. The three take turns.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

import coview
from coview.collection.embedding_videos import make_views
from coview.datasets.synthetic import SyntheticSettings
from coview.datatypes import VideoEntry
from coview.embedding.extract import window_features
from coview.embedding.precision import place_encoder
from coview.video.decode import decode_frames
from coview.video.synthetic_files import write_synthetic
from record import record

ALGORITHMS = ("tvl1", "dis")
GOALS = {"tvl1": 0.4, "dis": 0.2}
FRAMES_1080P = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = source_files(folder)
        embedding = {algorithm: compare(files, folder, algorithm, given.repeats) for algorithm in ALGORITHMS}
        indexing = {algorithm: index_cost(files, folder, algorithm, given.repeats) for algorithm in ALGORITHMS}
        large = write_1080p(files[0], folder / "1080p.mp4")
        preparing = {kind: prepare_ms(paths, folder) for kind, paths in (("files", files), ("1080p", [large]))}
    values = {"videos": len(files), "embedding": embedding, "indexing": indexing, "rgb_ms_per_frame": preparing}
    path = record("raw_embedding", values)
    for algorithm, values in embedding.items():
        print(f"{algorithm}: {values['share']} of the time, least cosine {values['least_cosine']}")
    for algorithm, values in indexing.items():
        print(f"index with {algorithm}: {values['ratio']} times its bare parts")
    print(f"preparing rgb, ms a frame: {preparing}; {path.name}")


def source_files(folder: Path) -> list[Path]:
    """Return four files of some seconds."""
    real = os.environ.get("COVIEW_DATA")
    if real is not None:
        files = (Path(real) / "original").rglob("*.avi")
        return sorted(files, key=lambda path: (path.stat().st_size, path.name))[:4]
    write_synthetic(folder / "clips", SyntheticSettings(num_videos=4, num_frames=100), workers=1)
    return sorted((folder / "clips").rglob("*.mp4"))[:4]


def compare(files: list[Path], folder: Path, algorithm: str, repeats: int) -> dict[str, Any]:
    """Embed the files in both ways by turns."""
    table = folder / "videos.csv"
    table.write_text("\n".join(["path", *map(str, files)]) + "\n", encoding="utf-8")
    numbers = itertools.count()
    settings = {"workers": 0, "storage.preset": "medium", "flow.algorithm": algorithm}

    def prepared() -> coview.PreparedDataset:
        return coview.prepare(table, folder / f"{algorithm}{next(numbers)}", settings, layout="csv")

    joint = {"training.batch_size": 4, "training.workers": 0}
    run = coview.pretrain("joint", prepared(), folder / f"run-{algorithm}", settings=joint, max_steps=1)
    ways: dict[str, Callable[[], Any]] = {
        "stored_first": lambda: run.embed(prepared()),
        "for_the_moment": lambda: run.embed(files),
    }
    made: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):  # what is compiled was compiled by the training
        for way, work in ways.items():
            began = time.process_time()
            made[way] = work()
            seconds[way].append(time.process_time() - began)
    medians = {way: statistics.median(taken) for way, taken in seconds.items()}
    order = [made["for_the_moment"].paths.index(path) for path in made["stored_first"].paths]
    cosines = [(made["stored_first"][view] * made["for_the_moment"][view][order]).sum(axis=1) for view in run.views]
    return {
        "processor_seconds": {way: round(value, 3) for way, value in medians.items()},
        "share": round(medians["for_the_moment"] / medians["stored_first"], 3),
        "goal_share": GOALS[algorithm],
        "least_cosine": round(float(np.min(cosines)), 5),
    }


def index_cost(files: list[Path], folder: Path, algorithm: str, repeats: int) -> dict[str, Any]:
    """Index the files, make their views alone, and let the encoders work alone, by turns; processor seconds."""
    run = coview.load(folder / f"run-{algorithm}")
    entries = [VideoEntry(id=path.stem, path=str(path)) for path in files]
    numbers = itertools.count()

    def index() -> int:
        made = coview.open_index(folder / f"{algorithm}-idx{next(numbers)}", run=run)
        assert made.add(files, workers=0, device="cpu").added == len(files)
        windows = made.store.totals()[1]
        made.close()
        return windows

    def views() -> None:
        for _ in make_views(run, entries, workers=0, on_frames=lambda count: None):
            pass

    windows, device = index(), torch.device("cpu")  # what is compiled or tried once is done after this
    dtypes, clip = run.embedding_dtypes("cpu"), run.config.clip
    placed = {
        view: place_encoder(encoder, dtypes[view], view=view, config=run.config, pool=run.method.pool, device=device)
        for view, encoder in run.encoders.items()
    }
    frames = clip.num_blocks * clip.block_length

    def forward() -> None:
        with torch.inference_mode():
            for view, encoder in placed.items():
                size, channels = run.config.views[view].size, run.resolved["channels"][view]
                for first in range(0, windows, run.config.evaluation.batch_size):
                    count = min(run.config.evaluation.batch_size, windows - first)
                    clips = noise[view].expand(count, channels, frames, size, size).contiguous()
                    window_features(encoder, clips, clip=clip, pool=run.method.pool)

    noise = {
        view: torch.randn(1, run.resolved["channels"][view], frames, made.size, made.size)
        for view, made in run.config.views.items()
    }
    ways: dict[str, Callable[[], Any]] = {"index": index, "views": views, "forward": forward}
    forward()
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(max(3, repeats)):
        for way, work in ways.items():
            began = time.process_time()
            work()
            seconds[way].append(time.process_time() - began)
    medians = {way: statistics.median(taken) for way, taken in seconds.items()}
    ratio = medians["index"] / (medians["views"] + medians["forward"])
    rounded = {way: round(value, 3) for way, value in medians.items()}
    return {"windows": windows, "processor_seconds": rounded, "ratio": round(ratio, 3), "goal_ratio": 1.1}


def write_1080p(source: Path, out: Path) -> Path:
    """Write a video of 1920 x 1080: a small one enlarged, with noise, so that it holds as much as a camera's."""
    noise = np.random.default_rng(0).normal(0, 4, (3, 1080, 1920, 3)).astype(np.int8)
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "21"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number, frame in enumerate(itertools.islice(decode_frames(source), FRAMES_1080P)):
            large = cv2.resize(frame, (1920, 1080), interpolation=cv2.INTER_CUBIC).astype(np.int16)
            noisy = np.clip(large + noise[number % 3], 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, "rgb24")))
        container.mux(stream.encode(None))
    return out


def prepare_ms(files: list[Path], folder: Path) -> dict[str, float]:
    """Return the processor's milliseconds a frame for preparing rgb, by x264's preset, and for decoding alone."""
    table = folder / "some.csv"
    table.write_text("\n".join(["path", *map(str, files)]) + "\n", encoding="utf-8")
    found: dict[str, float] = {}
    for preset in ("veryfast", "medium"):
        taken = []
        for _ in range(2):
            with tempfile.TemporaryDirectory(dir=folder) as out:
                began = time.process_time()
                settings = {"workers": 0, "storage.preset": preset}
                data = coview.prepare(table, Path(out) / "data", settings, views="rgb", layout="csv")
                taken.append(time.process_time() - began)
        found[preset] = round(1000 * min(taken) / data.info["counts"]["frames"], 3)
    began, count = time.process_time(), 0
    for file in files:
        with av.open(str(file)) as container:
            container.streams.video[0].thread_type = "NONE"
            count += sum(1 for _ in container.decode(video=0))
    return {**found, "decoding_alone": round(1000 * (time.process_time() - began) / count, 3)}


if __name__ == "__main__":
    main()
