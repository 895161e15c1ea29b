"""What is written is read back: near-exact values, exactly the frames asked for."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from coview.errors import VideoError
from coview.video.stored import read_planes, read_rgb, write_planes, write_rgb

HEIGHT, WIDTH = 48, 64


def moving_scene(num_frames: int, *, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Coloured smooth blobs that drift: every frame differs from every other. (T, H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    speed, phase, wave = rng.uniform(0.5, 2, (3, 2)), rng.uniform(0, 6, 3), rng.uniform(0.03, 0.12, (3, 2))
    frames = np.empty((num_frames, height, width, 3))
    for t in range(num_frames):
        for c in range(3):
            across = wave[c, 0] * (x + speed[c, 0] * t) + phase[c]
            frames[t, :, :, c] = 128 + 80 * np.sin(across) * np.cos(wave[c, 1] * (y - speed[c, 1] * t))
    return frames.round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "scene.mp4"
    assert write_rgb(iter(moving_scene(150)), path, fps=25, gop=8) == 150
    return path


@pytest.fixture(scope="module")
def decoded(stored: Path) -> NDArray[np.uint8]:
    return read_rgb(stored, np.arange(150))


def test_colours_survive(decoded: NDArray[np.uint8]) -> None:
    error = decoded.astype(int) - moving_scene(150)
    assert np.abs(error).mean() < 3.0  # colours vary strongly here, at half the resolution
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 0.6  # no colour is brighter or darker on average


def test_grey_survives_almost_exactly(tmp_path: Path) -> None:
    frames = np.repeat(moving_scene(16)[..., :1], 3, axis=3)
    write_rgb(frames, tmp_path / "grey.mp4", fps=25, gop=8, crf=1)
    assert np.abs(read_rgb(tmp_path / "grey.mp4", np.arange(16)).astype(int) - frames).mean() < 0.6


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)])
def test_pure_colours_survive(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = tmp_path / "colour.mp4"
    write_rgb([np.full((32, 32, 3), colour, np.uint8)] * 3, path, fps=25, gop=8)
    assert np.abs(read_rgb(path, np.arange(3)).astype(int) - colour).max() <= 3


def test_another_reader_sees_the_same_colours(stored: Path, decoded: NDArray[np.uint8]) -> None:
    with av.open(str(stored)) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(first.astype(int) - decoded[0]).mean() < 2.5


@pytest.mark.parametrize(
    "indices",
    [
        [0],
        [149],
        [7, 8],
        [3, 3, 3, 9, 9],
        list(range(5, 37)),
        list(range(2, 2 + 3 * 40, 3)),
        [0, 70, 149, 149],
        [1, 50, 99],
        [0, 48, 96, 144],
        [15, 64],
    ],
)
def test_random_access_is_exact(stored: Path, decoded: NDArray[np.uint8], indices: list[int]) -> None:
    np.testing.assert_array_equal(read_rgb(stored, np.array(indices)), decoded[indices])


def test_every_frame_alone_is_exact(stored: Path, decoded: NDArray[np.uint8]) -> None:
    for index in range(0, 150, 7):
        np.testing.assert_array_equal(read_rgb(stored, np.array([index]))[0], decoded[index])


def test_frame_t_has_time_stamp_t_and_groups_are_closed(stored: Path) -> None:
    with av.open(str(stored)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        assert [round(float(packet.pts * stream.time_base * 25), 6) for packet in packets] == list(range(150))
        assert [packet.is_keyframe for packet in packets] == [t % 8 == 0 for t in range(150)]
        assert [packet.dts for packet in packets] == [packet.pts for packet in packets]


@pytest.mark.parametrize("fps", [25, 30000 / 1001, 29.97, 12.5, 0.5, 240])
def test_any_rate(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "rate.mp4"
    write_rgb(moving_scene(20), path, fps=fps, gop=8)
    everything = read_rgb(path, np.arange(20))
    np.testing.assert_array_equal(read_rgb(path, np.array([4, 13, 19])), everything[[4, 13, 19]])
    with av.open(str(path)) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(fps, rel=1e-5)


@pytest.mark.parametrize(("num_frames", "gop", "height", "width"), [(1, 8, 2, 2), (9, 8, 16, 256), (5, 1, 34, 18)])
def test_small_and_short(tmp_path: Path, num_frames: int, gop: int, height: int, width: int) -> None:
    path = tmp_path / "small.mp4"
    frames = np.full((num_frames, height, width, 3), 90, np.uint8)
    assert write_rgb(frames, path, fps=10, gop=gop) == num_frames
    read = read_rgb(path, np.arange(num_frames))
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - 90).max() <= 3


@pytest.mark.parametrize("channels", [1, 2])
def test_planes_use_the_full_range(tmp_path: Path, channels: int) -> None:
    frames = moving_scene(20)[..., :channels].copy()
    frames[:, :16, :16], frames[:, :16, 16:32] = 0, 255
    path = tmp_path / "planes.mp4"
    assert write_planes(frames, path, fps=25, gop=8, crf=0) == 20
    np.testing.assert_array_equal(read_planes(path, np.arange(20), channels=channels), frames)  # crf 0 is lossless
    write_planes(frames, path, fps=25, gop=8, crf=12)
    read = read_planes(path, np.array([3, 3, 17]), channels=channels)
    assert read.shape == (3, HEIGHT, WIDTH, channels)
    assert np.abs(read.astype(int) - frames[[3, 3, 17]]).mean() < 1.5


def test_nothing_to_write_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "nothing.mp4"
    assert write_rgb([], path, fps=25, gop=8) == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([np.zeros((31, 32, 3), np.uint8)], "even"),
        ([np.zeros((32, 32), np.uint8)], "shape"),
        ([np.zeros((32, 32, 3), np.uint8), np.zeros((32, 34, 3), np.uint8)], "like the first"),
        ([np.zeros((32, 32, 3), np.float32)], "uint8"),
    ],
)
def test_frames_that_cannot_be_stored(tmp_path: Path, frames: list[NDArray[np.uint8]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_rgb(frames, tmp_path / "bad.mp4", fps=25, gop=8)


@pytest.mark.parametrize("indices", [[3, 2], [-1, 0], [], [0.5]])
def test_indices_that_make_no_sense(stored: Path, indices: list[float]) -> None:
    with pytest.raises(ValueError, match="frame_indices"):
        read_rgb(stored, np.array(indices))


def test_a_frame_that_is_not_there(stored: Path) -> None:
    with pytest.raises(VideoError, match="holds 150 frames, frame 150 was asked for"):
        read_rgb(stored, np.array([149, 150]))


def cut_in_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def overwrite_middle(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(800) + content[middle + 800 :]


@pytest.mark.parametrize("damage", [cut_in_half, overwrite_middle])
def test_damage_is_named(stored: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "damaged.mp4"
    path.write_bytes(damage(stored.read_bytes()))
    with pytest.raises(VideoError) as caught:
        read_rgb(path, np.arange(150))
    assert caught.value.kind == "corrupt"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(VideoError) as caught:
        read_rgb(tmp_path / "gone.mp4", np.arange(2))
    assert caught.value.kind == "missing"
