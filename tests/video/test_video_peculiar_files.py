"""Files that are more than a plain sequence of pictures: joined, of several streams, interlaced, oblong, HDR, lossy."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from coview.datatypes import Frame
from coview.errors import VideoError
from coview.video.decode import decode_frames
from coview.video.opening import opened_video
from coview.video.probe import probe
from coview.video.source_settings import SourceSettings
from coview.video.tone_mapping import PEAK_NITS, WHITE_NITS, ToneMapper, compress
from source_videos import brightness, numbered, write_video

NEVER = SourceSettings(deinterlace="never", pixel_shape="stored", tone_map="never")


def noise(num_frames: int, *, height: int = 48, width: int = 64) -> list[Frame]:
    return list(np.random.default_rng(0).integers(0, 255, (num_frames, height, width, 3)).astype(np.uint8))


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_joined_recordings_are_read_to_the_end(tmp_path: Path, suffix: str) -> None:
    codec = "libx264" if suffix == ".ts" else "mpeg1video"
    dark, light = numbered(50)[:25], numbered(50)[25:]
    parts = [write_video(tmp_path / f"{i}{suffix}", frames, codec=codec) for i, frames in enumerate((dark, light))]
    joined = tmp_path / f"joined{suffix}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    expected = brightness([*dark, *light])
    for fps in (None, 25):
        frames = decode_frames(joined, fps=fps)
        seen = np.array(brightness(list(frames)))
        assert len(seen) - len(expected) in ((0, 1) if fps else (0,))  # .mpg rounds its time stamps
        assert all(np.abs(seen - grey).min() < 3 for grey in expected)
        assert ("joined recordings" in frames.remark) == (fps is not None)


@pytest.mark.parametrize("suffix", [".ts", ".m2ts"])
def test_segments_of_a_recording_that_go_on_in_time_are_read_to_the_end(tmp_path: Path, suffix: str) -> None:
    options = {"g": "10", "bf": "2", "sc_threshold": "0"}
    parts = []
    for first in (0, 20, 43):
        stamps = [40 * (first + index) for index in range(20)]
        parts.append(write_video(tmp_path / f"{first}{suffix}", noise(20), stamps=stamps, options=options))
    joined = tmp_path / f"joined{suffix}"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    for damaged in ("refuse", "keep"):
        frames = decode_frames(joined, source=SourceSettings(damaged=damaged))
        assert len(list(frames)) == 60
        assert "damaged" not in frames.remark


def test_stamps_that_jump_far_ahead_are_a_joint_too(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered(4), stamps=[0, 40, 10_000_000, 10_000_040])
    frames = decode_frames(path, fps=25)
    assert len(list(frames)) == 4
    assert "joined recordings" in frames.remark


def test_a_time_lapse_keeps_its_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered(8), stamps=[900_000 * i for i in range(8)])  # the header says 25
    assert probe(path).fps == pytest.approx(1 / 900)
    assert len(list(decode_frames(path))) == 8
    with pytest.raises(VideoError, match="lie 900 s apart, too far to fill at 10 a second") as caught:
        list(decode_frames(path, fps=10))
    assert caught.value.kind == "too_sparse"
    assert len(list(decode_frames(path, fps=1 / 900))) == 8


def write_two(path: Path, *, default: int, large_frames: int = 6) -> Path:
    """Write a stream of 3 small dark pictures and one of large light ones, one of them marked as default."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, (width, height) in enumerate(((32, 24), (64, 48))):
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = av.stream.Disposition.default if number == default else 0
            streams.append(stream)
        container.start_encoding()
        for stream, count, grey in zip(streams, (3, large_frames), (40, 200), strict=True):
            for _ in range(count):
                picture = np.full((stream.height, stream.width, 3), grey, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("default", "wanted", "large_frames", "expected"),
    [
        (0, None, 6, 40),  # the file says which
        (1, None, 6, 200),
        (-1, None, 6, 200),  # the larger one
        (1, 0, 6, 40),  # the user says which
        (1, None, 1, 40),  # a single picture is no video
    ],
)
def test_the_stream_that_players_show(
    tmp_path: Path, default: int, wanted: int | None, large_frames: int, expected: int
) -> None:
    suffix = ".mp4" if default >= 0 else ".ts"  # which marks none
    path = write_two(tmp_path / f"a{suffix}", default=default, large_frames=large_frames)
    frames = decode_frames(path, source=SourceSettings(stream=wanted))
    np.testing.assert_allclose([frame.mean() for frame in frames], expected, atol=3)
    small, large = "stream 0 32x24 h264", "stream 1 64x48 h264"
    read, other = (small, large) if expected == 40 else (large, small)
    assert frames.remark == f"several videos: {read} was read, not {other}"
    assert probe(path, source=SourceSettings(stream=wanted)).width == (32 if expected == 40 else 64)


