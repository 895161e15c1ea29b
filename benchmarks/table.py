"""`make bench`: one table of what coview takes beside its peers, all from one run: work, peer, ours, ratio, limit.

Each row lets coview and a named peer do the same work by turns, on one core, and takes medians of processor time and of
the clock. The peers are what one would use instead: plain eager PyTorch, pictures that OpenCV decodes from JPEG
with coview's own augmentation behind them, torchcodec where it is installed, OpenCV's flow, NumPy, faiss, scikit-learn.
The limit is what bounds the work: a part that coview cannot do without, timed by itself as a share of its whole.

`--quick` does everything once at small sizes, to see that it runs: its numbers mean nothing and are not recorded.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain as chain_rows
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import bench_manifest
import bench_retrieval
from bench_data_path import NUM_VIDEOS, SIZE, jpeg_blob, long_videos, prepared
from bench_s3d_step import plain_normalise, step
from bench_training_step import bf16_units
from bench_training_step import measure as measure_steps
from coview.augmentation.batch import augment
from coview.clips.frame_memory import FrameMemory
from coview.clips.loader import TrainingLoader
from coview.clips.samples import ClipSample, ClipSamples, collate
from coview.collection.vectors import Product, cosines
from coview.config import AugmentSettings, ClipSettings, RunConfig, ViewInput, parse
from coview.datasets.prepared import PreparedDataset
from coview.encoders import ENCODERS, chain
from coview.training.freed_memory import keep_freed_memory
from coview.training.precision import Precision
from coview.views.flow.tvl1_numba import tvl1_pair
from coview.views.opened import open_views
from jpeg_loader import JpegBlob
from known_motion import known_motion_pairs
from record import record

CPU = torch.device("cpu")
CLIPS = {
    "32 frames": ClipSettings(num_blocks=1, block_length=32, frame_stride=1),
    "8 x 5 frames, every third": ClipSettings(num_blocks=8, block_length=5, frame_stride=3),
}
Work = Callable[[], Any]


@dataclass(frozen=True)
class Scale:
    """How much is done: for the table, or only to see that it runs."""

    turns: int
    batch: int
    side: int
    frames: int
    windows: int
    queries: int
    rows: int

    @classmethod
    def of(cls, is_quick: bool) -> "Scale":
        """Return the sizes of the table, or small ones."""
        if is_quick:
            return cls(turns=1, batch=2, side=32, frames=8, windows=2_000, queries=50, rows=2_000)
        return cls(turns=5, batch=8, side=112, frames=16, windows=200_000, queries=1_000, rows=1_000_000)


@dataclass(frozen=True)
class Row:
    """One comparison; seconds are (processor, clock), medians of the turns."""

    work: str
    peer: str
    ours: tuple[float, float]
    theirs: tuple[float, float]
    limit: str

    def as_plain(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        names = ("processor_seconds", "clock_seconds")
        return {
            "work": self.work,
            "peer": self.peer,
            "coview": {name: round(value, 5) for name, value in zip(names, self.ours, strict=True)},
            "peer_took": {name: round(value, 5) for name, value in zip(names, self.theirs, strict=True)},
            "ratio_of_processor_time": round(self.ours[0] / self.theirs[0], 3),
            "limit": self.limit,
        }


def timed(work: Work) -> tuple[float, float]:
    """Return seconds of the processor and on the clock."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - processor, time.perf_counter() - clock


def by_turns(works: Mapping[str, Work], turns: int) -> dict[str, tuple[float, float]]:
    """Return the medians of each, one turn to warm up left out."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(turns + 1):
        for name, work in works.items():
            taken = timed(work)
            if number or turns == 1:
                found[name].append(taken)
    return {
        name: (statistics.median(one for one, _ in taken), statistics.median(one for _, one in taken))
        for name, taken in found.items()
    }


def share(part: tuple[float, float], whole: tuple[float, float], what: str) -> str:
    """Return how a limit is told."""
    return f"{what}: {part[0] / whole[0]:.2f} of it"


def clip_rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Clips of stored videos, decoded and augmented, beside JPEG pictures and torchcodec with the same augmentation."""
    data = prepared(folder, gop=8, num_videos=scale.batch if scale.turns == 1 else NUM_VIDEOS)
    entries = long_videos(data)
    blob = jpeg_blob(data, entries, folder / "frames.jpg")
    for name, clip in CLIPS.items():
        works = clip_works(data, entries, blob, clip, scale.batch)
        medians = by_turns(works, scale.turns)
        for peer in (one for one in works if one not in ("coview", "kept in memory", "reading")):
            limit = share(medians["reading"], medians["coview"], "H.264 decoding")
            yield Row(f"{scale.batch} clips of {name} from files", peer, medians["coview"], medians[peer], limit)
        yield Row(
            f"{scale.batch} clips of {name}, frames kept in memory",
            "JPEG by OpenCV, coview's augmentation",
            medians["kept in memory"],
            medians["JPEG by OpenCV, coview's augmentation"],
            "augmentation",
        )


