"""Queries of one data set find videos of another: who stands where, what is counted, what cannot be."""

import dataclasses
import shutil

import numpy as np
import pytest

from coview.datasets.manifest import write_manifest
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import load
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.query_gallery import choose_videos


def elsewhere(small_run, folder, change):
    """Copy the small data set with changed rows."""
    shutil.copytree(small_run.data, folder)
    entries = [change(entry) for entry in PreparedDataset.open(folder).entries]
    write_manifest(entries, folder / "videos.parquet")
    return folder


@pytest.fixture(scope="module")
def other(small_run, tmp_path_factory):
    """The same videos without splits; what was called slow is called lazy, but for the first."""

    def change(entry):
        label = "lazy" if entry.label == "slow" and entry.id != "v0" else entry.label
        return dataclasses.replace(entry, splits={}, label=label)

    return elsewhere(small_run, tmp_path_factory.mktemp("gallery") / "other", change)


def test_scores_equal_plain_loops_and_counts_tell_both(small_run, other):
    result = evaluate(small_run.run, small_run.data, settings={"gallery": str(other)})
    assert result.path.endswith("retrieval-split1-gallery-other.json")
    features = load(small_run.run).embed(PreparedDataset.open(other)).features["flow"][:8]
    labels = ["slow" if n == 0 else "fast" if n % 2 else "lazy" for n in range(8)]
    hits = 0
    for query in (4, 5, 6, 7):
        best = int(np.argmax(features @ features[query]))
        hits += labels[best] == ("fast" if query % 2 else "slow")
    row = result.row("trained", "flow")
    assert row.metrics["R@1"] == pytest.approx(hits / 4)
    assert row.metrics["R@50"] == pytest.approx(1)
    counts = result.counts
    assert (counts["queries_scored"], counts["queries"]) == (4, 5)
    assert (counts["gallery_used"], counts["gallery"], counts["gallery_videos"]) == (8, 10, 10)
    assert (counts["shared_classes"], counts["classes"]) == (2, 3)
    assert counts["gallery_data"] == other.name
    assert (counts["gallery_not_ready"], counts["gallery_unlabelled"]) == ({"failed": 1}, 1)
    assert {row.kind for row in result.rows} == {"trained", "random", "pixels", "chance"}
    assert result.examples == {}
    assert len(result.curve) == 3


def test_the_gallery_keeps_to_its_training_part_where_it_has_the_split(small_run, tmp_path):
    same = elsewhere(small_run, tmp_path / "same", lambda entry: entry)
    data, gallery = PreparedDataset.open(small_run.data), PreparedDataset.open(same)
    videos = choose_videos(data, "split1", gallery=str(gallery.root))
    (fold,) = videos.folds
    assert [videos.entries[row].id for row in fold.gallery] == ["v0", "v1", "v2", "v3"]
    assert [videos.entries[row].id for row in fold.queries] == ["v4", "v5", "v6", "v7"]
    parts = videos.by_data(data)
    assert [(part.root, len(entries)) for part, entries in parts] == [(data.root, 4), (gallery.root, 4)]


def test_a_gallery_that_cannot_be_used_is_the_users_error(small_run, other, tmp_path):
    def with_gallery(gallery, **options):
        return evaluate(small_run.run, small_run.data, settings={"gallery": str(gallery), **options})

    strange = elsewhere(
        small_run, tmp_path / "strange", lambda entry: dataclasses.replace(entry, label=entry.label and "x")
    )
    with pytest.raises(UserError, match="share no label: the queries' are fast, slow; the gallery's x"):
        with_gallery(strange)
    with pytest.raises(UserError, match="is the queries' own data set"):
        with_gallery(small_run.data)
    with pytest.raises(UserError, match="gallery from another data set and folds exclude each other"):
        with_gallery(other, folds=2)
    with pytest.raises(UserError, match="and the variant leave-group-out exclude each other"):
        with_gallery(other, variant="leave-group-out")
    with pytest.raises(UserError, match="does not exist"):
        with_gallery(tmp_path / "nothing")
