"""Times an encoder exported to ONNX, run by onnxruntime, against the run itself in eager PyTorch, on the CPU.

Both get the same raw frames and do the whole way to the unit vector. They take turns, so that both meet the machine as
it is; the ratio is the median over the turns. Every number of threads is a process of its own.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coview.config import ClipSettings, RunConfig, ViewInput, as_plain, write_yaml
from coview.embedding.run import Run
from coview.exports import ExportedEncoder, export
from coview.exports.parity import answer_eagerly, random_clips
from coview.training.building import build_method
from coview.training.checkpoint import Position, save_checkpoint
from coview.training.runfolder import FORMAT, RESOLVED
from record import record


def make_run(folder: Path, arguments: argparse.Namespace) -> None:
    """Write a run of random weights whose norms have statistics, as those of trained ones have."""
    config = RunConfig(
        views={"rgb": ViewInput(size=arguments.size)},
        method={"name": "infonce"},
        encoder={"name": arguments.encoder},
        clip=ClipSettings(num_blocks=1, block_length=arguments.frames, frame_stride=1, clips_per_video=2),
    )
    data = {"root": "none", "views": {"rgb": {"crf": 18.0}}, "storage": {}, "counts": {}}
    folder.mkdir()
    resolved = {"format": FORMAT, "config": as_plain(config), "data": data, "channels": {"rgb": 3}}
    write_yaml(folder / RESOLVED, resolved, is_sealed=True)
    torch.manual_seed(0)
    method = build_method(config, {"rgb": 3})
    for part in method.modules():
        if isinstance(part, torch.nn.BatchNorm3d):
            assert part.running_mean is not None
            assert part.running_var is not None
            torch.nn.init.normal_(part.running_mean, std=0.1)
            torch.nn.init.uniform_(part.running_var, 0.5, 1.5)
    stage = method.stages()[0].name
    save_checkpoint(folder, Position(stage=stage, step=1), weights=method.state_dict(), state={}, keep=1)


def seconds(function: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - processor


def measure(folder: Path, threads: int, repeats: int) -> dict[str, Any]:
    """Return the times of both, taken in turns."""
    torch.set_num_threads(threads)
    run, encoder = Run.load(folder / "run"), ExportedEncoder(folder / "exported", threads=threads)
    clips = random_clips(encoder.description, count=1)
    eager, exported = [], []
    for _ in range(repeats + 1):
        eager.append(seconds(lambda: answer_eagerly(run, encoder.description, clips)))
        exported.append(seconds(lambda: encoder(clips)))
    pairs = list(zip(eager[1:], exported[1:], strict=True))
    difference = np.abs(answer_eagerly(run, encoder.description, clips)["rgb"] - encoder(clips)["rgb"]).max()
    return {
        "eager_wall_ms": round(1000 * statistics.median(own[0] for own, _ in pairs), 1),
        "exported_wall_ms": round(1000 * statistics.median(own[0] for _, own in pairs), 1),
        "wall_ratio": round(statistics.median(a[0] / b[0] for a, b in pairs), 2),
        "eager_processor_ms": round(1000 * statistics.median(own[1] for own, _ in pairs), 1),
        "exported_processor_ms": round(1000 * statistics.median(own[1] for _, own in pairs), 1),
        "processor_ratio": round(statistics.median(a[1] / b[1] for a, b in pairs), 2),
        "largest_difference": float(difference),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="s3d")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, in pixels")
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(measure(arguments.folder, arguments.threads[0], arguments.repeats)))
        return
    found = {}
    with tempfile.TemporaryDirectory(prefix="coview-bench-") as name:
        folder = Path(name)
        make_run(folder / "run", arguments)
        export(folder / "run", folder / "exported")
        for threads in arguments.threads:
            command = [sys.executable, str(Path(__file__)), "--folder", name, "--threads", str(threads)]
            command += ["--repeats", str(arguments.repeats)]
            shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[f"{threads} threads"] = json.loads(shown.splitlines()[-1])
            print(f"{threads} threads: {found[f'{threads} threads']}")
    values = {"encoder": arguments.encoder, "frames": arguments.frames, "size": arguments.size, "batch": 1}
    print(record("export", {**values, "results": found}))


if __name__ == "__main__":
    main()
