"""What became of each video: packed small, unpacked the same, and in agreement with the scores beside it."""

import json
from pathlib import Path

import pytest

from coview.evaluation import evaluate
from coview.evaluation.results.predictions import Predictions
from coview.evaluation.results.result import read_result

THREE = Predictions(
    videos=("v1", "v2", "v3"),
    labels=("run", "sit", "run"),
    groups=("group b", "group a", "group a"),
    given={"rgb": ("run", "run", ""), "flow": ("sit", "sit", "run")},
)


def test_hits_by_hand():
    assert THREE.hits("rgb").tolist() == [True, False, False]
    assert THREE.hits("flow").tolist() == [False, True, True]


def test_packed_as_written_and_unpacked_the_same():
    packed = THREE.packed()
    assert packed["classes"] == ["", "run", "sit"]
    assert (packed["label"], packed["group"]) == ("1 2 1", "1 0 0")
    assert packed["given"] == {"rgb": "1 1 0", "flow": "2 2 1"}
    assert Predictions.unpacked(json.loads(json.dumps(packed))) == THREE


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 rgb for 3 videos"):
        Predictions(THREE.videos, THREE.labels, THREE.groups, {"rgb": ("run", "run")})


@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("retrieval", {"stages": False}),
        ("retrieval", {"variant": "leave-group-out"}),
        ("retrieval", {"folds": 2}),
        ("knn", {}),
        ("knn", {"folds": 2}),
        ("linear", {"epochs": 3, "milestones": [2]}),
    ],
)
def test_the_share_of_hits_is_the_first_metric(small_run, protocol, options):
    result = evaluate(small_run.run, small_run.data, protocol=protocol, settings={"baselines": False, **options})
    kept = Predictions.unpacked(read_result(Path(result.path)).predictions)
    trained = [row for row in result.rows if row.kind == "trained"]
    assert list(kept.given) == [row.name for row in trained]
    for row in trained:
        assert kept.hits(row.name).mean() == pytest.approx(next(iter(row.metrics.values())))
    tested = ["v4", "v5", "v6", "v7"] if result.split else [f"v{number}" for number in range(8)]
    assert sorted(kept.videos) == tested
    assert all(
        label == ("fast" if int(video[1:]) % 2 else "slow")
        for video, label in zip(kept.videos, kept.labels, strict=True)
    )
