"""What a GPU does with coview, in under ten minutes: `benchmarks/gpu.sh`.

- Steps of S3D, r2d3d18 and tiny3d, forward and back: seconds, and which share of the peak they reach. The peak is what
  large products of matrices reach here in the same number format; FLOPs are counted by torch, of convolutions and
  products alone.
- Clips a second from files to the device, decoded by 1 to 8 workers and augmented there; where torchcodec is installed,
  decoded there, too, and by how much those pictures differ from PyAV's.
- TV-L1 flow, frames a second.
- `Run.embed` and training of `joint` and `vicc` from the command to the last step, clips a second.

`--tiny` runs all of it at sizes that a CPU does in a minute; its numbers mean nothing and are not recorded.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import coview
from coview.augmentation.batch import augment
from coview.clips.loader import TrainingLoader, WorkerKind
from coview.clips.samples import ClipSamples
from coview.config import AugmentSettings, ClipSettings, ViewInput
from coview.datasets.prepared import PreparedDataset
from coview.datasets.synthetic import SyntheticSettings
from coview.encoders import ENCODERS
from coview.errors import UserError
from coview.preparation.prepare import prepare
from coview.preparation.settings import PrepareSettings
from coview.training.precision import Precision
from coview.training.runlog import read_log
from coview.training.transfer import sent_ahead
from coview.video.device_decoding import read_rgb_on
from coview.video.stored import read_rgb
from coview.views.base import StorageSettings
from coview.views.flow.tvl1_torch import tvl1_flow_batch
from coview.views.opened import open_views
from record import record

ENCODERS_TIMED = {"s3d": (32, 16, 128), "r2d3d18": (64, 5, 128), "tiny3d": (64, 16, 64)}
"""Encoder -> clips in a batch, frames, side in pixels."""
WORKERS = (1, 2, 4, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a prepared ucf10 with rgb and flow; not given: synthetic clips")
    parser.add_argument("--tiny", action="store_true", help="small sizes, on a CPU too; nothing is recorded")
    given = parser.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here; --tiny runs on a CPU, to see that it runs")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = PreparedDataset.open(given.data) if given.data else synthetic(folder, is_tiny=given.tiny)
        values = {
            "steps": {name: encoder_step(name, device, is_tiny=given.tiny) for name in ENCODERS_TIMED},
            "data_path_clips_per_second": data_path(data, device, None, is_tiny=given.tiny),
            "decoded_on_device": device_decoding(data, device, is_tiny=given.tiny),
            "tvl1_frames_per_second": round(flow_rate(device, is_tiny=given.tiny), 1),
            "training": {name: train(name, data, folder, is_tiny=given.tiny) for name in ("joint", "vicc")},
        }
        run = coview.load(folder / "joint")
        took, vectors = timed(lambda: run.embed(data, device=device.type, windows=True))
        values["embedding_clips_per_second"] = round(len(vectors) / took, 1)
    values["seconds"] = round(time.perf_counter() - began)
    print(json.dumps(values, indent=2) if given.tiny else record("gpu", values).read_text(encoding="utf-8"))


def synthetic(folder: Path, *, is_tiny: bool) -> PreparedDataset:
    """Prepare synthetic clips with rgb and flow."""
    made = SyntheticSettings(num_videos=8 if is_tiny else 200, num_frames=40 if is_tiny else 100)
    storage = StorageSettings(short_side=48 if is_tiny else 144)
    options = {"flow": {"algorithm": "dis"}}
    settings = PrepareSettings(
        layout="synthetic", views=("rgb", "flow"), options=options, synthetic=made, storage=storage
    )
    return prepare(folder / "clips", folder / "data", settings)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds on the clock, the device's work included, and the result."""
    began = time.perf_counter()
    made = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began, made


def median_seconds(work: Callable[[], Any], repeats: int) -> float:
    """Return the median of some calls after two that are not counted."""
    return statistics.median([timed(work)[0] for _ in range(repeats + 2)][2:])


def peak_flops(device: torch.device, dtype: torch.dtype, *, is_tiny: bool) -> float:
    """Return the FLOPs a second of a large product of matrices."""
    side = 512 if is_tiny else 8192
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / median_seconds(lambda: one @ other, 3 if is_tiny else 20)


