"""TV-L1 against OpenCV's DualTVL1 at its defaults: time of one core and end-point error, in turns in one process.

`--sizes` and `--magnitudes` make it shorter. On a machine with a GPU the torch version is timed there too.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch

from coview.views.flow.tvl1_numba import tvl1_pair
from coview.views.flow.tvl1_torch import tvl1_flow_batch
from known_motion import Pair, end_point_error, known_motion_pairs
from record import record

TORCH_PAIRS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["320x240", "171x128"], help="WIDTHxHEIGHT")
    parser.add_argument("--magnitudes", nargs="+", type=float, default=[0.5, 2.0, 5.0, 10.0, 15.0], help="in pixels")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    first_use = compile_seconds()
    sizes = {size: compare(size, seed=given.seed, magnitudes=given.magnitudes) for size in given.sizes}
    path = record("tvl1", {"threads": 1, "first_use_seconds": first_use, "pictures": sizes})
    for size, values in sizes.items():
        error = values["end_point_error_px"]["all"]
        print(f"{size}: {values['times_faster']} x OpenCV's speed, error {error['coview']} vs {error['opencv']} px")
    print(path)


def compile_seconds() -> float:
    """Return how long the first flow of this process takes: compiling, or loading what was compiled before."""
    picture = np.zeros((32, 32), np.uint8)
    start = time.perf_counter()
    tvl1_pair(picture, picture)
    return round(time.perf_counter() - start, 2)


def compare(size: str, *, seed: int, magnitudes: Sequence[float]) -> dict[str, Any]:
    """Measure both on every pair, by turns."""
    width, height = (int(side) for side in size.split("x"))
    theirs = cv2.optflow.DualTVL1OpticalFlow.create()
    seconds: dict[str, list[float]] = {"coview": [], "opencv": []}
    errors: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in seconds}
    pairs = list(known_motion_pairs(height, width, seed=seed, magnitudes=tuple(magnitudes)))
    tvl1_pair(pairs[0].first, pairs[0].second)
    for pair in pairs:
        for name, flow_of in (("coview", tvl1_pair), ("opencv", lambda a, b: theirs.calc(a, b, None))):
            taken, flow = timed(flow_of, pair)
            seconds[name].append(taken)
            for group in ("all", kind_of(pair)):
                errors[name][group].append(end_point_error(flow, pair))
    return {
        "pairs": len(pairs),
        "median_seconds": {name: round(statistics.median(taken), 4) for name, taken in seconds.items()},
        "times_faster": round(statistics.median(map(ratio, seconds["opencv"], seconds["coview"])), 1),
        "times_faster_least": round(min(map(ratio, seconds["opencv"], seconds["coview"])), 1),
        "end_point_error_px": {
            group: {name: round(float(np.mean(errors[name][group])), 4) for name in errors}
            for group in errors["coview"]
        },
        "torch": compare_torch(pairs),
    }


def timed(flow_of: Callable[..., Any], pair: Pair) -> tuple[float, Any]:
    """Return seconds of this thread's own work, which other load on the machine disturbs least, and the flow."""
    start = time.thread_time()
    flow = flow_of(pair.first, pair.second)
    return time.thread_time() - start, flow


def kind_of(pair: Pair) -> str:
    """Return the kind of motion without its magnitude, such as "brightness, layers"."""
    return pair.name.rsplit(" ", 1)[0]


def ratio(slow: float, fast: float) -> float:
    return slow / fast


def compare_torch(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Measure the torch version's distance from the numba version, and its speed, on the device there is."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = pairs if device.type == "cuda" else pairs[:: max(len(pairs) // TORCH_PAIRS, 1)]
    first, second = (
        torch.from_numpy(np.stack(pictures)).to(device)
        for pictures in ([pair.first for pair in chosen], [pair.second for pair in chosen])
    )
    if device.type == "cuda":
        tvl1_flow_batch(first, second)
        torch.cuda.synchronize()
    start = time.perf_counter()
    flows = tvl1_flow_batch(first, second).cpu().numpy()
    taken = time.perf_counter() - start
    apart = [
        np.linalg.norm(flow - tvl1_pair(pair.first, pair.second), axis=-1).mean()
        for flow, pair in zip(flows, chosen, strict=True)
    ]
    return {
        "device": device.type,
        "pairs_at_once": len(chosen),
        "seconds_a_pair": round(taken / len(chosen), 4),
        "mean_distance_from_numba_px": round(float(np.mean(apart)), 6),
        "largest_mean_distance_from_numba_px": round(float(np.max(apart)), 6),
    }


if __name__ == "__main__":
    main()
