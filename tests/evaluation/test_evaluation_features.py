"""Features are made once: what one protocol embedded serves all others."""

import shutil
from collections import Counter

import numpy as np
import pytest

from coview.embedding.run import Run
from coview.evaluation import PROTOCOLS, evaluate, pixel_baselines
from coview.video import stored

QUICK = {
    "linear": {"epochs": 2, "milestones": [1]},
    "few-labels": {"labels": [1], "draws": 1},
    "clusters": {"restarts": 1},
}


@pytest.fixture
def no_more_work(small_run, monkeypatch):
    """Evaluate once; from then on embedding and reading pixels fail."""
    evaluate(small_run.run, small_run.data, settings={"stages": False})

    def refuse(*_, **__):
        raise AssertionError("embedded again")

    monkeypatch.setattr(Run, "embed_entries", refuse)
    monkeypatch.setattr(pixel_baselines, "_embed_pixels", refuse)


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name in {"retrieval", "knn", *QUICK}])
def test_every_protocol_takes_what_is_there(no_more_work, small_run, protocol):
    options = {"retrieval": {"stages": False}, **QUICK}.get(protocol, {})
    result = evaluate(small_run.run, small_run.data, protocol=protocol, settings=options)
    assert {row.kind for row in result.rows} == {"trained", "random", "pixels", "chance"}


def test_ensembles_too(no_more_work, small_run):
    result = evaluate([f"{small_run.run}:rgb", f"{small_run.run}:flow=2"], small_run.data)
    assert result.row("random", "ensemble") is not None


def test_other_weights_are_embedded(no_more_work, small_run):
    with pytest.raises(AssertionError, match="embedded again"):
        evaluate(small_run.run, small_run.data, protocol="knn", checkpoint="rgb-00000010")


def test_every_frame_is_decoded_once_for_encoders_random_weights_and_pixels(small_run, tmp_path, monkeypatch):
    copy = tmp_path / "run"
    shutil.copytree(small_run.run, copy, ignore=shutil.ignore_patterns("embeddings", "evaluation"))
    decoded = Counter()
    read = stored.read_pictures

    def counted(path, frame_indices, **how):
        decoded.update((path, int(index)) for index in np.unique(frame_indices))
        return read(path, frame_indices, **how)

    monkeypatch.setattr(stored, "read_pictures", counted)
    result = evaluate(copy, small_run.data, protocol="knn")
    assert {row.kind for row in result.rows} == {"trained", "random", "pixels", "chance"}
    assert set(decoded.values()) == {1}
    assert len({path for path, _ in decoded}) == 2 * 8  # rgb and flow of every labelled video
