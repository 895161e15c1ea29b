"""Similarity distributions: what is found in features whose classes are known."""

import numpy as np
import pytest

from coview.analysis.similarity import Similarity, SimilaritySettings
from coview.datatypes import VideoEntry
from coview.errors import UserError
from stand_in_context import stand_in


def rows_of(centres, spread, seed):
    rows = np.eye(4, 8)[centres] + spread * np.random.default_rng(seed).normal(size=(len(centres), 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def entries(labels, groups=None):
    groups = groups or [None] * len(labels)
    return [
        VideoEntry(id=f"v{n}", path="", label=a, group=g) for n, (a, g) in enumerate(zip(labels, groups, strict=True))
    ]


def analyse(context):
    return Similarity(SimilaritySettings()).analyse(context)


def test_classes_that_are_apart_and_features_that_say_nothing():
    classes = np.arange(40) % 4
    sets = {
        "this run": {"rgb": rows_of(classes, 0.05, 0), "flow": rows_of(classes, 0.05, 1)},
        "random weights": {"rgb": rows_of(np.zeros(40, int), 1.0, 2)},
    }
    found = analyse(stand_in(entries([f"c{c}" for c in classes]), sets))
    values = {(one["features"], one["view"]): one for one in found.values["distributions"]}
    assert list(values) == [
        ("this run", "rgb"),
        ("this run", "flow"),
        ("this run", "mean of views"),
        ("random weights", "rgb"),
    ]
    assert values["this run", "rgb"]["auc"] == pytest.approx(1, abs=1e-3)
    assert values["random weights", "rgb"]["auc"] == pytest.approx(0.5, abs=0.1)
    assert values["this run", "rgb"]["same"]["pairs"] == 4 * 45
    assert values["this run", "rgb"]["same"]["pairs"] + values["this run", "rgb"]["other"]["pairs"] == 780
    assert found.tables[0].columns == ("features", "view", "AUC", "same class", "other class")
    assert sum(record["pairs"] for record in found.records) == 780 * 4
    assert "random weights" in found.sentences[0]


def test_likeness_of_one_recording_is_told_apart():
    """Features that know the recording and not the class: all of the AUC comes from pairs of one group."""
    groups = np.repeat(np.arange(12), 3)
    made = np.random.default_rng(0).normal(size=(12, 16))[groups].astype(np.float32)
    rows = made / np.linalg.norm(made, axis=1, keepdims=True)
    labels = [f"c{group % 2}" for group in groups]
    found = analyse(stand_in(entries(labels, [f"g{group}" for group in groups]), {"this run": {"rgb": rows}}))
    (values,) = found.values["distributions"]
    assert values["pairs_of_one_group"] == 36
    assert values["auc"] > values["auc_across_groups"] + 0.03
    assert "AUC across groups" in found.tables[0].columns
    assert "Without pairs of one group" in found.sentences[1]


@pytest.mark.parametrize("labels", [["a", "a", "a"], ["a", "b", "c"]])
def test_one_class_or_one_video_a_class_is_the_users_error(labels):
    with pytest.raises(UserError, match="make no pairs of both kinds"):
        analyse(stand_in(entries(labels), {"this run": {"rgb": rows_of([0, 1, 2], 0.1, 0)}}))
