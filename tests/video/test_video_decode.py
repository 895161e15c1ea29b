"""Frames of files of every kind, made here: formats, times, turns, damage."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from coview.errors import VideoError
from coview.video import scaling
from coview.video.decode import decode_frames, stored_fps
from coview.video.probe import probe
from source_videos import HEIGHT, WIDTH, brightness, numbered, write_video


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("plain") / "plain.mp4", numbered(50))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mp4", "libx264", "yuv420p"),  # with B-frames, as x264 does by default
        ("a.mp4", "libx264", "yuv444p"),
        ("a.mp4", "libx264", "yuv422p10le"),
        ("a.mp4", "libx264rgb", "rgb24"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.mkv", "ffv1", "bgr0"),
        ("a.mov", "png", "rgba"),
        ("a.mov", "qtrle", "rgb24"),
        ("a.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_formats(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    frames = numbered(12)
    decoded = list(decode_frames(write_video(tmp_path / name, frames, codec=codec, pixel_format=pixel_format)))
    assert len(decoded) == 12
    np.testing.assert_allclose(brightness(decoded), brightness(frames), atol=4)
    np.testing.assert_allclose(decoded[6][4:12, 4:12].mean(axis=(0, 1)), (200, 30, 30), atol=12)


def test_grey(tmp_path: Path) -> None:
    frames = [frame[..., 1] for frame in numbered(5)]
    path = write_video(tmp_path / "a.mkv", frames, codec="ffv1", pixel_format="gray")
    for decoded, frame in zip(decode_frames(path), frames, strict=True):
        np.testing.assert_allclose(decoded, np.repeat(frame[..., None], 3, axis=2), atol=1)


def test_alpha_is_dropped(tmp_path: Path) -> None:
    frames = [np.dstack([frame, np.full((HEIGHT, WIDTH), 100, np.uint8)]) for frame in numbered(3)]
    path = write_video(tmp_path / "a.mov", frames, codec="png", pixel_format="rgba")
    for decoded, frame in zip(decode_frames(path), frames, strict=True):
        np.testing.assert_array_equal(decoded, frame[..., :3])


@pytest.mark.parametrize(
    ("short_side", "expected"), [(None, (48, 64)), (24, (24, 32)), (96, (96, 128)), (10, (10, 14))]
)
def test_scaling(plain: Path, short_side: int | None, expected: tuple[int, int]) -> None:
    frames = list(decode_frames(plain, short_side=short_side))
    assert {frame.shape for frame in frames} == {(*expected, 3)}
    np.testing.assert_allclose(brightness(frames), brightness(numbered(50)), atol=4)


@pytest.mark.parametrize(
    ("turn", "degrees", "red_corner"), [(-90, 90, (0, -1)), (180, 180, (-1, -1)), (90, 270, (-1, 0))]
)
def test_turned_upright(tmp_path: Path, turn: int, degrees: int, red_corner: tuple[int, int]) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(5), turn=turn)
    info = probe(path)
    sides = (HEIGHT, WIDTH) if degrees % 180 else (WIDTH, HEIGHT)
    assert (info.width, info.height, info.rotation) == (*sides, degrees)
    for short_side in (None, 24):
        frame = list(decode_frames(path, short_side=short_side))[2]
        assert (frame.shape[0] > frame.shape[1]) == bool(degrees % 180)
        red, green, blue = frame[red_corner].astype(int)
        assert red > 120
        assert max(green, blue) < 90


@pytest.mark.parametrize(
    ("stamps", "fps", "expected"),
    [
        ([0, 40, 80, 120], 25, [0, 1, 2, 3]),
        ([0, 40, 80, 120], 50, [0, 0, 1, 1, 2, 2, 3, 3]),
        ([500, 600, 1000, 1100], 10, [0, 1, 1, 1, 1, 2, 3, 3]),  # a delayed start and a pause
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_resampled_in_time(tmp_path: Path, suffix: str, stamps: list[int], fps: float, expected: list[int]) -> None:
    frames = numbered(4)
    path = write_video(tmp_path / f"a{suffix}", frames, stamps=stamps)
    seen = brightness(list(decode_frames(path, fps=fps)))
    np.testing.assert_allclose(seen, [brightness(frames)[index] for index in expected], atol=5)
    assert len(list(decode_frames(path))) == 4


def test_rate_to_store(plain: Path) -> None:
    info = probe(plain)
    assert (stored_fps(info, None), stored_fps(info, 10.0)) == (25.0, 10.0)
    assert (info.codec, info.pixel_format, info.num_frames_header) == ("h264", "yuv420p", 50)
    assert info.duration_seconds == pytest.approx(2.0)
    assert info.is_variable_rate is False


def lose_the_end(content: bytes) -> bytes:
    return content[: len(content) * 7 // 10]


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mjpeg"), ("a.mp4", "libx264"), ("a.webm", "libvpx")])
def test_cut_at_the_end(tmp_path: Path, name: str, codec: str) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (100, HEIGHT, WIDTH, 3)).astype(np.uint8))
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    fast = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx" else {}
    path = write_video(tmp_path / name, noise, codec=codec, pixel_format=pixel_format, options=fast)
    path.write_bytes(lose_the_end(path.read_bytes()))
    frames = decode_frames(path, short_side=16)
    assert 20 <= sum(1 for _ in frames) < 100
    assert frames.remark.startswith("truncated: the end is missing: the header promises")


def test_damage_in_the_middle(tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (30, HEIGHT, WIDTH, 3)).astype(np.uint8))
    path = write_video(tmp_path / "a.mp4", noise, options={"bf": "0"})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    path.write_bytes(content)
    with pytest.raises(VideoError) as caught:
        list(decode_frames(path))
    assert caught.value.kind == "corrupt"
    assert "of about 30" in caught.value.cause


def test_too_large(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "MAX_PIXELS", HEIGHT * WIDTH - 1)
    for use in (probe, lambda path: list(decode_frames(path))):
        with pytest.raises(VideoError, match="64x48 pictures") as caught:
            use(plain)
        assert caught.value.kind == "too_large"


def test_a_strip(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [np.zeros((2, 200, 3), np.uint8)], codec="ffv1", pixel_format="yuv444p")
    assert next(decode_frames(path)).shape == (2, 200, 3)
    with pytest.raises(VideoError) as caught:
        next(decode_frames(path, short_side=16))
    assert caught.value.kind == "too_large"


def nothing(path: Path) -> None:
    """Leave no file."""


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (nothing, "missing"),
        (Path.mkdir, "unreadable"),
        (Path.touch, "empty"),
        (lambda path: path.write_text("a list of things\n" * 50), "not_a_video"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "not_a_video"),
        (lambda path: path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n"), "not_a_video"),
        (lambda path: path.write_text("ffconcat version 1.0\nfile other.mp4\n"), "not_a_video"),
        (lambda path: path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100)), "corrupt"),
    ],
    ids=["missing", "folder", "empty", "text", "lfs", "playlist", "concat", "head"],
)
def test_what_is_no_video(tmp_path: Path, make: Callable[[Path], object], kind: str) -> None:
    path = tmp_path / "a.mp4"
    make(path)
    for use in (probe, lambda path: list(decode_frames(path))):
        with pytest.raises(VideoError) as caught:
            use(path)
        assert caught.value.kind == kind


def test_no_permission(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # a superuser may open anything
    with pytest.raises(VideoError, match="unreadable: Permission denied"):
        next(decode_frames(plain))


def test_a_song_with_a_cover_has_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts = 16000, 0
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match="holds audio only"):
        probe(path)


def test_closing_before_the_end(plain: Path) -> None:
    frames = decode_frames(plain)
    next(frames)
    frames.close()
    assert list(frames) == []


def test_nothing_reaches_the_terminal(plain: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "damaged.mp4"
    path.write_bytes(lose_the_end(plain.read_bytes()))
    with contextlib.suppress(VideoError):
        list(decode_frames(path))
    shown = capfd.readouterr()  # what FFmpeg itself writes included
    assert shown.out + shown.err == ""
