"""Decoded pictures one after the other, and what is done about damage.

FFmpeg conceals damage by default: it repairs pictures by guessing and goes on. Here a picture that the decoder marks as
damaged, or a packet that it refuses, ends the video: with a `VideoError` where more packets follow, and with a
remark where the file ends there, because a recording or a download that was cut short is good up to that point.
"""

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from coview.errors import VideoError
from coview.video.header import stream_seconds
from coview.video.scaling import check_size


class PictureReader:
    """The pictures of an opened video, in presentation order, in bounded memory.

    Attributes:
        num_decoded: pictures handed out so far.
        num_packets: packets read so far, those included that an edit list hides.
        num_hidden: packets that an edit list hides.
        num_skipped: packets at the beginning that need pictures from before it (a cut out of a longer stream).
        damage: what is wrong with what was read last; empty if nothing.
    """

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream) -> None:
        self.num_decoded = 0
        self.num_packets = 0
        self.num_hidden = 0
        self.num_skipped = 0
        self.damage = ""
        self._sizes: set[tuple[int, int]] = set()
        self._stamps: tuple[int, int] | None = None
        self._path = path
        self._container = container
        self._stream = stream
        check_size(path, stream.codec_context.width, stream.codec_context.height)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yield every picture.

        Raises:
            VideoError: corrupt, no_frames, too_large or unreadable.
        """
        for packet in self._packets():
            if self.damage:
                raise VideoError("corrupt", self._path, f"decoding fails {self._place()}: {self.damage}")
            self.num_packets += 1
            self.num_hidden += packet.is_discard
            yield from self._decode(packet)
        yield from self._decode(None)  # those that the decoder holds back
        if self.num_decoded == 0:
            if self.damage or self.num_skipped:
                cause = self.damage or "its first pictures are damaged or missing"
                raise VideoError("corrupt", self._path, f"not one frame can be decoded: {cause}")
            raise VideoError("no_frames", self._path, "its video stream is empty")

    def _packets(self) -> Iterator[av.Packet]:
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:  # an empty one would end the decoder
                    yield packet
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise VideoError("unreadable", self._path, f"reading fails {self._place()}: {error.strerror}") from None
            self.damage = f"reading stops: {error.strerror}"

    def _decode(self, packet: av.Packet | None) -> Iterator[av.VideoFrame]:
        try:
            pictures = self._stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            if packet is not None and self.num_decoded == 0 and not packet.is_keyframe:
                self.num_skipped += 1
            else:
                self.damage = f"the decoder refuses it ({error.strerror})"
            return
        for picture in pictures:
            check_size(self._path, picture.width, picture.height)
            if picture.is_corrupt:
                self.damage = "the picture is incomplete"
            self.num_decoded += 1
            self._sizes.add((picture.width, picture.height))
            if picture.pts is not None:
                self._stamps = (self._stamps or (picture.pts,))[0], picture.pts
            yield picture

    def _place(self) -> str:
        of_all = f" of about {self._stream.frames}" if self._stream.frames else ""
        return f"near frame {max(self.num_packets - 1, 0)}{of_all}"

    def remark(self) -> str:
        """Say, after the last picture, how the video fell short of what its header promises; empty if it did not."""
        parts = [self._shortfall()] if self._shortfall() else []
        if self.damage:
            parts.append(f"the end of the file is damaged: {self.damage}")
        if self.num_skipped:
            parts.append(f"the first {self.num_skipped} packets were skipped: they need pictures before the beginning")
        if len(self._sizes) > 1:
            parts.append("the size of the pictures changes on the way; all were scaled to the size of the first")
        return "; ".join(parts)

    def _shortfall(self) -> str:
        """Compare with the promised number of frames, or where there is none with the promised length."""
        if self._stream.frames:
            promised = self._stream.frames - self.num_hidden
            reason = "truncated" if self.num_packets < self._stream.frames else "incomplete"
            told = f"{reason}: the header promises {promised} frames, {self.num_decoded} decoded"
            return told if self.num_decoded < promised else ""
        seconds = stream_seconds(self._container, self._stream)
        if seconds is None or self._stamps is None or not self._stream.time_base:
            return ""
        last = float((self._stamps[1] - self._stamps[0]) * self._stream.time_base)
        told = f"truncated: the header promises {seconds:.1f} s, the last frame is at {last:.1f} s"
        return told if last < 0.95 * seconds - 0.5 else ""
