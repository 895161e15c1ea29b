"""What a browser shows of a video: a still picture, a copy that it can play, and each view drawn for a person.

All of it runs in the processes of `coview.serving.jobs`.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from coview.datatypes import Frame
from coview.errors import UserError, VideoError
from coview.files import atomic_path, disk_errors, write_bytes
from coview.locks import temporary_folder
from coview.preparation.settings import PrepareSettings, build_views
from coview.video.decode import decode_frames, stored_fps
from coview.video.encode import Encoding, encode_pictures, rgb_pictures
from coview.video.opening import opened_video
from coview.video.orientation import picture_orientation
from coview.video.pictures import PictureReader
from coview.video.probe import VideoInfo, probe
from coview.video.scaling import RgbConverter, scaled_size, shown_size
from coview.video.source_settings import SourceSettings
from coview.views.base import SourceVideo, StorageSettings, View, read_storage
from coview.views.persons.stick_figure import BACKGROUND

COPY_SIDE, COPY_CRF = 480, 23.0
VIEW_SIDE, VIEW_CRF = 240, 20.0
_POSTER_QUALITY = 80
_PLAYED_CODECS = {"h264", "vp8", "vp9", "libdav1d", "av1", "libvpx", "libvpx-vp9"}
_PLAYED_FORMATS = {"yuv420p", "yuvj420p"}
_PLAYED_SUFFIXES = {".mp4", ".m4v", ".mov", ".webm"}
_SEEK_FROM_SECONDS = 2.0
"""Nearer to the beginning than this, decoding from the beginning is as quick, and never wrong."""
_AS_PLAYED = SourceSettings(damaged="keep")
_SHADE = 0.3
"""How bright a picture stays outside the mask that is drawn over it."""
_STICK_SHADE = 0.55


def describe_film(path: Path) -> dict[str, Any]:
    """Return what a page must know to play a video: size, rate, length, codec, and whether browsers play it as it is.

    Raises:
        VideoError: it cannot be read.
    """
    info = probe(path, source=_AS_PLAYED)
    is_played = (
        info.codec in _PLAYED_CODECS
        and info.pixel_format in _PLAYED_FORMATS
        and path.is_file()
        and path.suffix.lower() in _PLAYED_SUFFIXES
    )
    return {
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
        "seconds": info.duration_seconds,
        "codec": info.codec,
        "is_played": is_played,
    }


def write_poster(path: Path, out: Path, *, at_seconds: float, height: int) -> None:
    """Write a JPEG of one moment; after the end, of the last picture.

    Raises:
        VideoError: the video cannot be read.
    """
    frame = next(_frames_from(path, at_seconds, height), None)
    if frame is None:
        raise VideoError("no_frames", path, "its video stream is empty")
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _POSTER_QUALITY])
    assert done, "a JPEG encoder that refuses an RGB picture"
    write_bytes(out, data.tobytes())


def _frames_from(path: Path, seconds: float, short_side: int) -> Iterator[Frame]:
    """Yield upright RGB frames from a moment on, reached from the key frame before it; past the end, the last one."""
    if seconds >= _SEEK_FROM_SECONDS:
        with contextlib.suppress(av.FFmpegError, VideoError):
            frames = _frames_of(path, seconds, short_side, seeks=True)
            first = next(frames, None)
            if first is not None:
                yield first
                yield from frames
                return
    yield from _frames_of(path, seconds, short_side, seeks=False)


def _frames_of(path: Path, seconds: float, short_side: int, *, seeks: bool) -> Iterator[Frame]:
    with opened_video(path) as (container, stream):
        base, begin = stream.time_base or Fraction(1, 25), stream.start_time or 0
        if seeks:
            container.seek(begin + int(seconds / base), stream=stream)
        usual_gap = 1 / float(stream.average_rate or 25)
        at, last, is_there = -usual_gap, None, False
        convert = _converter(path, short_side, stream.sample_aspect_ratio)
        for picture in PictureReader(path, container, stream, keep_sound=True):
            last = picture
            at = at + usual_gap if picture.pts is None else float((picture.pts - begin) * base)
            if at >= seconds - usual_gap / 2:
                is_there = True
                yield convert(picture)
        if last is not None and not is_there:
            yield convert(last)


def _converter(path: Path, short_side: int, pixel_shape: Fraction | None) -> Callable[[av.VideoFrame], Frame]:
    """Return what scales pictures down to a short side and turns them upright."""
    ready: list[RgbConverter] = []

    def convert(picture: av.VideoFrame) -> Frame:
        if not ready:
            width, height = shown_size(picture.width, picture.height, pixel_shape)
            try:
                size = scaled_size(width, height, max(2, min(short_side, round(width), round(height))))
                ready.append(RgbConverter(size, maps_tones=True))
            except ValueError as error:
                raise VideoError("too_large", path, str(error)) from None
        return picture_orientation(picture).apply(ready[0](picture))

    return convert


def write_copy(path: Path, out: Path, *, tell: Callable[[float], None]) -> None:
    """Write a copy that every browser plays: H.264, at most 480 pixels on the short side, no sound.

    Damage at the end, or on the way, ends the copy there.

    Raises:
        VideoError: not one frame can be decoded.
        UserError: the disk is full or refuses.
    """
    info = probe(path, source=_AS_PLAYED)
    expected = info.num_frames_header or round((info.duration_seconds or 60.0) * info.fps)
    fps = stored_fps(info, 30.0 if info.is_variable_rate else None)
    side = max(2, min(COPY_SIDE, info.width, info.height))
    resampled = fps if info.is_variable_rate else None
    with contextlib.closing(decode_frames(path, short_side=side, fps=resampled, source=_AS_PLAYED)) as frames:
        told = _told(_until_damage(frames), expected, tell)
        _encode(told, out, fps=fps, crf=COPY_CRF, gop=round(2 * fps) or 1)


def _until_damage(frames: Iterable[Frame]) -> Iterator[Frame]:
    count = 0
    try:
        for frame in frames:
            count += 1
            yield frame
    except VideoError:
        if count == 0:
            raise


def _told(frames: Iterable[Frame], expected: int, tell: Callable[[float], None]) -> Iterator[Frame]:
    for count, frame in enumerate(frames):
        if count % 50 == 0:
            tell(min(1.0, count / max(1, expected)))
        yield frame


def _encode(frames: Iterable[Frame], out: Path, *, fps: float, crf: float, gop: int) -> None:
    encoding = Encoding(fps=min(fps, 1000.0), gop=gop, crf=crf, tune="", color_range=ColorRange.MPEG, preset="veryfast")
    with disk_errors(out.parent), atomic_path(out) as aside:
        if encode_pictures(rgb_pictures(frames), aside, encoding) == 0:
            raise UserError("it has no pictures in these seconds")


def write_view(
    path: Path, out: Path, *, view: str, start_seconds: float, end_seconds: float, made_like: Mapping[str, Any]
) -> None:
    """Write some seconds of a view as a film: flow as colours, a skeleton or mask over the pictures, others as drawn.

    Args:
        path: the video.
        out: the film.
        view: its name.
        start_seconds: where to begin.
        end_seconds: where to stop.
        made_like: resolved.yaml of the run: the settings of its views.

    Raises:
        UserError: the video cannot be read, has nothing there, or the view cannot be made here.
    """
    info = probe(path, source=_AS_PLAYED)
    fps = stored_fps(info, None)
    count = max(2, round((end_seconds - start_seconds) * fps))
    frames = list(itertools.islice(_until_damage(_frames_from(path, start_seconds, VIEW_SIDE)), count))
    if len(frames) == 1:
        frames *= 2  # flow needs a pair
    first = round(start_seconds * fps)
    drawn = frames if view == "rgb" else _draw(view, frames, info=info, fps=fps, first=first, made_like=made_like)
    _encode(drawn, out, fps=fps, crf=VIEW_CRF, gop=max(1, round(fps / 2)))


def _draw(
    name: str, frames: Sequence[Frame], *, info: VideoInfo, fps: float, first: int, made_like: Mapping[str, Any]
) -> Iterator[Frame]:
    """Yield a view's frames, drawn at the size of the pictures."""
    known = made_like["data"]
    storage = read_storage(known["storage"])
    options = {name: known["views"][name]} if name in known["views"] else {}
    view = build_views(PrepareSettings(views=(name,), options=options, storage=storage), stored={})[name]
    view.check()
    video = SourceVideo("shown", info.path, info.width, info.height, (view,), first_frame=first)
    height, width = frames[0].shape[:2]
    for frame, raw in zip(frames, _stored(view, frames, video, fps=fps, storage=storage), strict=True):
        yield _over(frame, view.picture(raw, height=height, width=width), name)


def _stored(
    view: View, frames: Sequence[Frame], video: SourceVideo, *, fps: float, storage: StorageSettings
) -> NDArray[Any]:
    """Return the frames of a view as they are read back from the disk: what an encoder gets."""
    with temporary_folder() as folder:
        path = folder / f"view{view.suffix}"
        count = view.write(view.extract(frames, video), path, fps=fps, storage=storage)
        return view.read(path, np.arange(count))


def _over(frame: Frame, drawn: Frame, name: str) -> Frame:
    """Draw a skeleton or a mask over the picture that it was found in; other views stand for themselves."""
    if name == "pose":
        lines = np.abs(drawn.astype(np.int16) - BACKGROUND).max(axis=2, keepdims=True) / 255  # (H, W, 1)
        opacity = np.clip(lines * 2.5, 0, 1)
        return np.asarray(np.rint(frame * _STICK_SHADE * (1 - opacity) + drawn * opacity), np.uint8)
    if name == "segmentation":
        kept = _SHADE + (1 - _SHADE) * drawn.astype(np.float32) / 255
        return np.asarray(np.rint(frame * kept), np.uint8)
    return drawn
