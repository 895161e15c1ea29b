"""Speed of turning stored videos into features, as a share of the bare encoder's forward pass in inference mode.

The share that is left is what reading, decoding, cropping and normalising cost although they run beside the encoder.
Videos are synthetic and prepared first; the bare pass takes as many random windows of the same shape, in batches of the
same size, already in memory. Both take turns in one process; medians of the clock are written to results/.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from coview.config import RunConfig, parse
from coview.datasets.prepared import PreparedDataset
from coview.datasets.synthetic import SyntheticSettings
from coview.embedding.extract import embed_entries, window_features
from coview.encoders import ENCODERS
from coview.preparation.prepare import prepare
from coview.preparation.settings import PrepareSettings
from coview.training.building import build_method
from coview.training.freed_memory import keep_freed_memory
from record import record

GOAL = 0.9
KINDS: dict[str, dict[str, Any]] = {
    "s3d": {"num_blocks": 1, "block_length": 32, "frame_stride": 1},
    "r2d3d18": {"num_blocks": 8, "block_length": 5, "frame_stride": 3},
}
"""Encoder -> the clips that its paper takes; any other encoder takes those of r2d3d18."""


def config_of(arguments: argparse.Namespace) -> RunConfig:
    clip = KINDS.get(arguments.encoder, KINDS["r2d3d18"])
    given: dict[str, Any] = {
        "views": {"rgb": {"size": arguments.size}},
        "encoder": {"name": arguments.encoder},
        "clip": clip,
        "method": {"name": "cpc"} if clip["num_blocks"] > 1 else {"name": "vicc", "cycles": 0, "prototypes": 8},
        "evaluation": {"batch_size": arguments.batch},
        "training": {"workers": arguments.workers},
    }
    if clip["num_blocks"] == 1:
        given["clip"] = {**clip, "clips_per_video": 2}
    return parse(RunConfig, given, source="benchmark")


def prepared(folder: Path, arguments: argparse.Namespace) -> PreparedDataset:
    videos = SyntheticSettings(num_videos=arguments.videos, num_frames=arguments.frames)
    settings = PrepareSettings(layout="synthetic", views=("rgb",), synthetic=videos, workers=1)
    return prepare(folder / "videos", folder / "data", settings)


def seconds_of(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="r2d3d18", choices=list(ENCODERS))
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, in pixels")
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--frames", type=int, default=240, help="of each video")
    parser.add_argument("--batch", type=int, default=4, help="windows in a batch")
    parser.add_argument("--workers", type=int, default=1, help="decoding processes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    config = config_of(arguments)
    method = build_method(config, {"rgb": 3}).eval()
    encoder: Any = method.encoders["rgb"]
    shape = (3, config.clip.num_frames, arguments.size, arguments.size)
    with tempfile.TemporaryDirectory() as folder:
        data = prepared(Path(folder), arguments)
        windows = 0

        def extract() -> None:
            nonlocal windows
            made = embed_entries(
                {"rgb": encoder}, data, data.ready, config=config, pool=method.pool, device=torch.device("cpu")
            )
            windows = int(made.description["windows"])

        @torch.inference_mode()
        def forward() -> None:
            for first in range(0, windows, arguments.batch):
                clips = batch[: min(arguments.batch, windows - first)]
                window_features(encoder, clips, clip=config.clip, pool=method.pool)

        batch = torch.randn(arguments.batch, *shape)
        extract()  # to warm up, and to count the windows
        forward()
        times = [(seconds_of(extract), seconds_of(forward)) for _ in range(arguments.repeats)]
    ours, bare = (statistics.median(taken[place] for taken in times) for place in (0, 1))
    values = {
        "sizes": {**vars(arguments), "windows": windows, "window": shape},
        "windows_per_second": {"features": round(windows / ours, 2), "bare_forward": round(windows / bare, 2)},
        "share_of_bare_forward": round(bare / ours, 3),
        "goal_share": GOAL,
    }
    path = record("features", values)
    print(f"{path.name}: {values['share_of_bare_forward']} of the bare forward's speed ({windows} windows)")


if __name__ == "__main__":
    main()