def encoder_step(name: str, device: torch.device, *, is_tiny: bool) -> dict[str, Any]:
    """Time forward and back of one encoder in float32 and bf16, and with CUDA graphs where there are some."""
    count, frames, side = ENCODERS_TIMED[name]
    if is_tiny:
        count, side = 2, 32
    clips = torch.randn(count, 3, frames, side, side, device=device)
    found: dict[str, Any] = {"clips": count, "frames": frames, "side": side}
    ways = [("fp32", False), ("bf16", False), *([("bf16", True)] if device.type == "cuda" else [])]
    for dtype_name, has_graphs in ways:
        torch.manual_seed(0)
        encoder = ENCODERS.load(name)(in_channels=3)
        precision = Precision(dtype_name, channels_last=True, seconds={})
        precision.place(encoder, device)

        def step(encoder: Any = encoder, precision: Precision = precision, has_graphs: bool = has_graphs) -> None:
            if has_graphs:
                torch.compiler.cudagraph_mark_step_begin()
            with precision.autocast(device):
                loss = encoder(clips).float().square().mean()
            loss.backward()
            encoder.zero_grad(set_to_none=True)

        with FlopCounterMode(display=False) as counter:
            step()
        if has_graphs:
            encoder.compile(mode="reduce-overhead")
        took = median_seconds(step, 1 if is_tiny else 10)
        dtype = torch.bfloat16 if dtype_name == "bf16" else torch.float32
        share = counter.get_total_flops() / took / peak_flops(device, dtype, is_tiny=is_tiny)
        way = f"{dtype_name}, CUDA graphs" if has_graphs else dtype_name
        found[way] = {"seconds": round(took, 5), "share_of_peak": round(share, 3)}
    return found


def data_path(
    data: PreparedDataset, device: torch.device, decode_on: torch.device | None, *, is_tiny: bool
) -> dict[str, float]:
    """Return number of workers -> augmented clips of 32 frames that reach the device in a second."""
    return {
        str(workers): round(clips_per_second(data, workers, device, decode_on, is_tiny=is_tiny), 1)
        for workers in (WORKERS[:2] if is_tiny else WORKERS)
    }


def device_decoding(data: PreparedDataset, device: torch.device, *, is_tiny: bool) -> dict[str, Any] | str:
    """Return the same of pictures that torchcodec decodes on the device, and their mean difference to PyAV's of 255."""
    path, some = data.view_path("rgb", data.ready[0].id, ".mp4"), np.arange(0, 24, 3)
    try:
        frames = read_rgb_on(device, path, some)
    except UserError as error:
        return str(error)
    difference = np.abs(frames.cpu().numpy().astype(int) - read_rgb(path, some)).mean()
    rates = data_path(data, device, device, is_tiny=is_tiny)
    return {"clips_per_second": rates, "difference_of_255": round(float(difference), 2)}


def clips_per_second(
    data: PreparedDataset, workers: int, device: torch.device, decode_on: torch.device | None, *, is_tiny: bool
) -> float:
    """Return how many augmented clips of 32 frames reach the device in a second, decoded by processes or on one."""
    views, inputs = open_views(data.view_options, ["rgb"]), {"rgb": ViewInput(size=32 if is_tiny else 128)}
    clip = ClipSettings(num_blocks=1, block_length=8 if is_tiny else 32, frame_stride=1)
    entries = [entry for entry in data.ready if (entry.num_frames or 0) >= clip.num_frames]
    batch_size, settings = min(16, len(entries)), AugmentSettings(blur_probability=0.5)
    dataset = ClipSamples(data, entries, views, clip, seed=0, decode_on=decode_on)
    kind: WorkerKind = "processes" if decode_on is None else "threads"
    loader = TrainingLoader(dataset, batch_size=batch_size, workers=workers, kind=kind)

    def batches() -> Iterator[Any]:
        for epoch in range(10**6):
            yield from loader.epoch(epoch)

    with closing(loader):
        sent = sent_ahead(batches(), device)
        rounds = 2 if is_tiny else 20
        for number in range(rounds + 2):
            if number == 2:
                began = time.perf_counter()
            timed(lambda: augment(next(sent), views, inputs, settings, device=device))
        return rounds * batch_size / (time.perf_counter() - began)


def flow_rate(device: torch.device, *, is_tiny: bool) -> float:
    """Return how many frames of 171 x 128 get TV-L1 flow in a second, 32 at a time."""
    count, height, width = (2, 24, 32) if is_tiny else (32, 128, 171)
    pictures = np.random.default_rng(0).integers(0, 256, (count + 1, height, width), dtype=np.uint8)
    stack = torch.from_numpy(pictures).to(device)
    return count / median_seconds(lambda: tvl1_flow_batch(stack[:-1], stack[1:]), 1 if is_tiny else 5)


def train(name: str, data: PreparedDataset, folder: Path, *, is_tiny: bool) -> dict[str, Any]:
    """Train some steps from the command on and return what the log says of the last of them."""
    preset = {"joint": "joint-ucf10-cpu", "vicc": "vicc-ucf10-cpu"}[name]
    settings: dict[str, Any] = {"training.log_every": 10}
    if is_tiny:
        settings |= {"training.batch_size": 4, "training.workers": 0, "views.rgb.size": 32, "views.flow.size": 32}
    steps = 2 if is_tiny else 60
    took, run = timed(lambda: coview.pretrain(preset, data, folder / name, settings=settings, max_steps=steps))
    last = [event for event in read_log(run.path / "log.jsonl") if event["event"] == "step"][-1]
    return {
        "seconds_from_command_to_end": round(took, 1),
        "stages": len(run.stages),
        "steps_a_stage": steps,
        "clips_per_second": round(last["clips_per_second"], 1),
        "data_wait_share": round(last["data_wait_share"], 3),
        "precision": run.resolved["precision"]["dtype_name"],
    }


if __name__ == "__main__":
    main()
