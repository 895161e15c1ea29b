"""Labels of moments and of whole videos become a model that predicts."""

import numpy as np
import pytest

from coview.collection.heads.timeline import TimelineSettings
from coview.collection.prediction.classifier import open_classifier
from coview.collection.prediction.predicting import list_work, predict_videos
from coview.errors import UserError
from coview.evaluation.finetuned import finetune, list_moments
from coview.evaluation.protocols.finetuning import FinetuneSettings
from small_index import write_square
from small_run import SmallRun, small_run  # noqa: F401


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetuned")
    for seed in range(6):
        write_square(folder / f"v{seed}.mp4", seed, repeats=2)
    return folder


def table(folder, *rows):
    path = folder / "labels.csv"
    path.write_text("\n".join(["path,start,end,label", *rows]) + "\n")
    return path


def test_from_labels_to_predictions(videos, small_run, tmp_path):  # noqa: F811
    rows = [f"v{seed}.mp4,,,{'fast' if seed % 2 else 'slow'}" for seed in range(4)]
    rows += ["v4.mp4,0,0.8,slow", "v5.mp4,0.2,1.2,fast", "v4.mp4,0.8,1.6,(none of them)"]
    labels = table(videos, *rows)
    model = finetune(small_run.run, labels, tmp_path / "model", settings=FinetuneSettings(max_steps=1))
    assert model.config.method["name"] == "classify"
    assert len(list((tmp_path / "model" / "labelled" / "moments").glob("*.mp4"))) == 3
    classifier = open_classifier(tmp_path / "model")
    assert classifier.classes == ("fast", "slow")
    assert classifier.has_none
    work = list_work(videos, classifier)
    found = list(predict_videos(classifier, work, settings=TimelineSettings(), workers=0))
    assert len(found) == 6
    for one in found:
        assert one.windows.shape == (len(one.starts), 2)
        assert np.isfinite(one.windows).all()
        assert (one.windows.sum(axis=1) <= 1 + 1e-5).all()
    with pytest.raises(UserError, match="holds a finished model already"):
        finetune(small_run.run, labels, tmp_path / "model")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["v0.mp4,,,a", "v1.mp4,,,a"], "are of 1 class .a."),
        (["v0.mp4,,,a", "v0.mp4,,,b"], "is labelled a and b at once"),
        (["v0.mp4,,,a", "v0.mp4,,,(none of them)"], r"is labelled \(none of them\) and a at once"),
        (["v0.mp4,,,a", "w.mp4,,,b"], "w.mp4, which is labelled, is not there"),
    ],
)
def test_labels_that_cannot_be_learnt_from(videos, small_run, tmp_path, rows, words):  # noqa: F811
    with pytest.raises(UserError, match=words):
        finetune(small_run.run, table(videos, *rows), tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert list_moments(table(videos, "v0.mp4,,,a", "v1.mp4,1,2,b"))[1].start_seconds == 1


def test_a_folder_of_something_else_stays(videos, small_run, tmp_path):  # noqa: F811
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="choose a new folder"):
        finetune(small_run.run, table(videos, "v0.mp4,,,a", "v1.mp4,,,b"), tmp_path)
