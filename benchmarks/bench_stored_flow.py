"""How far is stored flow from computed flow, and how large are the files? On real videos, for each algorithm.

The difference holds everything between the two: rounding to 256 values and H.264. Motion beyond the bound is clipped
before the comparison, and how much of it there is, is reported.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from coview.views.base import StorageSettings
from coview.views.flow.view import FlowOptions, FlowView, decode_flow, encode_flow, pair_flow
from record import record

ALGORITHMS = ("tvl1", "farneback", "dis")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, default=Path("../shared/data/ucf10"), help="a folder of real videos")
    parser.add_argument("--count", type=int, default=12, help="videos, evenly chosen")
    parser.add_argument("--frames", type=int, default=100, help="at most, of each video")
    parser.add_argument("--crf", type=float, nargs="+", default=[FlowOptions().crf])
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found = sorted(path for path in given.videos.rglob("*") if path.suffix in (".mp4", ".avi"))
    if not found:
        parser.error(f"no .mp4 or .avi below {given.videos}")
    chosen = found[:: max(len(found) // given.count, 1)][: given.count]
    rows = [row for algorithm in ALGORITHMS for row in measure(chosen, algorithm, given.crf, num_frames=given.frames)]
    for row in rows:
        print(row)
    size = {"videos": len(chosen), "frames_at_most": given.frames}
    print(record("stored_flow", {**size, "bound_px": FlowOptions().bound, "stored": rows}))


def measure(paths: list[Path], algorithm: str, crfs: list[float], *, num_frames: int) -> Iterator[dict[str, Any]]:
    """Yield what each crf keeps of an algorithm's flow."""
    bound = FlowOptions().bound
    start = time.perf_counter()
    flows = [np.stack(list(computed(path, algorithm, num_frames=num_frames))) for path in paths]
    rate = sum(map(len, flows)) / (time.perf_counter() - start)
    lengths = np.concatenate([np.linalg.norm(flow, axis=-1).ravel() for flow in flows])
    clipped = np.concatenate([np.clip(flow, -bound, bound).ravel() for flow in flows])
    for crf in crfs:
        errors, sizes = zip(*(stored_error(flow, bound=bound, crf=crf) for flow in flows), strict=True)
        error = np.concatenate([part.ravel() for part in errors])
        yield {
            "algorithm": algorithm,
            "crf": crf,
            "mean_difference_px": round(float(error.mean()), 4),
            "p99_difference_px": round(float(np.quantile(error, 0.99)), 4),
            "kilobytes_a_video": round(float(np.mean(sizes)) / 1000, 1),
            "bytes_a_frame": round(sum(sizes) / sum(map(len, flows))),
            "flow_frames_per_second": round(rate, 1),
            "mean_length_px": round(float(lengths.mean()), 3),
            "share_beyond_bound": round(float((lengths > bound).mean()), 5),
            "rms_share_of_bound": round(float(np.sqrt(np.mean(clipped**2))) / bound, 4),
        }


def computed(path: Path, algorithm: str, *, num_frames: int) -> Iterator[NDArray[np.float32]]:
    """Yield the flow of a video, in pixels, straight from the algorithm."""
    flow_of = pair_flow(algorithm)
    before: NDArray[np.uint8] | None = None
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index > num_frames:
                return
            grey = np.asarray(cv2.cvtColor(frame.to_ndarray(format="rgb24"), cv2.COLOR_RGB2GRAY), np.uint8)
            if before is not None:
                yield flow_of(before, grey)
            before = grey


def stored_error(flow: NDArray[np.float32], *, bound: float, crf: float) -> tuple[NDArray[np.float32], int]:
    """Write and read (T, H, W, 2) flow; return the distance of every vector in pixels, and the file's bytes."""
    view = FlowView(FlowOptions(bound=bound, crf=crf))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"flow{FlowView.suffix}"
        view.write((encode_flow(frame, bound=bound) for frame in flow), path, fps=25.0, storage=StorageSettings())
        read = decode_flow(view.read(path, np.arange(len(flow))), bound=bound)
        return np.linalg.norm(read - np.clip(flow, -bound, bound), axis=-1), path.stat().st_size


if __name__ == "__main__":
    main()