def test_a_stream_that_is_not_there(tmp_path: Path) -> None:
    several = write_two(tmp_path / "a.mp4", default=0)
    with pytest.raises(VideoError, match="stream 7 is none of its videos, which are: stream 0 32x24") as caught:
        probe(several, source=SourceSettings(stream=7))
    assert caught.value.kind == "no_video_stream"
    alone = write_video(tmp_path / "b.mp4", numbered(2))
    assert len(list(decode_frames(alone, source=SourceSettings(stream=7)))) == 2  # there is nothing to choose


def write_interlaced(path: Path) -> Path:
    """Write a white bar that moves by two pixels from field to field."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 128, 96, "yuv420p", 4_000_000
        for number in range(10):
            picture = np.full((96, 128, 3), 40, np.uint8)
            for field in (0, 1):
                left = 4 * number + 2 * field
                picture[field::2, left : left + 20] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


def test_interlaced_pictures_lose_their_combs(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "a.mpg")
    combs = {}
    for source in (SourceSettings(), NEVER):
        frames = decode_frames(path, source=source)
        pictures = np.stack(list(frames)).astype(float)
        assert len(pictures) == 10
        combs[source.deinterlace] = np.abs(pictures[:, 2:-2:2] - (pictures[:, 1:-3:2] + pictures[:, 3:-1:2]) / 2).mean()
        done = {"auto": "deinterlaced", "never": "left as they are"}[source.deinterlace]
        assert frames.remark == f"interlaced: 10 of 10 frames, {done}"
    assert combs["auto"] < combs["never"] / 20
    assert len(list(decode_frames(path, fps=25))) == 10  # time stamps pass the filter


@pytest.mark.parametrize(
    ("shape", "short_side", "expected"),
    [
        (Fraction(16, 11), None, (48, 93)),
        (Fraction(16, 11), 24, (24, 46)),
        (Fraction(1, 2), None, (96, 64)),
        (Fraction(1, 2), 24, (36, 24)),
        (Fraction(8), 24, (24, 32)),  # hardly meant
    ],
)
def test_oblong_pixels_are_shown_square(
    tmp_path: Path, shape: Fraction, short_side: int | None, expected: tuple[int, int]
) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = shape
        container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(2)[0], "rgb24")))
        container.mux(stream.encode(None))
    frames = decode_frames(path, short_side=short_side)
    assert next(frames).shape == (*expected, 3)
    assert list(frames) == []
    done = "taken as square" if shape == 8 else "stretched to be square"
    assert frames.remark == f"oblong pixels, {shape.numerator}:{shape.denominator}: {done}"
    assert next(decode_frames(path, source=NEVER)).shape == (48, 64, 3)


def pq_signal(nits: float) -> float:
    """SMPTE ST 2084, the inverse EOTF."""
    power = (nits / 10000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def test_hdr_becomes_as_bright_as_it_looks(tmp_path: Path) -> None:
    """A grey at half of paper white is half of white in linear light; as if it were SDR, PQ is far too bright."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = 16, 9
        stream.codec_context.colorspace, stream.codec_context.color_range = 9, 1
        picture = av.VideoFrame(64, 48, "yuv420p10le")
        values = (round(64 + 876 * pq_signal(WHITE_NITS / 2)), 512, 512)
        for plane, value in zip(picture.planes, values, strict=True):
            plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
        picture.color_trc, picture.color_primaries, picture.colorspace, picture.color_range = 16, 9, 9, 1
        picture.pts = 0
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    frames = decode_frames(path, short_side=24)
    np.testing.assert_allclose(next(frames), 255 * 0.5 ** (1 / 2.4), atol=3)
    assert list(frames) == []
    assert frames.remark == "HDR (PQ): tone-mapped"
    plain = decode_frames(path, source=NEVER)
    np.testing.assert_allclose(next(plain), 255 * pq_signal(WHITE_NITS / 2), atol=2)
    assert list(plain) == []
    assert plain.remark == "HDR (PQ): values kept as they are"


