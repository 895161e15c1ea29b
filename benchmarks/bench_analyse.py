"""Time `coview analyse` on 5,000 videos whose features are cached, from the command's start to its last file.

    python benchmarks/bench_analyse.py [--videos 5000]

The videos are links to a few files of the usual stored size, so that pictures are read as they would be. Their features
(101 classes, groups of 7, two views of 128 numbers; trained, random, and those of a run beside it) are drawn at random
and put where an evaluation would have kept them. Clips for alignment and for changed clips are encoded by a real, small
encoder, for they are not cached before the first analysis.

    python benchmarks/bench_analyse.py --protocols [--videos 20000]

times the protocols of `coview evaluate` on such features in their place: a quarter of the groups is tested.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

import coview
from coview.analysis import analyse_all
from coview.config import ClipSettings, RunConfig, TrainingSettings, ViewInput, as_plain
from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset, stored_path
from coview.datatypes import VideoEntry
from coview.embedding.cache import FOLDER, data_identity, identity_of, remembered
from coview.embedding.embeddings import Embeddings
from coview.embedding.run import Run
from coview.evaluation.pixel_baselines import PIXEL_BASELINES
from coview.reports import write_report
from coview.training.building import build_method
from coview.training.checkpoint import Position, save_checkpoint
from coview.training.runfolder import FORMAT
from coview.views import VIEWS
from coview.views.base import StorageSettings
from record import record

OPTIONS: dict[str, dict[str, Any]] = {"rgb": {"crf": 18.0}, "flow": {"algorithm": "farneback", "bound": 20.0}}
CHANNELS = {"rgb": 3, "flow": 2}
PROTOCOLS = ("retrieval", "linear", "few-labels", "knn", "clusters")
SIZE, CLASSES, GROUP = 128, 101, 7
FILES, FRAMES, HEIGHT, WIDTH = 12, 120, 144, 192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=5000)
    parser.add_argument("--protocols", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_data(root / "data", given.videos)
        if given.protocols:
            time_protocols(root)
            return
        for place, name in enumerate(("run", "other")):
            make_run(root / name, root / "data", seed=place)
            keep_features(Run.load(root / name), PreparedDataset.open(root / "data"), seed=place)
        seconds: dict[str, float] = {}
        processor: dict[str, float] = {}
        not_run: list[str] = []
        start = before = time.perf_counter()
        busy = time.process_time()
        for outcome in analyse_all(root / "run", root / "data", beside=[root / "other"]):
            seconds[outcome.analysis] = round(time.perf_counter() - before, 1)
            processor[outcome.analysis] = round(time.process_time() - busy, 1)
            before, busy = time.perf_counter(), time.process_time()
            not_run += [outcome.analysis] if outcome.result is None else []
            print(outcome.analysis, seconds[outcome.analysis], processor[outcome.analysis], outcome.reason, flush=True)
        total = round(time.perf_counter() - start, 1)
        before = time.perf_counter()
        report = write_report(root / "run", PreparedDataset.open(root / "data"))
        values = {
            "videos": given.videos,
            "views": list(OPTIONS),
            "runs": 2,
            "threads": torch.get_num_threads(),
            "seconds": seconds,
            "processor_seconds": processor,
            "seconds_in_all": total,
            "seconds_of_report": round(time.perf_counter() - before, 1),
            "report_megabytes": round(report.stat().st_size / 1e6, 2),
            "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "not_run": not_run,
        }
        print(values)
        print(record("analyse", values))


def time_protocols(root: Path) -> None:
    """Time one protocol after the other, features cached."""
    data = PreparedDataset.open(root / "data")
    tested = [int((entry.group or "")[1:]) % 4 == 0 for entry in data.entries]
    splits = [{"split1": "test" if is_tested else "train"} for is_tested in tested]
    entries = [dataclasses.replace(one, splits=split) for one, split in zip(data.entries, splits, strict=True)]
    write_manifest(entries, root / "data" / "videos.parquet")
    data = PreparedDataset.open(root / "data")
    make_run(root / "run", root / "data", seed=0)
    keep_features(Run.load(root / "run"), data, seed=0)
    found: dict[str, dict[str, float]] = {}
    for protocol in PROTOCOLS:
        clock, processor = time.perf_counter(), time.process_time()
        coview.evaluate(root / "run", data, protocol=protocol, split="split1")
        found[protocol] = {
            "seconds": round(time.perf_counter() - clock, 1),
            "processor_seconds": round(time.process_time() - processor, 1),
            "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
        print(protocol, found[protocol], flush=True)
    print(record("protocols", {"videos": len(entries), "tested": sum(tested), "protocols": found}))


def make_data(root: Path, count: int) -> None:
    """Store a few videos of a square over noise, and link `count` videos to them."""
    views = {name: VIEWS.load(name) for name in OPTIONS}
    storage = StorageSettings(short_side=HEIGHT)
    for number in range(FILES):
        generator = np.random.default_rng(number)
        frames = np.repeat(generator.integers(0, 120, (1, HEIGHT, WIDTH, 3), dtype=np.uint8), FRAMES, axis=0)
        for t, frame in enumerate(frames):
            left = (t * (1 + number % 4)) % (WIDTH - 40)
            frame[40:80, left : left + 40] = 230
        for name, kind in views.items():
            view = kind(kind.Options(**OPTIONS[name]))
            path = stored_path(root, name, f"file{number}", view.suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            view.write(view.extract(iter(frames)), path, fps=25.0, storage=storage)
    entries = []
    for number in range(count):
        for name, kind in views.items():
            path = stored_path(root, name, f"v{number}", kind.suffix)
            path.symlink_to(f"file{number % FILES}{kind.suffix}")
        entries.append(
            VideoEntry(
                id=f"v{number}",
                path=f"/videos/v{number}.mp4",
                label=f"class {number // GROUP % CLASSES}",
                group=f"g{number // GROUP}",
                status="ready",
                num_frames=FRAMES,
                fps=25.0,
                width=WIDTH,
                height=HEIGHT,
            )
        )
    write_manifest(entries, root / "videos.parquet")
    info = {"format": 1, "source": "/videos", "layout": "folder", "storage": as_plain(storage), "views": OPTIONS}
    (root / "dataset.yaml").write_text(yaml.safe_dump(info, sort_keys=False), encoding="utf-8")


def make_run(path: Path, data: Path, *, seed: int) -> None:
    """Write a run of CoCon with a small encoder, as training leaves it."""
    config = RunConfig(
        preset="cpu",
        seed=seed,
        split=None,
        views={"rgb": ViewInput(size=64), "flow": ViewInput(size=64)},
        method={"name": "cocon"},
        encoder={"name": "tiny3d"},
        clip=ClipSettings(num_blocks=8, block_length=5, frame_stride=3),
        training=TrainingSettings(workers=0),
    )
    dataset = PreparedDataset.open(data)
    described = {"root": str(data.resolve()), "views": dict(dataset.view_options), "storage": dataset.info["storage"]}
    resolved = {"format": FORMAT, "config": as_plain(config), "data": {**described, "counts": {}}}
    resolved["channels"] = CHANNELS
    path.mkdir()
    (path / "resolved.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8")
    torch.manual_seed(seed)
    method = build_method(config, CHANNELS)
    at = Position(stage_index=2, stage="together", step=10, global_step=30, is_stage_finished=True)
    save_checkpoint(path, at, weights=method.state_dict(), state={}, keep=1)


def keep_features(run: Run, data: PreparedDataset, *, seed: int) -> None:
    """Put features where an evaluation keeps them: a centre for each class and group, trained classes further apart."""
    generator = np.random.default_rng(seed)
    count = len(data.ready)
    classes, groups = np.arange(count) // GROUP % CLASSES, np.arange(count) // GROUP

    def made(names: tuple[str, ...], apart: float) -> Embeddings:
        features = {}
        for name in names:
            centres = apart * generator.normal(size=(CLASSES, SIZE))[classes]
            rows = 1 + centres + generator.normal(size=(groups[-1] + 1, SIZE))[groups]
            rows += generator.normal(size=(count, SIZE))
            features[name] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        ids, labels = tuple(e.id for e in data.ready), tuple(e.label for e in data.ready)
        return Embeddings(ids, features, labels, tuple(e.group for e in data.ready), tuple(e.path for e in data.ready))

    folder, views = run.path / FOLDER, tuple(OPTIONS)
    for weights, apart in (("trained", 0.7), ("random", 0.1)):
        identity = identity_of(run, data, data.ready, weights=weights, device="auto")  # type: ignore[arg-type]
        remembered(folder, identity, lambda apart=apart: made(views, apart))  # type: ignore[misc]
    pixels = {"pixels": PIXEL_BASELINES, "data": data_identity(data, data.ready, ("rgb",))}
    remembered(folder, pixels, lambda: made(tuple(PIXEL_BASELINES), 0.05))


if __name__ == "__main__":
    main()
