"""Suggestions are a mix, never two of one recording while there are others; a million rows are scored in blocks."""

import numpy as np
import pytest

from coview.collection.heads import scoring
from coview.collection.heads.fitting import fit_head
from coview.collection.heads.scoring import score_blocks, widen
from coview.collection.heads.suggestions import Pool, suggest
from coview.collection.heads.training_set import TrainingSet

RUN = {"path": "/run", "checkpoint": "x", "identity": "abc"}


def made(videos=60, each=5, seed=0):
    """Windows around the centre of their video's class; class "rare" is a twentieth; two videos a recording."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((3, 16))
    class_of = np.where(np.arange(videos) % 20 == 0, 2, np.arange(videos) % 2)
    owners = np.repeat(np.arange(videos), each)
    rows = centres[class_of[owners]] + 0.8 * generator.standard_normal((videos * each, 16))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    return rows, owners, class_of


def head_of(rows, owners, class_of, videos):
    used = np.isin(owners, videos)
    targets = np.eye(3, dtype=bool)[class_of[owners[used]]]
    names = np.array([f"v{owner}" for owner in owners[used]])
    spans = np.zeros((used.sum(), 2))
    features = rows[used].astype(np.float32)
    given = TrainingSet(features, targets, names, tuple(names), spans, ("a", "b", "rare"), len(videos), len(videos))
    return fit_head(given, views=("rgb",), combine="concat", multi_label=None, run=RUN)


@pytest.mark.parametrize("is_cold", [True, False])
def test_a_mix_of_what_is_worth_a_label(is_cold):
    rows, owners, class_of = made()
    labelled = [] if is_cold else [0, 1, 2, 3, 4, 5]
    head = None if is_cold else head_of(rows, owners, class_of, labelled)
    pool = Pool({"rgb": rows}, owners, np.arange(60) // 2, np.isin(owners, labelled))
    counts = {} if is_cold else {"a": 2, "b": 3, "rare": 1}
    found = suggest(pool, head, views=["rgb"], counts=counts, count=12)
    assert len(found) == 12
    videos = owners[[one.row for one in found]]
    assert len(set((videos // 2).tolist())) == 12, "no recording twice"
    assert not set(videos.tolist()) & set(labelled)
    kinds = [one.why for one in found]
    assert kinds.count("new") == (12 if is_cold else 7)
    if not is_cold:
        assert (kinds.count("unsure"), kinds.count("rare")) == (4, 1)
        (rare,) = [one for one in found if one.why == "rare"]
        assert rare.classes == ("rare",), "the one with the fewest labels"
        assert class_of[owners[rare.row]] == 2
    again = suggest(pool, head, views=["rgb"], counts=counts, count=12)
    assert [one.row for one in again] == [one.row for one in found]


def test_new_ones_stand_for_what_has_no_label():
    """Three clusters of ten, three and two videos: one of each is chosen, the largest first, none beside a label."""
    class_of = np.repeat([0, 1, 2], [10, 3, 2])
    generator = np.random.default_rng(0)
    rows = np.eye(8)[class_of] + 0.02 * generator.standard_normal((15, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)

    def clusters_of(labelled, count):
        pool = Pool({"rgb": rows}, np.arange(15), np.arange(15), np.isin(np.arange(15), labelled))
        return class_of[[one.row for one in suggest(pool, None, views=["rgb"], counts={}, count=count)]].tolist()

    assert sorted(clusters_of([], 3)) == [0, 1, 2]
    assert clusters_of([0], 2) == [1, 2]


def test_when_little_is_left():
    rows, owners, class_of = made(videos=6)
    head = head_of(rows, owners, class_of, [0, 1, 2])
    pool = Pool({"rgb": rows}, owners, np.arange(6), np.isin(owners, [0, 1, 2]))
    found = suggest(pool, head, views=["rgb"], counts={"a": 1, "b": 1, "rare": 1}, count=12)
    assert sorted(owners[[one.row for one in found]]) == [3, 4, 5]
    everything = Pool({"rgb": rows}, owners, np.arange(6), np.ones(len(rows), dtype=bool))
    assert suggest(everything, head, views=["rgb"], counts={}, count=12) == []


def test_blocks_are_the_whole(monkeypatch):
    rows, owners, class_of = made()
    head = head_of(rows, owners, class_of, list(range(20)))
    whole = head.of_features(rows.astype(np.float32))
    monkeypatch.setattr(scoring, "_BLOCK_ROWS", 64)
    parts = list(score_blocks(head, {"rgb": rows}))
    assert [start for start, _ in parts] == [0, 64, 128, 192, 256]
    np.testing.assert_allclose(np.concatenate([part for _, part in parts]), whole, atol=1e-6)
    np.testing.assert_array_equal(widen(rows, is_large=True), rows.astype(np.float32))
