"""Every awkward real file gives its frames or one clear error."""

from pathlib import Path

import numpy as np
import pytest

from coview.errors import VideoError
from coview.video.decode import decode_frames
from coview.video.probe import probe
from coview.video.source_settings import SourceSettings

pytestmark = pytest.mark.realdata

# name: (frames, width, height as shown, degrees turned clockwise, frames a second)
READABLE = {
    "av1_640x360.mkv": (125, 640, 360, 0, 25),
    "bad_audio_track.mp4": (280, 640, 360, 0, 25),
    "delayed_start_mpeg4.mp4": (24, 480, 320, 0, 25),
    "derived_odd_321x241.mp4": (50, 321, 241, 0, 25),
    "derived_short_7f_mpeg4.avi": (7, 320, 240, 0, 25),
    "derived_truncated_60pct.avi": (156, 320, 240, 0, 25),
    "h263_1frame.3gp": (1, 176, 144, 0, 30),
    "h264_1x1_5f_1fps.mp4": (5, 1, 1, 0, 1),
    "h264_gbrp_2x2_3f.mp4": (3, 2, 2, 0, 25),
    "hevc_10bit.mp4": (30, 200, 200, 0, 30),
    "hevc_1frame.mp4": (1, 176, 144, 0, 30),
    "kinetics_style_340x256.mp4": (300, 340, 256, 0, 30),
    "mpeg2_yuv422p.mpg": (28, 640, 480, 0, 25),
    "rotated_180_3f.mov": (3, 568, 320, 180, 30),
    "rotated_90_3f.mov": (3, 320, 568, 90, 30),
    "rotation_90_1frame.mp4": (1, 60, 100, 90, 24),
    "unordered_pts_50x50_4f.mov": (4, 50, 50, 0, 32),
    "vertical_608x1080.mp4": (234, 608, 1080, 0, 30),
    "vfr_goldeneye_drop3.mp4": (160, 1280, 544, 0, 16.051),
    "vfr_h264_yuv444_128.mp4": (300, 128, 128, 0, 20.089),
    "vp8_1s.webm": (24, 1280, 720, 0, 24),
    "vp9_no_duration.webm": (74, 1280, 720, 0, 14.985),
}
BROKEN = {
    "audio_only_16s.mp4": "no_video_stream",
    "chunk_out_of_range.mp4": "corrupt",
    "corrupt_h264_nal.mp4": "corrupt",
    "derived_bitflips_mpeg4.avi": "corrupt",
    "derived_text.avi": "not_a_video",
    "derived_truncated_60kB.mp4": "corrupt",
    "derived_zero_bytes.mp4": "empty",
    "git_lfs_pointer.mp4": "not_a_video",
    "no_timescale.mp4": "corrupt",
    "zero_empty_stsc.mp4": "corrupt",
}
OBLONG = {
    "h263_1frame.3gp": 3 / 2,
    "hevc_1frame.mp4": 16 / 9,
    "kinetics_style_340x256.mp4": 16 / 9,  # as is usual for copies of Kinetics that were made smaller
}
AS_STORED = SourceSettings(pixel_shape="stored")


def test_no_file_is_forgotten(real_data: Path) -> None:
    found = {path.name for path in (real_data / "odd").iterdir() if path.suffix != ".md"}
    assert found == READABLE.keys() | BROKEN.keys()


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.timeout(60)
def test_frames_and_size(real_data: Path, name: str) -> None:
    num_frames, width, height, rotation, fps = READABLE[name]
    info = probe(real_data / "odd" / name)
    assert (info.width, info.height, info.rotation) == (width, height, rotation)
    assert info.fps == pytest.approx(fps, abs=0.001)
    frames = decode_frames(real_data / "odd" / name, short_side=16, source=AS_STORED)
    shapes = [frame.shape for frame in frames]
    assert len(shapes) == num_frames
    assert set(shapes) == {shapes[0]}
    shown_height, shown_width, channels = shapes[0]
    assert (min(shown_height, shown_width), channels) == (16, 3)
    assert shown_width / shown_height == pytest.approx(width / height, rel=0.1)
    told = [part for part in frames.remark.split("; ") if part and not part.startswith("oblong pixels")]
    assert bool(told) == (name == "derived_truncated_60pct.avi")
    assert ("oblong pixels" in frames.remark) == (name in OBLONG)
    first = next(decode_frames(real_data / "odd" / name, source=AS_STORED))
    assert first.shape == (height, width, 3)
    assert first.dtype == np.uint8


@pytest.mark.parametrize("name", OBLONG)
def test_shown_as_by_a_player(real_data: Path, name: str) -> None:
    height, width, _ = next(decode_frames(real_data / "odd" / name, short_side=144)).shape
    assert (height, width / height) == (144, pytest.approx(OBLONG[name], rel=0.01))


def test_a_cut_recording_says_so(real_data: Path) -> None:
    frames = decode_frames(real_data / "odd" / "derived_truncated_60pct.avi", short_side=16)
    assert sum(1 for _ in frames) == 156
    assert frames.remark.startswith("truncated: the end is missing: the header promises 260 frames, 156 decoded")


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.timeout(60)
def test_one_clear_error(real_data: Path, name: str) -> None:
    with pytest.raises(VideoError) as caught:
        for _ in decode_frames(real_data / "odd" / name, short_side=16):
            pass
    assert caught.value.kind == BROKEN[name]
    assert caught.value.path.name == name
    assert "\n" not in caught.value.cause


@pytest.mark.parametrize(
    ("name", "expected"),
    [("vfr_goldeneye_drop3.mp4", True), ("vfr_h264_yuv444_128.mp4", True), ("bad_audio_track.mp4", False)],
)
def test_variable_rate_is_seen(real_data: Path, name: str, expected: bool) -> None:
    assert probe(real_data / "odd" / name).is_variable_rate is expected


@pytest.mark.parametrize(
    ("name", "fps", "expected"),
    [("bad_audio_track.mp4", 12.5, 140), ("h264_1x1_5f_1fps.mp4", 4, 20), ("vfr_h264_yuv444_128.mp4", 10, 150)],
)
def test_resampled_by_time_stamps(real_data: Path, name: str, fps: float, expected: int) -> None:
    assert abs(sum(1 for _ in decode_frames(real_data / "odd" / name, short_side=16, fps=fps)) - expected) <= 1
