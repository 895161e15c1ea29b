"""Where it looks: on the person or not, drawn over frames, written as a video."""

import json

import av
import numpy as np
import pytest

from coview.analysis import analyse_run
from coview.analysis.overlay import overlaid
from coview.analysis.saliency import shares_on
from coview.errors import UserError


def test_the_share_on_a_mask_by_hand():
    saliency = np.array([[[3.0, 1.0], [-5.0, 0.0]]], np.float32)
    mask = np.array([[[True, False], [True, False]]])
    assert shares_on(saliency, mask) == (0.75, 0.5)  # what is below 0 does not count
    assert shares_on(-np.ones((1, 2, 2), np.float32), mask) is None
    assert shares_on(saliency, np.zeros_like(mask)) is None


def test_red_where_it_is_salient_and_grey_elsewhere():
    frames = [np.full((8, 8, 3), 120, np.uint8)] * 2
    saliency = np.zeros((2, 2, 2), np.float32)
    saliency[0, 0, 0], saliency[1] = 2.0, -1.0
    first, second = overlaid(frames, saliency, most=2.0)
    assert int(first[0, 0, 0]) - int(first[0, 0, 1]) > 100
    assert first[7, 7].tolist() == [120, 120, 120]
    assert (second == 120).all()
    assert (overlaid(frames, saliency, most=0.0)[0] == 120).all()


@pytest.mark.parametrize("how", ["occlusion", "gradient"])
def test_a_real_run(small_run, how):
    options = {"clips": 1, "across": 2, "moments": 2, "views": ["flow"], "how": how}
    result = analyse_run(small_run.run, small_run.data, analysis="saliency", part="all", options=options)
    (clip,) = result.findings.values["clips"]
    assert clip["view"] == "flow"
    assert clip["neighbour"] != clip["video"]
    assert len(clip["frames"]) == 8
    assert max(clip["saliency by frame"]) > 0
    assert "cannot be counted without masks" in result.findings.sentences[0]
    (film,) = result.findings.payload["videos"]
    with av.open(str(small_run.run / "analysis" / film["file"])) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 8
    height, width = frames[0].shape[:2]
    assert width == 2 * height
    json.dumps(result.findings.payload)


def test_unknown_videos_and_views_are_the_users_error(small_run):
    def run(**options):
        analyse_run(small_run.run, small_run.data, analysis="saliency", part="all", options=options)

    with pytest.raises(UserError, match="--saliency.neighbour names nobody, not among the 9 videos"):
        run(neighbour="nobody")
    with pytest.raises(UserError, match="--saliency.views pose: the run has rgb, flow"):
        run(views=["pose"])


def test_fewer_clips_leave_no_video_of_an_earlier_call(small_run):
    options = {"across": 2, "moments": 1, "views": ["flow"]}
    for clips in (2, 1):
        analyse_run(small_run.run, small_run.data, analysis="saliency", part="all", options={**options, "clips": clips})
    assert [path.name for path in (small_run.run / "analysis").glob("*.mp4")] == ["saliency-clip1-flow.mp4"]
