"""What each view's features say about where a person stands and how it moves, before and after training.

For synthetic clips, whose true keypoints are known: R^2 of a ridge regression, cross-validated over groups of videos,
from a video's features to the person's mean place, its height in the picture and the mean speed of its limbs.
1 is known exactly; 0 or less is not known.

    python benchmarks/what_views_know.py RUN --data DATA
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from coview.datasets.prepared import PreparedDataset
from coview.datasets.splits import group_of
from coview.datatypes import VideoEntry
from coview.embedding.cache import cached_embeddings
from coview.embedding.run import Run
from coview.evaluation.query_gallery import choose_videos
from coview.views.opened import open_views

FACTS = ("x", "y", "height", "limb speed")
FOLDS = 5


def facts(data: PreparedDataset, entries: tuple[VideoEntry, ...]) -> NDArray[np.float64]:
    """Return (n, 4): the FACTS of each video."""
    pose = open_views(data.view_options, ["pose"])["pose"]
    found = []
    for entry in entries:
        path = data.view_path("pose", entry.id, pose.suffix)
        people = pose.read(path, np.arange(entry.num_frames or 0))  # (T, R, 17, 3)
        points = people[:, 0, :, :2].astype(np.float64)  # (T, 17, 2)
        limbs = points - points.mean(axis=1, keepdims=True)
        height = np.median(np.ptp(points[..., 1], axis=1))
        found.append([*points.mean(axis=(0, 1)), height, np.abs(np.diff(limbs, axis=0)).mean()])
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="synthetic clips with the view pose, its truth")
    given = parser.parse_args()
    run, data = Run.load(given.run), PreparedDataset.open(given.data)
    entries = choose_videos(data, run.config.split).entries
    wanted, groups = facts(data, entries), [group_of(entry) for entry in entries]
    print(f"{'view':14} {'weights':8} " + " ".join(f"{name:>10}" for name in FACTS))
    for view in run.views:
        for weights in ("random", "trained"):
            features = cached_embeddings(run, data, entries, weights=weights).features[view]
            model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 4, 9)))
            found = cross_val_predict(model, features, wanted, groups=groups, cv=GroupKFold(FOLDS))
            scores = r2_score(wanted, found, multioutput="raw_values")
            print(f"{view:14} {weights:8} " + " ".join(f"{score:10.2f}" for score in scores))


if __name__ == "__main__":
    main()
