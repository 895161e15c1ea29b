"""Decoded pictures one after the other, and what is done about damage.

FFmpeg conceals damage by default: it repairs pictures by guessing and goes on. Here a picture that the decoder marks as
damaged, a packet that it refuses, or one of which bytes were lost on the way, ends the video: with a `VideoError`
where more packets follow, and with a remark where the file ends there, because a recording or a download that was cut
short is good up to that point.
On request what is unsound is left out instead: from the damage to the next key frame, which needs nothing before it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from coview.errors import VideoError
from coview.video.header import stream_seconds
from coview.video.scaling import check_size
from coview.video.timing import LONGEST_PAUSE_SECONDS

KEEP_ADVICE = "--damaged keep leaves out what is unsound"
"""Ends the cause of a video that fails although some of it is sound."""
_INCOMPLETE = "the picture is incomplete"
_TORN = "a part of it is missing"
_SYNC_BYTE = b"\x47"
"""Begins each packet of a transport stream; the lower half of the fourth byte is the count."""


class PictureReader:
    """The pictures of an opened video, in presentation order, in bounded memory.

    Args:
        path: the file, for messages.
        container: opened.
        stream: of it.
        keep_sound: go on after damage with the next key frame; else damage with more of the video behind it is an
            error.

    Attributes:
        num_decoded: pictures handed out so far.
        num_packets: packets read so far, those included that an edit list hides.
        num_hidden: packets that an edit list hides.
        num_skipped: packets at the beginning that need pictures from before it (a cut out of a longer stream).
        num_unsound: pictures and packets left out after damage.
        damage: what is wrong with what was read last; empty if nothing.
    """

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream, *, keep_sound: bool = False) -> None:
        self.num_decoded = 0
        self.num_packets = 0
        self.num_hidden = 0
        self.num_skipped = 0
        self.num_unsound = 0
        self.damage = ""
        self._sizes: set[tuple[int, int]] = set()
        self._stamps: tuple[int, int] | None = None
        self._path = path
        self._container = container
        self._stream = stream
        self._keep_sound = keep_sound
        self._damaged_places: list[int] = []
        self._reading_ended = ""
        check_size(path, stream.codec_context.width, stream.codec_context.height)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yield every picture.

        Raises:
            VideoError: corrupt, no_frames, too_large or unreadable.
        """
        for picture in self._sound() if self._keep_sound else self._all():
            self.num_decoded += 1
            self._sizes.add((picture.width, picture.height))
            if picture.pts is not None:
                first, last = self._stamps or (picture.pts, picture.pts)
                self._stamps = min(first, picture.pts), max(last, picture.pts)
            yield picture
        if self.num_decoded == 0:
            if self.damage or self.num_skipped or self.num_unsound:
                cause = self.damage or "its first pictures are damaged or missing"
                raise VideoError("corrupt", self._path, f"not one frame can be decoded: {cause}")
            raise VideoError("no_frames", self._path, "its video stream is empty")

    def _all(self) -> Iterator[av.VideoFrame]:
        has_begun = False  # before the first key frame there is nothing to damage
        for packet, is_torn in self._packets():
            has_begun = has_begun or packet.is_keyframe or self.num_decoded > 0
            if self.damage and not (is_torn and self.damage == _TORN):  # a tear may mark all that follow
                told = f"decoding fails {self._place()}: {self.damage}; {KEEP_ADVICE}"
                raise VideoError("corrupt", self._path, told)
            if is_torn and has_begun:
                self.damage = _TORN
            yield from self._decode(packet)
        self.damage = self.damage or self._reading_ended
        yield from self._decode(None)  # those that the decoder holds back

    def _sound(self) -> Iterator[av.VideoFrame]:
        """Yield the pictures up to damage, and those from the next key frame on.

        Pictures predicted from two sides wait for the next other one: it was decoded before them.
        """
        waiting: list[av.VideoFrame] = []
        is_unsound = False
        for picture in self._decoded_on():
            if picture is None or picture.is_corrupt:
                self._damaged_places += [] if is_unsound else [max(self.num_packets - 1, 0)]
                is_unsound = True
                self.num_unsound += 1 + len(waiting)
                waiting.clear()
            elif is_unsound and not picture.key_frame:
                self.num_unsound += 1
            elif picture.pict_type == PictureType.B:
                waiting.append(picture)
            else:
                is_unsound = False
                yield from waiting
                waiting.clear()
                yield picture
        yield from waiting

    def _decoded_on(self) -> Iterator[av.VideoFrame | None]:
        """Yield every picture whatever its state, and None for a packet that the decoder refuses.

        None stands also for a picture that looks sound but was made of torn packets, or of ones behind them.
        Pictures come out later than their packets go in, so each brings along what is known about its own.
        """
        self._stream.codec_context.copy_opaque = True
        is_unsound = False
        for packet, is_torn in self._packets():
            self.damage = ""
            is_unsound = is_torn or (is_unsound and not packet.is_keyframe)
            packet.opaque = is_unsound
            for picture in self._decode(packet):
                yield None if picture.opaque else picture
            if self.damage and self.damage != _INCOMPLETE:
                is_unsound = True
                yield None
        self.damage = self._reading_ended
        for picture in self._decode(None):
            yield None if picture.opaque else picture
        self.damage = ""

    def _packets(self) -> Iterator[tuple[av.Packet, bool]]:
        """Yield the packets in the order of decoding, and with each whether a part of it is missing."""
        return _with_torn(self._read(), self._path)

    def _read(self) -> Iterator[av.Packet]:
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:  # an empty one would end the decoder
                    yield packet
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise VideoError("unreadable", self._path, f"reading fails {self._place()}: {error.strerror}") from None
            self._reading_ended = f"reading stops: {error.strerror}"

    def _decode(self, packet: av.Packet | None) -> Iterator[av.VideoFrame]:
        if packet is not None:
            self.num_packets += 1
            self.num_hidden += packet.is_discard
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
                self.damage = _INCOMPLETE
            yield picture

    def _place(self) -> str:
        of_all = f" of about {self._stream.frames}" if self._stream.frames else ""
        return f"near frame {max(self.num_packets - 1, 0)}{of_all}"

    def remark(self) -> str:
        """Say, after the last picture, how the video fell short of what its header promises; empty if it did not."""
        parts = []
        if self.num_unsound:
            places = ", ".join(map(str, self._damaged_places[:3])) + (", ..." if self._damaged_places[3:] else "")
            parts.append(
                f"damaged: {self.num_unsound} of {self.num_decoded + self.num_unsound} frames could not be decoded "
                f"soundly and were left out, from frame {places} on"
            )
        parts += [self._shortfall()] if self._shortfall() and not self.num_unsound else []
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
            if self.num_decoded >= promised:
                return ""
            counts = f"the header promises {promised} frames, {self.num_decoded} decoded"
            if self.num_packets < self._stream.frames:
                return f"truncated: the end is missing: {counts}"
            return f"incomplete: {'the beginning cannot be decoded: ' if self._missing_start() else ''}{counts}"
        seconds = stream_seconds(self._container, self._stream)
        if seconds is None or self._stamps is None or not self._stream.time_base:
            return ""
        missing = self._missing_start()
        last = float((self._stamps[1] - self._stamps[0]) * self._stream.time_base) + missing
        told = []
        if missing:
            told.append(f"the beginning cannot be decoded: the first {missing:.1f} s need pictures from before it")
        if last < 0.95 * seconds - 0.5:
            told.append(f"the end is missing: the header promises {seconds:.1f} s, the last frame is at {last:.1f} s")
        return f"truncated: {'; '.join(told)}" if told else ""

    def _missing_start(self) -> float:
        """Return the seconds from the beginning of the stream to the first picture, 0 for less than half of one."""
        if self._stamps is None or self._stream.start_time is None or not self._stream.time_base:
            return 0.0
        seconds = float((self._stamps[0] - self._stream.start_time) * self._stream.time_base)
        return seconds if seconds > 0.5 else 0.0


