"""Real clips joined into longer files: each clip finds the segment it stands in, and where it begins."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import coview
from coview.config import ClipSettings, ViewInput
from coview.video.decode import decode_frames
from coview.video.stored import write_rgb
from small_run import make_run, small_config

CLIPS_A_FILE = 3


@pytest.mark.realdata
def test_each_clip_finds_its_segment_in_joined_files(real_data, tmp_path):
    """Weights are random: that windows are kept, and merged rightly, is what is tested."""
    clips = sorted((real_data / "ucf10" / "videos").rglob("*_g0[1-7]_c01.mp4"))
    clips = [
        next(clip for clip in clips if clip.parent.name == name) for name in sorted({c.parent.name for c in clips})
    ][:6]
    assert len(clips) == 6
    truth: dict[Path, tuple[str, float, float]] = {}
    for number in range(0, len(clips), CLIPS_A_FILE):
        name, frames = f"joined{number}", []
        for clip in clips[number : number + CLIPS_A_FILE]:
            own = [*decode_frames(clip, short_side=72, fps=25.0)][:100]
            truth[clip] = (name, len(frames) / 25, (len(frames) + len(own)) / 25)
            frames += [frame[:72, :96] for frame in own]
        (tmp_path / "joined").mkdir(exist_ok=True)
        write_rgb(iter(frames), tmp_path / "joined" / f"{name}.mp4", fps=25.0, gop=12, crf=26.0)
    made = {"flow.algorithm": "farneback", "storage.short_side": 72, "storage.fps": 25.0, "workers": 0}
    data = coview.prepare(tmp_path / "joined", tmp_path / "data", views=["rgb", "flow"], settings=made)
    clip_settings = ClipSettings(num_blocks=2, block_length=8, frame_stride=2)
    views = {"rgb": ViewInput(size=64), "flow": ViewInput(size=64)}
    make_run(tmp_path / "run", data.root, replace(small_config(), views=views, clip=clip_settings))
    index = coview.open_index(tmp_path / "idx", run=tmp_path / "run")
    assert index.add(tmp_path / "joined", workers=0).added == 2
    right, errors = 0, []
    for clip, (name, start, end) in truth.items():
        hit = index.search(clip, end=4.0, top=1)[0]
        middle = (hit.start_seconds + hit.end_seconds) / 2
        if hit.id == name and start < middle < end:
            right += 1
            errors.append(abs(hit.start_seconds - start))
    assert right >= 5
    assert np.median(errors) < 1.0
