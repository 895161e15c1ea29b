"""Labelling: how long the head takes to follow a label, and how many labels suggestions save.

    bench_labelling.py refit                1,000,000 windows of 512 numbers, 240 labels: fit, validation, a dozen
    bench_labelling.py suggestions INDEX    an index whose videos have classes and groups: macro-F1 after n labels

Suggestions: whole videos, or windows, are labelled a dozen at a time by what their source says, in the order in which
they are suggested or in random order, in draws of groups; macro-F1 is measured on groups that were never in the pool.
Rare classes: every other class has a quarter of its rows.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import coview
from coview.collection.about import FORMAT
from coview.collection.filters import Filter
from coview.collection.heads.fitting import fit_head
from coview.collection.heads.head import Head
from coview.collection.heads.suggestions import Pool, suggest
from coview.collection.heads.training_set import TrainingSet, join_views
from coview.collection.index import Index
from coview.collection.store import NewVideo, VideoFacts, VideoVectors
from coview.evaluation.metrics.per_class import score_classes
from coview.serving.labelling import Workbench
from record import record

SIZE, WINDOWS_A_VIDEO, CLASSES, LABELS = 512, 20, 10, 240
DOZEN, TESTED_GROUPS, MOST_ROUNDS = 12, 4, 11
CASES: tuple[tuple[str, Literal["videos", "windows"], bool], ...] = (
    ("whole videos", "videos", False),
    ("whole videos, rare classes", "videos", True),
    ("moments", "windows", False),
    ("moments, rare classes", "windows", True),
)


def build(folder: Path, windows: int) -> Index:
    """Fill an index with vectors around the centres of classes."""
    run = {"path": "run", "checkpoint": "none", "identity": "made up"}
    about = {"format": FORMAT, "id": "bench", "run": run, "views": {"rgb": SIZE}}
    index = Index(folder, about=about, create=True)
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((CLASSES, SIZE), dtype=np.float32)
    starts = np.arange(WINDOWS_A_VIDEO, dtype=np.float64)
    with index.store.writing():
        for first in range(0, windows // WINDOWS_A_VIDEO, 1000):
            videos = []
            for number in range(first, min(first + 1000, windows // WINDOWS_A_VIDEO)):
                rows = centres[number % CLASSES] + 2 * generator.standard_normal((WINDOWS_A_VIDEO, SIZE), np.float32)
                rows /= np.linalg.norm(rows, axis=1, keepdims=True)
                whole = rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))
                facts = VideoFacts(id=f"v{number}", path=f"v{number}.mp4", duration_seconds=21.0)
                vectors = VideoVectors({"rgb": rows}, starts, starts + 2, {"rgb": whole.astype(np.float32)})
                videos.append(NewVideo(facts, vectors))
            index.store.add(videos)
    return index


def measure_refit(windows: int) -> dict[str, Any]:
    """Time what the page does after a label: everything but the network."""
    with tempfile.TemporaryDirectory() as folder:
        index = build(Path(folder) / "idx", windows)
        for number in range(LABELS):
            index.labels.add(f"v{number}", f"class {number % CLASSES}", start=3, end=6)
        bench, rounds = Workbench(index), []
        for number in range(6):
            index.labels.add(f"v{LABELS + number}", f"class {(LABELS + number) % CLASSES}", start=3, end=6)
            row: dict[str, float] = {}
            for name, act in (("fit", bench._follow), ("suggestions", lambda: bench._suggest("moments", 0))):
                wall, cpu = time.perf_counter(), time.process_time()
                act()
                row |= {f"{name}_seconds": time.perf_counter() - wall, f"{name}_cpu_seconds": time.process_time() - cpu}
            rounds.append(row)
        assert bench.standing.head is not None
        index.close()
    steady = rounds[1:]  # the first one reads what the others find in memory
    return {
        "windows": windows,
        "labels": LABELS,
        "first": rounds[0],
        "median": {name: float(np.median([row[name] for row in steady])) for name in steady[0]},
    }


@dataclass(frozen=True)
class Rows:
    """Whole videos, or windows, of an index: rows by view, and joined; classes, groups and videos of each."""

    rows: Mapping[str, NDArray[np.float16]]
    features: NDArray[np.float32]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    videos: NDArray[np.int64]
    views: tuple[str, ...]

    @classmethod
    def read(cls, index: Index, part: Literal["videos", "windows"]) -> "Rows":
        """Return those of an index."""
        table = index.store.table(part, Filter())
        facts = {row.number: row.facts for row in index.store.rows(status="ready")}
        videos = np.repeat(table.numbers, table.counts)
        labels = np.array([facts[number].label or "" for number in videos.tolist()])
        groups = np.array([facts[number].group or str(number) for number in videos.tolist()])
        rows = {view: np.asarray(table.rows[view]) for view in index.views}
        wide = {view: own.astype(np.float32) for view, own in rows.items()}
        return cls(rows, join_views(wide, index.views, combine="concat"), labels, groups, videos, index.views)

    def fit(self, some: NDArray[np.int64]) -> Head | None:
        """Fit a head to some videos; None where they are of one class."""
        present = sorted(set(self.labels[some].tolist()))
        if len(present) < 2:
            return None
        given = TrainingSet(
            self.features[some],
            self.labels[some][:, None] == np.array(present),
            self.groups[some],
            tuple(self.groups[some].tolist()),
            np.zeros((len(some), 2)),
            tuple(present),
            len(some),
            len(some),
        )
        return fit_head(given, views=self.views, combine="concat", multi_label=False, run={}, is_validated=False)

    def macro_f1(self, head: Head | None, tested: NDArray[np.int64]) -> float:
        """Return macro-F1 of a head on videos."""
        classes = sorted(set(self.labels.tolist()))
        if head is None:
            return 0.0
        said = head.decide(head.of_features(self.features[tested]))
        decided = np.array([[name in names for name in classes] for names in said])
        targets = self.labels[tested][:, None] == np.array(classes)
        return score_classes(decided, targets, classes=classes, groups=["one"] * len(tested)).macro_f1

    def suggested(self, pool: NDArray[np.int64], rounds: int, seed: int) -> list[Head | None]:
        """Return the head after each round of suggestions."""
        chosen = np.empty(0, dtype=np.int64)
        numbers, owners = np.unique(self.videos[pool], return_inverse=True)
        group_of = dict(zip(self.videos[pool].tolist(), self.groups[pool].tolist(), strict=True))
        _, recordings = np.unique([group_of[number] for number in numbers.tolist()], return_inverse=True)
        rows = {view: own[pool] for view, own in self.rows.items()}
        found: list[Head | None] = []
        for _ in range(rounds):
            head = found[-1] if found else None
            counts = Counter(self.labels[chosen].tolist())
            given = Pool(rows, owners, recordings.astype(np.int64), np.isin(pool, chosen))
            next_ones = suggest(given, head, views=self.views, counts=counts, count=DOZEN, seed=seed)
            chosen = np.concatenate([chosen, pool[[one.row for one in next_ones]]])
            found.append(self.fit(chosen))
        return found


def measure_suggestions(videos: Rows, orders: range, *, rare: bool) -> dict[str, Any]:
    """Return macro-F1 after n labels, by random order and by suggestions: the mean over draws."""
    classes = sorted(set(videos.labels.tolist()))
    source = np.array([group.rsplit("g", 1)[-1] for group in videos.groups])  # UCF101's numbers are the same in a class
    random_curves, suggested_curves = [], []
    for order in orders:
        generator = np.random.default_rng(order)
        is_tested = np.isin(source, generator.permutation(np.unique(source))[:TESTED_GROUPS])
        pool, tested = np.flatnonzero(~is_tested), np.flatnonzero(is_tested)
        if rare:
            own = [generator.permutation(pool[videos.labels[pool] == name]) for name in classes[::2]]
            pool = pool[~np.isin(pool, np.concatenate([places[max(1, len(places) // 4) :] for places in own]))]
        rounds, shuffled = min(int(len(pool) * 0.97) // DOZEN, MOST_ROUNDS), generator.permutation(pool)
        by_chance = [shuffled[: DOZEN * (number + 1)] for number in range(rounds)]
        random_curves.append([videos.macro_f1(videos.fit(some), tested) for some in by_chance])
        suggested_curves.append([videos.macro_f1(head, tested) for head in videos.suggested(pool, rounds, order)])
    shortest = min(map(len, random_curves))
    by_chance = np.mean([curve[:shortest] for curve in random_curves], axis=0)
    suggested = np.mean([curve[:shortest] for curve in suggested_curves], axis=0)
    rows = []
    for number, wanted in enumerate(by_chance.tolist()):
        needed, size = labels_needed(suggested, wanted), DOZEN * (number + 1)
        row = {"labels": size, "random": wanted, "suggested": float(suggested[number])}
        rows.append({**row, "labels_for_the_same": needed, "share": None if needed is None else needed / size})
    return {"orders": [orders.start, orders.stop], "rows": rows}


def labels_needed(curve: NDArray[np.float64], wanted: float) -> float | None:
    """Return after how many labels a curve first reaches a value, in proportion between two; None: never."""
    reached = np.flatnonzero(curve >= wanted)
    if not len(reached):
        return None
    place = int(reached[0])
    if place == 0:
        return float(DOZEN)
    share = (wanted - curve[place - 1]) / (curve[place] - curve[place - 1])
    return float(DOZEN * (place + share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["refit", "suggestions"])
    parser.add_argument("index", nargs="?", type=Path)
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=10)
    parser.add_argument("--first-order", type=int, default=10, help="0 to 9 are those by which suggestions were chosen")
    asked = parser.parse_args()
    if asked.what == "refit":
        values = measure_refit(asked.windows)
        print(values, record("labelling-refit", values), sep="\n")
        return
    index = coview.open_index(asked.index)
    orders, found = range(asked.first_order, asked.first_order + asked.orders), {}
    for name, part, rare in CASES:
        found[name] = measure_suggestions(Rows.read(index, part), orders, rare=rare)
        print(name)
        for row in found[name]["rows"]:
            share = "never" if row["share"] is None else f"with {row['share']:.2f} of them"
            print(f"  {row['labels']:4} labels: {row['random']:.3f}, suggested {row['suggested']:.3f}; as good {share}")
    print(record("labelling-suggestions", {"videos": len(index), "views": index.views, **found}))


if __name__ == "__main__":
    main()
