"""Retrieval as the released code does it: one random clip a gallery video, each set around its own mean."""

import numpy as np
import pytest
import torch

from coview.augmentation.batch import centre
from coview.clips.samples import collate
from coview.clips.windows import WindowDataset
from coview.datasets.prepared import PreparedDataset
from coview.embedding.extract import window_features
from coview.embedding.run import load
from coview.errors import UserError
from coview.evaluation import evaluate
from coview.evaluation.protocols.retrieval import _centre_on_mean
from coview.views.opened import open_views

OPTIONS = {"variant": "released-code"}


def test_vectors_around_their_mean_by_hand():
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], dtype=np.float32)
    half = float(np.sqrt(0.5))
    np.testing.assert_allclose(_centre_on_mean(rows), [[half, -half], [-half, half], [0, 0]], atol=1e-6)


def test_scores_equal_plain_loops(small_run):
    result = evaluate(small_run.run, small_run.data, settings=OPTIONS)
    assert (result.split, result.variant, result.curve) == ("split1", "released-code", ())
    assert result.path.endswith("retrieval-split1-released-code.json")
    run, data = load(small_run.run), PreparedDataset.open(small_run.data)
    views = open_views(data.view_options, run.views)
    whole = run.embed(data).features["flow"]
    clips = WindowDataset(data, data.ready[:4], views, run.config.clip, clip_seed=run.config.seed)
    gallery = []
    for index in range(4):
        (sample,) = clips[index]
        clip = centre(collate([sample]), views, run.config.views, device=torch.device("cpu")).clips["flow"][:, 0]
        with torch.inference_mode():
            features = window_features(run.encoders["flow"], clip, clip=run.config.clip, pool=run.method.pool)
        gallery.append(features[0].numpy())
    mean, gallery_mean = whole[4:8].mean(axis=0), np.mean(gallery, axis=0)
    around = [(item - gallery_mean) / np.linalg.norm(item - gallery_mean) for item in gallery]
    hits = 0
    for query in range(4, 8):
        best = int(np.argmax([float((whole[query] - mean) @ item) for item in around]))
        hits += best % 2 == query % 2
    example = result.examples["flow"][0]
    query = next(place for place in range(4, 8) if data.ready[place].id == example["id"])
    centred = (whole[query] - mean) / np.linalg.norm(whole[query] - mean)
    expected = sorted((float(centred @ item) for item in around), reverse=True)
    assert [found["cosine"] for found in example["neighbours"]] == pytest.approx(expected, abs=2e-4)
    row = result.row("trained", "flow")
    assert row.metrics["R@1"] == pytest.approx(hits / 4)
    assert "one random clip" in row.description
    assert result.row("random", "flow").description == row.description
    default = evaluate(small_run.run, small_run.data, settings={"stages": False})
    for pixels in (row for row in result.rows if row.kind == "pixels"):
        assert pixels == default.row("pixels", pixels.name)
    assert evaluate(small_run.run, small_run.data, settings=OPTIONS).rows == result.rows


def test_the_clip_depends_on_seed_and_video_alone(small_run):
    data = PreparedDataset.open(small_run.data)
    run = load(small_run.run)
    views = open_views(data.view_options, ["rgb"])

    def starts(entries, seed):
        drawn = WindowDataset(data, entries, views, run.config.clip, clip_seed=seed)
        return {entry.id: drawn.indices(place).tolist() for place, entry in enumerate(entries)}

    every = starts(data.ready, 1)
    assert all(len(frames) == 1 for frames in every.values())
    assert starts(data.ready[3:5], 1) == {entry.id: every[entry.id] for entry in data.ready[3:5]}
    assert len({frames[0][0] for frames in every.values()}) > 1
    assert starts(data.ready, 2) != every


def test_it_is_a_way_to_compare_a_split(small_run):
    with pytest.raises(UserError, match="folds and the variant released-code exclude each other"):
        evaluate(small_run.run, small_run.data, settings={**OPTIONS, "folds": 2})
