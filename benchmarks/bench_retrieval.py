"""Seconds and memory of scoring retrieval: 3,000 queries in a gallery of 10,000 videos, 1024 numbers each.

Timed is all that `coview evaluate --protocol retrieval` does for one set of features once they are there: R@{1, 5, 10,
20, 50}, the standard error over groups, and chance. Peer: scikit-learn's exact nearest neighbours by cosine, which
finds the neighbours and no more. Both take turns in processes of their own, so that each one's peak memory (with
Python, torch and the features themselves) is its own; medians are written to results/.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from coview.evaluation.metrics.recall import RECALL_AT, chance_recall, recall_at_k
from coview.evaluation.query_gallery import QueryGallerySplit
from coview.evaluation.statistics import bootstrap_error
from record import record

CLASSES, VIDEOS_A_GROUP = 101, 6
GOAL_SECONDS, GOAL_GIGABYTES = 5.0, 2.0


def unit_rows(count: int, size: int, *, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, size), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def labels(count: int) -> list[str]:
    return [f"class {number % CLASSES}" for number in range(count)]


def score(queries: NDArray[np.float32], gallery: NDArray[np.float32]) -> float:
    count, names = len(queries), [*labels(len(queries)), *labels(len(gallery))]
    split = QueryGallerySplit(tuple(range(count)), tuple(range(count, len(names))))
    found = recall_at_k(np.concatenate([queries, gallery]), names, split)
    hits = np.array([given == label for given, label in zip(found.predicted, names[:count], strict=True)])
    bootstrap_error(hits, [f"group {number // VIDEOS_A_GROUP}" for number in range(count)])
    chance_recall(names, split)
    return found.scores["R@1"]


def peer(queries: NDArray[np.float32], gallery: NDArray[np.float32]) -> float:
    model = NearestNeighbors(n_neighbors=max(RECALL_AT), algorithm="brute", metric="cosine").fit(gallery)
    return float(model.kneighbors(queries, return_distance=False)[0, 0])


WORK: dict[str, Callable[[NDArray[np.float32], NDArray[np.float32]], float]] = {"coview": score, "scikit-learn": peer}


def measure_here(who: str, arguments: argparse.Namespace) -> None:
    """Work once in this process and print seconds and peak memory."""
    torch.set_num_threads(arguments.threads)
    queries = unit_rows(arguments.queries, arguments.size, seed=0)
    gallery = unit_rows(arguments.gallery, arguments.size, seed=1)
    started, processor = time.perf_counter(), time.process_time()
    WORK[who](queries, gallery)
    seconds, processor = time.perf_counter() - started, time.process_time() - processor
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "processor_seconds": processor, "peak_gigabytes": gigabytes}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=3_000)
    parser.add_argument("--gallery", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=1024, help="numbers a video")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--here", choices=list(WORK), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        measure_here(arguments.here, arguments)
        return
    found: dict[str, list[dict[str, float]]] = {who: [] for who in WORK}
    for _ in range(arguments.repeats):
        for who in WORK:
            words = [sys.executable, __file__, *sys.argv[1:], "--here", who]
            shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            found[who].append(json.loads(shown))
    medians = {
        who: {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
        for who, runs in found.items()
    }
    sizes = {name: value for name, value in vars(arguments).items() if name != "here"}
    values = {
        "sizes": sizes,
        **medians,
        "times_faster": round(medians["scikit-learn"]["seconds"] / medians["coview"]["seconds"], 2),
        "goals": {"seconds": GOAL_SECONDS, "peak_gigabytes": GOAL_GIGABYTES},
    }
    path = record("retrieval", values)
    own = medians["coview"]
    print(
        f"{path.name}: {own['seconds']} s, {own['peak_gigabytes']} GB, {values['times_faster']} x scikit-learn's speed"
    )


if __name__ == "__main__":
    main()
