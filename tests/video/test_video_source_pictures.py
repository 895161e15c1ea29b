"""Pictures for the encoder, straight from decoded ones, beside those that went through RGB."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from coview.video.decode import decode_to_store
from coview.video.encode import rgb_pictures
from source_videos import numbered, write_video


def luma(picture: av.VideoFrame) -> NDArray[np.float64]:
    return picture.to_ndarray()[: picture.height].astype(float)


@pytest.mark.parametrize("short_side", [None, 24, 96])
@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "turn"),
    [
        ("a.mp4", "libx264", "yuv420p", 0),
        ("a.mp4", "libx264", "yuv420p", 90),
        ("a.avi", "mjpeg", "yuvj420p", 0),  # full range
        ("a.mp4", "libx264", "yuv444p", 0),
        ("a.mov", "png", "rgba", 0),
    ],
)
def test_pictures_to_store_are_those_that_rgb_would_give(
    tmp_path: Path, name: str, codec: str, pixel_format: str, turn: int, short_side: int | None
) -> None:
    frames = numbered(6)
    if pixel_format == "rgba":
        frames = [np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]) for frame in frames]
    path = write_video(tmp_path / name, frames, codec=codec, pixel_format=pixel_format, turn=turn)
    both = list(decode_to_store(path, short_side=short_side, wanted=lambda: (True, True)))
    assert len(both) == 6
    through_rgb = rgb_pictures(picture.rgb for picture in both if picture.rgb is not None)
    alone = decode_to_store(path, short_side=short_side, wanted=lambda: (False, True))
    for picture, expected, yuv in zip(both, through_rgb, alone, strict=True):
        assert picture.yuv is not None
        assert yuv.yuv is not None
        assert yuv.rgb is None
        np.testing.assert_array_equal(picture.yuv.to_ndarray(), yuv.yuv.to_ndarray())
        assert picture.yuv.pict_type == 0
        assert picture.size == (expected.height, expected.width)
        np.testing.assert_allclose(luma(picture.yuv).mean(), luma(expected).mean(), atol=0.5)
        inside = (slice(2, -2), slice(2, -2))
        assert np.abs(luma(picture.yuv)[inside] - luma(expected)[inside]).mean() < 2


def test_the_matrix_that_the_file_states_is_changed_to_the_one_that_is_stored(tmp_path: Path) -> None:
    frames = [np.full((48, 64, 3), (200, 30, 30), np.uint8)] * 2
    path = write_video(tmp_path / "a.mp4", frames, options={"x264-params": "colormatrix=bt709:crf=1"})
    (picture, _) = decode_to_store(path, short_side=24, wanted=lambda: (True, True))
    assert picture.yuv is not None
    assert picture.rgb is not None
    (expected,) = rgb_pictures([picture.rgb])
    np.testing.assert_allclose(picture.yuv.to_ndarray(), expected.to_ndarray(), atol=2)
