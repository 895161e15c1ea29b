"""Clips of chosen frames: the same features as windows give, whatever the order of reading, kept between calls."""

import numpy as np
import pytest

from coview.clips.sampling import window_indices
from coview.config import ClipSettings
from coview.datasets.prepared import PreparedDataset
from coview.embedding import frames as module
from coview.embedding.frames import block_indices, clip_features
from coview.embedding.run import Run


def test_blocks_are_spread_over_the_whole_video():
    clip = ClipSettings(num_blocks=8, block_length=5, frame_stride=3)
    blocks = block_indices(100, clip, num_blocks=4)
    assert blocks[0].tolist() == [0, 3, 6, 9, 12]
    assert blocks[-1].tolist() == [87, 90, 93, 96, 99]
    assert blocks[:, 0].tolist() == [0, 29, 58, 87]


@pytest.mark.parametrize("num_frames", [1, 2, 5, 9])
def test_short_videos_have_blocks_too(num_frames):
    blocks = block_indices(num_frames, ClipSettings(block_length=5, frame_stride=3), num_blocks=6)
    assert blocks.shape == (6, 5)
    assert blocks.min() == 0
    assert blocks.max() == num_frames - 1


def test_clips_are_embedded_as_windows_are(small_run):
    run, data = Run.load(small_run.run), PreparedDataset.open(small_run.data)
    entries = data.ready[:3]
    windows = [window_indices(entry.num_frames, run.config.clip) for entry in entries]
    found = clip_features(run, data, entries, windows, num_blocks=run.config.clip.num_blocks)
    whole = run.embed_entries(data, entries).features
    for view, videos in found.items():
        means = np.stack([rows.mean(axis=0) for rows in videos])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        np.testing.assert_allclose(means, whole[view], atol=1e-5)


def test_order_is_the_callers_and_results_are_kept(small_run, monkeypatch):
    run, data = Run.load(small_run.run), PreparedDataset.open(small_run.data)
    forward = np.arange(8)
    clips = np.stack([forward, forward[::-1], np.full(8, 4)])
    entry = data.ready[1]
    first = clip_features(run, data, [entry], [clips], num_blocks=2)
    assert first["rgb"][0].shape == (3, run.encoders["rgb"].feature_size)
    assert not np.allclose(first["rgb"][0][0], first["rgb"][0][1], atol=1e-6)
    monkeypatch.setattr(module, "_embed", lambda *args, **kwargs: pytest.fail("embedded again"))
    again = clip_features(run, data, [entry], [clips], num_blocks=2)
    np.testing.assert_array_equal(again["flow"][0], first["flow"][0])
    with pytest.raises(pytest.fail.Exception, match="embedded again"):
        clip_features(run, data, [entry], [clips], num_blocks=2, weights="random")