def clip_works(
    data: PreparedDataset, entries: list[Any], blob: JpegBlob, clip: ClipSettings, batch: int
) -> dict[str, Work]:
    """Return the ways to make a batch of augmented clips."""
    views, inputs = open_views(data.view_options, ["rgb"]), {"rgb": ViewInput(size=SIZE)}
    settings = AugmentSettings(colour_per="clip", blur_probability=0.5)
    memory = FrameMemory()
    of_files = ClipSamples(data, entries, views, clip, seed=0)
    of_memory = ClipSamples(data, entries, views, clip, seed=0, frame_memory=memory)
    for index, count in enumerate(of_memory.videos.num_frames):
        of_memory.videos.read(views["rgb"], index, np.arange(count))

    def finish(samples: list[ClipSample]) -> None:
        augment(collate(samples), views, inputs, settings, device=CPU)

    def loaded(dataset: ClipSamples) -> Work:
        loader = TrainingLoader(dataset, batch_size=batch, workers=0)
        batches = (made for epoch in range(10**6) for made in loader.epoch(epoch))
        return lambda: augment(next(batches), views, inputs, settings, device=CPU)

    def keys() -> Iterator[list[tuple[int, int]]]:
        for epoch in range(10**6):
            for first in range(0, len(entries) - batch + 1, batch):
                yield [(epoch, index) for index in range(first, first + batch)]

    def by(read: Callable[[int, Any], Any]) -> Work:
        chosen = keys()

        def load() -> None:
            samples = []
            for key in next(chosen):
                like = of_memory[key]  # costs a copy of frames in memory, and says which frames
                clips = read(key[1], like.frame_indices[0])[None]
                samples.append(ClipSample({"rgb": clips}, key[1], like.random_key, like.frame_indices))
            finish(samples)

        return load

    def from_jpeg(index: int, frames: Any) -> Any:
        spans = (blob.spans[index][int(frame)] for frame in frames)
        codes = (blob.bytes[first:stop] for first, stop in spans)
        return np.stack([cv2.cvtColor(cv2.imdecode(code, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for code in codes])

    read = keys()
    works = {
        "coview": loaded(of_files),
        "reading": lambda: [of_files[key] for key in next(read)],
        "kept in memory": loaded(of_memory),
        "JPEG by OpenCV, coview's augmentation": by(from_jpeg),
    }
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError):
        return works
    paths = [str(data.view_path("rgb", entry.id, ".mp4")) for entry in entries]

    def from_torchcodec(index: int, frames: Any) -> Any:
        decoder = VideoDecoder(paths[index], num_ffmpeg_threads=1, dimension_order="NHWC")
        return decoder.get_frames_at(frames.tolist()).data.numpy()

    return {**works, "torchcodec, coview's augmentation": by(from_torchcodec)}


def step_rows(scale: Scale) -> Iterator[Row]:
    """Steps of encoders beside the same weights in plain eager float32 PyTorch."""
    precisions = [Precision("fp32", channels_last=True, seconds={})]
    if bf16_units():
        precisions.append(Precision("bf16", channels_last=True, seconds={}))
    clips = torch.randn(max(2, scale.batch // 4), 3, scale.frames, scale.side, scale.side)
    ours_normalise = chain.normalise
    for precision in precisions:
        torch.manual_seed(0)
        ours, plain = (ENCODERS.load("s3d")(in_channels=3) for _ in range(2))
        precision.place(ours, CPU)
        unplaced = Precision("fp32", channels_last=False, seconds={})

        def run(encoder: Any, how: Precision, normalise: Any) -> None:
            chain.normalise = normalise
            step(encoder, None, clips, how)

        works: dict[str, Work] = {
            "coview": lambda ours=ours, how=precision: run(ours, how, ours_normalise),  # type: ignore[misc]
            "plain": lambda plain=plain, how=unplaced: run(plain, how, plain_normalise),  # type: ignore[misc]
        }
        medians = by_turns(works, max(1, scale.turns - 3))
        chain.normalise = ours_normalise
        work = f"S3D, forward and back, {len(clips)} clips of {scale.frames} x {scale.side}², {precision.dtype_name}"
        yield Row(work, "plain eager PyTorch, float32", medians["coview"], medians["plain"], "convolutions")
    config = parse(RunConfig, {"views": {"rgb": {"size": scale.side}}, "encoder": {"name": "r2d3d18"}}, source="table")
    settings = [("fp32", False), *((one.dtype_name, True) for one in precisions)]
    plain_step, *placed = measure_steps(config, settings, batch_size=2, repeats=max(1, scale.turns - 3))
    for contender in placed:
        yield Row(
            f"CPC step, r2d3d18, 2 clips of 8 x 5 x {scale.side}², {contender.precision.dtype_name}",
            "plain eager PyTorch, float32",
            (statistics.median(contender.processor_seconds), statistics.median(contender.wall_seconds)),
            (statistics.median(plain_step.processor_seconds), statistics.median(plain_step.wall_seconds)),
            "convolutions",
        )


def flow_rows(scale: Scale) -> Iterator[Row]:
    """TV-L1 beside OpenCV's, on pairs of known motion."""
    theirs = cv2.optflow.DualTVL1OpticalFlow.create()
    width, height = (64, 48) if scale.turns == 1 else (320, 240)
    pair = next(iter(known_motion_pairs(height, width, seed=0, magnitudes=(5.0,))))
    works: dict[str, Work] = {
        "coview": lambda: tvl1_pair(pair.first, pair.second),
        "opencv": lambda: theirs.calc(pair.first, pair.second, None),
    }
    tvl1_pair(pair.first, pair.second)
    medians = by_turns(works, scale.turns)
    yield Row(
        f"TV-L1 flow of a pair, {width} x {height}", "OpenCV", medians["coview"], medians["opencv"], "its iterations"
    )


def search_rows(scale: Scale) -> Iterator[Row]:
    """One query against many windows, and retrieval of many among many."""
    random, size = np.random.default_rng(0), 512
    matrix = random.standard_normal((scale.windows, size), dtype=np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    half, query, chosen = matrix.astype(np.float16), matrix[7], np.ones(scale.windows, dtype=bool)
    works: dict[str, Work] = {
        "coview": lambda: cosines([Product(half, query, chosen)])[0],
        "NumPy, float32 product": lambda: matrix @ query,
        "bytes": lambda: half.view(np.uint64).max(),
    }
    try:
        import faiss
    except ImportError:
        pass
    else:
        index = faiss.IndexFlatIP(size)
        index.add(matrix)
        faiss.omp_set_num_threads(1)
        works["faiss, flat"] = lambda: index.search(query[None], 10)
    medians = by_turns(works, scale.turns)
    for peer in works.keys() - {"coview", "bytes"}:
        limit = share(medians["bytes"], medians["coview"], "reading the vectors")
        yield Row(f"a query among {scale.windows:,} x {size}", peer, medians["coview"], medians[peer], limit)
    queries = bench_retrieval.unit_rows(scale.queries, 1024, seed=0)
    gallery = bench_retrieval.unit_rows(3 * scale.queries, 1024, seed=1)
    both: dict[str, Work] = {who: partial(work, queries, gallery) for who, work in bench_retrieval.WORK.items()}
    medians = by_turns(both, scale.turns)
    work = f"retrieval, {scale.queries:,} among {3 * scale.queries:,} x 1,024, all scores"
    yield Row(work, "scikit-learn, neighbours only", medians["coview"], medians["scikit-learn"], "matrix product")


def manifest_rows(scale: Scale) -> Iterator[Row]:
    """A data set of many videos, opened in a fresh process."""
    found: Any = bench_manifest.main(scale.rows)
    ours, theirs = found["mapped"]["open_cpu_seconds"], found["read_whole"]["open_cpu_seconds"]
    memory = f"{found['mapped']['own_megabytes']} MB of its own, {found['read_whole']['own_megabytes']} MB beside"
    work = f"opening a manifest of {scale.rows:,} videos"
    yield Row(work, "read whole", (max(ours, 0.01), max(ours, 0.01)), (theirs, theirs), f"checksums; {memory}")


KINDS = (step_rows, flow_rows, search_rows, manifest_rows)


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table."""
    lines = [
        "| work | peer | coview, s of processor (clock) | peer | ratio | limit |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, theirs = (
            f"{one['processor_seconds']:.4g} ({one['clock_seconds']:.4g})" for one in (row["coview"], row["peer_took"])
        )
        ratio = row["ratio_of_processor_time"]
        lines.append(f"| {row['work']} | {row['peer']} | {ours} | {theirs} | {ratio:.3g} | {row['limit']} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, once; nothing is recorded")
    is_quick = parser.parse_args().quick
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_freed_memory()
    scale = Scale.of(is_quick)
    began, rows = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        made = chain_rows(clip_rows(scale, Path(folder)), *(make(scale) for make in KINDS))
        rows += [row.as_plain() for row in made]
    values = {"threads": 1, "seconds": round(time.perf_counter() - began), "rows": rows}
    print(as_markdown(rows))
    print(json.dumps(values) if is_quick else record("table", values))


if __name__ == "__main__":
    main()