def _with_torn(packets: Iterable[av.Packet], path: Path) -> Iterator[tuple[av.Packet, bool]]:
    """Pair each packet with whether a part of it is missing, as the count in a transport stream's packets tells.

    Where a stream is first cut into pictures, the mark is on the packet before the torn one, so both are taken for
    torn. The count also jumps where recordings were joined, which tears nothing.
    """
    ahead: deque[av.Packet] = deque()
    remaining, was_torn = iter(packets), False
    while True:
        while len(ahead) < 3 and (packet := next(remaining, None)) is not None:
            ahead.append(packet)
        if not ahead:
            return
        is_torn = _is_torn(list(ahead), path)
        yield ahead.popleft(), is_torn or was_torn
        was_torn = is_torn


def _is_torn(packets: list[av.Packet], path: Path) -> bool:
    """Tell whether the first packet is marked, and none of the two that follow begins another recording."""
    return packets[0].is_corrupt and not any(map(partial(_is_joint, path=path), packets, packets[1:]))


def _is_joint(packet: av.Packet, following: av.Packet, *, path: Path) -> bool:
    """Tell whether a key frame begins another recording: its time stamps jump, or it is counted from 0.

    The segments into which a recording was cut as it was made go on in time, each with a count of its own.
    """
    if not following.is_keyframe:
        return False
    if _is_counted_from_zero(following, path):
        return True
    if packet.dts is None or following.dts is None:
        return False
    gap = float((following.dts - packet.dts) * packet.time_base)
    return not 0 <= gap <= LONGEST_PAUSE_SECONDS


def _is_counted_from_zero(packet: av.Packet, path: Path) -> bool:
    """Tell whether the transport packet with which a packet begins has the number 0 of 16."""
    if packet.pos is None or not path.is_file():  # a folder of pictures
        return False
    with path.open("rb") as file:
        file.seek(packet.pos)
        header = file.read(8)
    header = header if header[:1] == _SYNC_BYTE else header[4:]  # .m2ts has 4 bytes before each
    return len(header) >= 4 and header[:1] == _SYNC_BYTE and header[3] & 0xF == 0