def test_tone_curve() -> None:
    peak = PEAK_NITS / WHITE_NITS
    brightness = np.linspace(0, 2 * peak, 500, dtype=np.float32)
    mapped = compress(brightness)
    assert (np.diff(mapped) >= 0).all()
    np.testing.assert_allclose(mapped[brightness < 0.6], brightness[brightness < 0.6], rtol=1e-6)
    assert (mapped <= 1 + 1e-6).all()
    np.testing.assert_allclose(mapped[brightness >= peak], 1, rtol=1e-6)


@pytest.mark.parametrize("transfer", [16, 18])
def test_tone_mapping_keeps_black_white_and_hue(transfer: int) -> None:
    ramp = np.linspace(0, 2**16 - 1, 64).astype(np.uint16)
    grey = ToneMapper(transfer, is_wide=True)(np.repeat(ramp[None, :, None], 3, axis=2))[0]
    assert (grey.min(), grey.max()) == (0, 255)
    assert (np.diff(grey[:, 0].astype(int)) >= 0).all()
    np.testing.assert_array_less(np.ptp(grey.astype(int), axis=1), 3)  # grey stays grey
    red, green, blue = ToneMapper(transfer, is_wide=True)(np.array([[[60000, 20000, 20000]]], np.uint16))[0, 0]
    assert red > 200 > 60 > max(green, blue)


def lose_packets(path: Path, *, at: float) -> Path:
    """Take three transport packets of the pictures out of a .ts file."""
    content = path.read_bytes()
    packets = [content[start : start + 188] for start in range(0, len(content), 188)]
    middle = int(at * len(packets))
    path.write_bytes(b"".join(packets[:middle] + packets[middle + 3 :]))
    return path


@pytest.mark.parametrize("at", [0.065, 0.111, 0.24, 0.37, 0.414, 0.55, 0.69, 0.8])  # FFmpeg marks no picture of some
def test_lost_packets_fail_or_are_left_out_by_choice(tmp_path: Path, at: float) -> None:
    options = {"g": "10", "bf": "2", "sc_threshold": "0"}
    path = lose_packets(write_video(tmp_path / "a.ts", noise(60), options=options), at=at)
    with pytest.raises(VideoError, match="--damaged keep leaves out what is unsound") as caught:
        list(decode_frames(path))
    assert caught.value.kind == "corrupt"
    whole = list(decode_frames(write_video(tmp_path / "b.ts", noise(60), options=options)))
    frames = decode_frames(path, source=SourceSettings(damaged="keep"))
    kept = list(frames)
    assert 40 <= len(kept) < 60
    sound = {frame.tobytes() for frame in whole}
    assert all(frame.tobytes() in sound for frame in kept)  # nothing that FFmpeg has guessed
    left_out = [60 - len(kept), 59 - len(kept)]  # the picture whose beginning is lost is not seen at all
    assert any(frames.remark.startswith(f"damaged: {count} of {count + len(kept)} frames") for count in left_out)
    assert kept[-1].tobytes() == whole[-1].tobytes()


@pytest.mark.parametrize("left", [200, 300, 700])
def test_an_end_that_is_torn_is_a_remark_where_several_pictures_share_a_packet(tmp_path: Path, left: int) -> None:
    frames = noise(60, height=16, width=16)
    path = write_video(tmp_path / "a.mpg", frames, codec="mpeg1video", options={"g": "10", "bf": "0"})
    last = path.read_bytes().rindex(b"\0\0\1\xe0")  # the packet with the last pictures
    path.write_bytes(path.read_bytes()[: last + left])
    read = decode_frames(path)
    assert 50 <= len(list(read)) <= len(frames)
    assert "the end of the file is damaged" in read.remark


def test_the_end_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", noise(75), options={"g": "25", "bf": "0", "sc_threshold": "0"})
    content = path.read_bytes()
    start = len(content) // 188 // 6 * 188  # within the first second, of which nothing can be decoded then
    path.write_bytes(content[: 188 * 4] + content[start:])
    frames = decode_frames(path)
    assert len(list(frames)) == 50
    assert "the beginning cannot be decoded" in frames.remark
    assert "the end is missing" not in frames.remark


def test_an_animated_webp_that_cannot_be_read_is_not_called_corrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.webp"
    path.write_bytes(b"RIFF\x24\0\0\0WEBPVP8X" + bytes(30))

    def refuse(*args: object, **options: object) -> None:
        raise av.InvalidDataError(1094995529, "Invalid data found when processing input")

    monkeypatch.setattr(av, "open", refuse)  # as versions of FFmpeg do that lack a reader of it
    with pytest.raises(VideoError, match="animated WebP") as caught, opened_video(path):
        pass
    assert caught.value.kind == "unreadable"
