"""Try settings on training groups alone: learn on two thirds of a training part's groups, be scored on the others.

    python benchmarks/training_groups.py DATA OUT joint-ucf10-cpu --folds 0 1 --set training.max_steps=300

Test videos of the split are not looked at. Prints and appends to OUT/trials.jsonl a line a fold: R@1, mean average
precision and the accuracy of a ridge classifier, in %, for each view and the views fused; CPU seconds of training.
"""

import argparse
import dataclasses
import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier

import coview
from coview.config.yaml_files import read_value
from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import INFO_NAME, MANIFEST_NAME, VIEWS_FOLDER, PreparedDataset

FOLDS = 3


def with_folds(data: PreparedDataset, split: str, out: Path) -> PreparedDataset:
    """Return the training part of a split as a data set of its own, with split columns fold0, fold1, fold2.

    The groups of every class are counted through; each third one is held out.
    """
    entries = data.part(split, "train")
    numbers: dict[str, list[str]] = {}
    for entry in entries:
        groups = numbers.setdefault(entry.label or "", [])
        groups.extend([name for name in [entry.group or entry.id] if name not in groups])
    folded = []
    for entry in entries:
        number = numbers[entry.label or ""].index(entry.group or entry.id)
        splits = {f"fold{fold}": "test" if number % FOLDS == fold else "train" for fold in range(FOLDS)}
        folded.append(dataclasses.replace(entry, splits=splits))
    out.mkdir(parents=True, exist_ok=True)
    (out / INFO_NAME).write_bytes((data.root / INFO_NAME).read_bytes())
    if not (out / VIEWS_FOLDER).exists():
        (out / VIEWS_FOLDER).symlink_to((data.root / VIEWS_FOLDER).resolve())
    write_manifest(folded, out / MANIFEST_NAME)
    return PreparedDataset.open(out)


def score(features: NDArray[Any], labels: NDArray[Any], is_test: NDArray[Any]) -> list[float]:
    """Return R@1, mean average precision and ridge accuracy in % of unit features (n, D)."""
    gallery, queries = features[~is_test], features[is_test]
    hits = labels[~is_test][np.argsort(-queries @ gallery.T, axis=1)] == labels[is_test][:, None]  # (queries, gallery)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    mean_precision = ((precision * hits).sum(1) / hits.sum(1)).mean()
    mean, spread = gallery.mean(0), gallery.std(0) + 1e-6
    ridge = RidgeClassifier(alpha=100.0).fit((gallery - mean) / spread, labels[~is_test])
    accuracy = ridge.score((queries - mean) / spread, labels[is_test])
    return [round(100 * float(value), 1) for value in (hits[:, 0].mean(), mean_precision, accuracy)]


def try_fold(data: PreparedDataset, out: Path, config: str, fold: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Train on one fold and score it; return the line of the log."""
    before = cpu_seconds()
    named = {**settings, "split": f"fold{fold}", "evaluation.max_windows": 4}
    run = coview.pretrain(config, data, out, settings=named, device="cpu")
    seconds = cpu_seconds() - before
    found = run.embed_entries(data, data.ready, device="cpu")
    labels = np.array([entry.label for entry in data.ready])
    is_test = np.array([entry.splits[f"fold{fold}"] == "test" for entry in data.ready])
    features = {view: np.asarray(found[view]) for view in run.views}
    if len(features) > 1:
        features["fused"] = np.concatenate(list(features.values()), axis=1) / len(features) ** 0.5
    scores = {name: score(rows, labels, is_test) for name, rows in features.items()}
    return {"fold": fold, "videos": int(is_test.sum()), "cpu_seconds": round(seconds), **scores, "settings": settings}


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Try one set of settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("config")
    parser.add_argument("--split", default="split1")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING=VALUE")
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = {name: read_value(value) for name, _, value in (one.partition("=") for one in given.set)}
    settings = {"training.workers": 0, **settings}  # so that all the work is this process's
    data = with_folds(PreparedDataset.open(given.data), given.split, given.out / "data")
    number = len(list(given.out.glob("run*")))
    for place, fold in enumerate(given.folds):
        line = {
            "config": given.config,
            **try_fold(data, given.out / f"run{number + place}", given.config, fold, settings),
        }
        print(json.dumps(line), flush=True)
        with (given.out / "trials.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
