"""Prototypes as clusters: the nearest prototype of each test video, scored against its class."""

import dataclasses

import numpy as np
import pytest

from coview.config import ClipSettings
from coview.datasets.prepared import PreparedDataset
from coview.embedding.run import Run, load
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.metrics.clusters import score_assignments
from small_run import make_run, small_config


@pytest.fixture(scope="module")
def vicc_run(small_run, tmp_path_factory):
    config = dataclasses.replace(
        small_config(),
        method={"name": "vicc", "prototypes": 3, "queue": 0, "projection_size": 8, "cycles": 0},
        clip=ClipSettings(num_blocks=1, block_length=4, frame_stride=1, clips_per_video=2),
    )
    run = tmp_path_factory.mktemp("vicc") / "run"
    make_run(run, small_run.data, config)
    return run


def test_scores_follow_from_the_nearest_prototypes(vicc_run, small_run):
    result = evaluate(vicc_run, small_run.data, protocol="clusters", settings={"by": "prototypes"})
    run, data = load(vicc_run), PreparedDataset.open(small_run.data)
    tests = [entry for entry in data.ready if entry.splits["split1"] == "test"]
    assert len(tests) == 4
    for view in ("rgb", "flow"):
        features = run.embed_entries(data, tests, encoders={view: run.method.projected(view)}).features[view]
        weight = run.method.prototypes[view].weight.numpy()
        nearest = [int(np.argmax([float(z @ c) for c in weight])) for z in features]
        expected = score_assignments(nearest, [entry.label for entry in tests])
        assert result.row("trained", view).metrics == pytest.approx(expected)
    assert result.row("random", "rgb") is not None
    assert (result.counts["queries_scored"], result.split) == (4, "split1")


def test_projected_features_are_kept(vicc_run, small_run, monkeypatch):
    def score():
        return evaluate(vicc_run, small_run.data, protocol="clusters", settings={"by": "prototypes"}).rows

    before = score()
    monkeypatch.setattr(Run, "embed_entries", lambda *_, **__: pytest.fail("embedded again"))
    assert score() == before


def test_projected_features_are_the_mean_of_windows_not_of_pooled_features(vicc_run, small_run):
    run, data = load(vicc_run), PreparedDataset.open(small_run.data)
    made = run.embed_entries(data, data.ready[:2], encoders={"rgb": run.method.projected("rgb")})
    assert made.features["rgb"].shape == (2, 8)
    np.testing.assert_allclose(np.linalg.norm(made.features["rgb"], axis=1), 1, rtol=1e-5)


def test_a_method_without_prototypes_is_refused(small_run):
    with pytest.raises(UserError, match="method cpc has no prototypes"):
        evaluate(small_run.run, small_run.data, protocol="clusters", settings={"by": "prototypes"})
