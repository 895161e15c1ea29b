"""What is drawn over the pictures: a skeleton on the person; a mask leaves the person bright, the rest dark."""

import av
import numpy as np
import pytest

import coview
from coview.datasets.synthetic import read_truth
from coview.datasets.synthetic.truth import truth_path
from coview.serving.films import write_view

HEIGHT, WIDTH = 96, 128


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """One synthetic clip: view -> (T, H, W, 3) as the page shows it, and where its person is, (T, H, W)."""
    root = tmp_path_factory.mktemp("overlays")
    rendered = {"num_videos": 1, "num_frames": 12, "height": HEIGHT, "width": WIDTH}
    settings = {"synthetic": rendered, "storage.short_side": HEIGHT, "workers": 0}
    views = ["rgb", "pose", "segmentation"]
    data = coview.prepare(root / "clips", root / "data", settings, views=views, layout="synthetic")
    (clip,) = (root / "clips").rglob("*.mp4")
    shown = {}
    for view in views:
        out = root / f"{view}.mp4"
        write_view(clip, out, view=view, start_seconds=0.0, end_seconds=0.4, made_like={"data": data.info})
        with av.open(str(out)) as film:
            shown[view] = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]).astype(int)
    person = read_truth(truth_path(clip)).masks[: len(shown["rgb"])] > 0
    return shown, person


def test_a_mask_shades_what_is_not_the_person(drawn):
    shown, person = drawn
    kept = shown["segmentation"].sum(axis=3) / np.maximum(shown["rgb"].sum(axis=3), 30)
    assert np.median(kept[person]) > 0.9
    assert np.median(kept[~person]) == pytest.approx(0.3, abs=0.1)


def test_a_skeleton_is_drawn_on_the_person(drawn):
    shown, person = drawn
    lines = np.abs(shown["pose"] - 0.55 * shown["rgb"]).max(axis=3) > 60
    assert lines.sum(axis=(1, 2)).min() > 40, "every frame has one"
    assert person[lines].mean() > 0.8
    still = np.median(shown["pose"][~lines].sum(axis=1) / np.maximum(shown["rgb"][~lines].sum(axis=1), 30))
    assert still == pytest.approx(0.55, abs=0.1)
