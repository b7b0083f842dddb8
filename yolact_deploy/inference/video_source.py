"""Videos and network streams as a source, decoded by FFmpeg's libraries through PyAV."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import ImageError
from ..images import check_pixels
from .addresses import is_url, shown_url, url_file_name
from .frames import Failure, Frame, Note
from .video_clock import VideoClock
from .video_form import DEFAULT_RATE, Sound, VideoForm
from .video_health import VideoHealth
from .video_pixels import VideoPixels, unusual_pixels

# Addresses that have no end, unless they say how long they are.
LIVE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srtp", "udp", "srt")
MAX_RATE = 1000  # frames per second
_MAX_FAULTS = 32  # of the container, one after the other: then it is given up
_NO_TIMESTAMPS = 0x0080  # AVFMT_NOTIMESTAMPS, of raw streams
_ATTACHED_PICTURE = 0x0400  # AV_DISPOSITION_ATTACHED_PIC: the cover of a piece of music


class VideoSource:
    """Frames of an opened container, which it owns."""

    def __init__(self, container: Any, source: str, note: Note, is_live: bool, max_pixels: int) -> None:
        """container: av.InputContainer. source: what was opened, for names and messages. is_live: it has no end
        although its address does not say so. Raises ImageError when no video in it can be decoded."""
        self._container, self._note = container, note
        self._shown = shown_url(source) if is_url(source) else source
        self._video = _video_in(container, self._shown, max_pixels)
        self.name = Path(url_file_name(source) if is_url(source) else source).name or "stream"
        has_end = container.duration is not None and container.duration > 0
        self.is_live = is_live or (source.partition("://")[0].lower() in LIVE_SCHEMES and not has_end)
        self._is_raw = bool(container.format.flags & _NO_TIMESTAMPS)
        rate = self._rate()
        self.total: int | None = None
        if has_end and not self.is_live:
            average = Fraction(self._video.average_rate or rate)
            self.total = max(1, round(container.duration / _microseconds() * average))
        self._beginning = self._find_beginning()
        self._sound = Sound(() if self.is_live else container.streams.audio)
        aspect = self._video.sample_aspect_ratio or self._video.codec_context.sample_aspect_ratio
        self.form = VideoForm(
            rate,
            aspect if aspect and aspect != 1 else None,
            self._sound if self._sound.streams else None,
            tuple(sorted({stream.type for stream in container.streams} - {"video", "audio"})),
        )
        self._health = VideoHealth(container, self._video, float(rate))

    def _rate(self) -> Fraction:
        video = self._video
        known = (video.codec_context.framerate, video.average_rate, video.guessed_rate)
        rates = known if self._is_raw else (known[2], known[1], known[0])
        rate = next((Fraction(rate) for rate in rates if rate and 0 < rate <= MAX_RATE), None)
        if rate is None or (self._is_raw and not known[0]):
            self._note(
                f"{self._shown} does not tell its frame rate: taken as {float(rate or DEFAULT_RATE):g} per second"
            )
        return rate or DEFAULT_RATE

    def _find_beginning(self) -> Fraction | None:
        """Where a player's clock starts, in the container's time, s."""
        if self._container.start_time is None:
            return None
        start = Fraction(self._container.start_time, _microseconds())
        video = self._video
        if video.start_time is not None and abs(video.start_time * video.time_base - start) < Fraction(1, 1000):
            return Fraction(video.start_time * video.time_base)  # the other one is rounded
        return start

    def frames(self) -> Iterator[Frame | Failure]:
        """Every frame; at the end, failures for damaged parts and for a video that broke off."""
        import av

        # Several frames are decoded at a time, but one of a live source does not wait for the next ones.
        self._video.thread_type = "SLICE" if self.is_live else "AUTO"
        clock = VideoClock(self.form.rate, self._beginning, not self._is_raw)
        pixels = VideoPixels(self._video.time_base)
        complaints = av.logging.get_last_error()[0]
        stem = Path(self.name).stem
        start: float | None = None
        index = 0
        try:
            for picture in self._pictures():
                now = time.monotonic()
                start = now if start is None else start
                if index == 0:
                    self._tell_about(picture)
                time_s = now - start if self.is_live else clock.time_of(self._stamp(picture))
                self._health.saw_frame(picture.is_corrupt, time_s)
                yield Frame(index, index + 1, f"{stem}_{index + 1:06d}.jpg", pixels.of(picture), time_s)
                index += 1
        finally:
            self._drain()
        self._sound.is_whole = True
        if clock.set_back:
            self._note(f"{self._shown}: time stamps go back {clock.set_back} times: continued without a gap")
        damage = self._health.damage() if index else ""
        failures = [text for text in (damage, self._shortfall(index)) if text]
        complaints = av.logging.get_last_error()[0] - complaints
        if complaints and not failures:
            self._note(
                f"{self._shown}: the decoder reported {complaints} errors; no frame of it is known to be damaged"
            )
        for text in failures:
            yield Failure(f"{self._shown} {text}")

    def _pictures(self) -> Iterator[Any]:
        """Every decoded av.VideoFrame, in the order in which they are seen."""
        import av

        for packet in self._packets():
            self._health.saw_packet(packet)
            if packet.stream_index != self._video.index:
                self._keep_sound(packet)
                continue
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self._health.lost_packets += 1
        try:
            yield from self._video.codec_context.decode(None)  # what the decoder still holds
        except EOFError:
            pass
        except av.FFmpegError:
            self._health.lost_packets += 1

    def _stamp(self, picture: Any) -> Fraction | None:
        """When an av.VideoFrame is to be seen, in the container's time, s."""
        stamp = picture.dts if picture.pts is None else picture.pts
        return None if stamp is None else Fraction(stamp * self._video.time_base)  # the last frames know no unit

    def _packets(self) -> Iterator[Any]:
        """Every packet of the video and its sound. Past a damaged part the container is read on."""
        import av

        faults = 0
        while faults < _MAX_FAULTS:
            try:
                for packet in self._container.demux([self._video, *self._sound.streams]):
                    if packet.size:  # without one: the end of a stream
                        faults = 0
                        yield packet
                return
            except EOFError:  # noqa: PERF203
                return
            except av.FFmpegError:
                if not self.is_live:
                    self._health.container_faults += faults == 0
                faults = _MAX_FAULTS if self.is_live else faults + 1

    def _keep_sound(self, packet: Any) -> None:
        if packet.pts is None or packet.dts is None:
            return
        shift = round((self._beginning or 0) / packet.time_base)
        packet.pts -= shift
        packet.dts -= shift
        self._sound.add(packet, float(packet.pts * packet.time_base))

    def _drain(self) -> None:
        """Let the decoder's threads finish: to end them in the middle of their work can block."""
        import av

        with contextlib.suppress(av.FFmpegError, EOFError, ValueError):
            self._video.codec_context.decode(None)

    def _tell_about(self, picture: Any) -> None:
        """What a reader of the results should know of the frames, from the first av.VideoFrame."""
        bits = max(component.bits for component in picture.format.components)
        facts = unusual_pixels(
            self.form.pixel_aspect, picture.width, picture.height, bool(picture.interlaced_frame), bits
        )
        if facts:
            self._note(f"{self._shown}: {facts}")

    def _shortfall(self, count: int) -> str:
        """What is wrong with an end after `count` frames, empty when nothing is."""
        if self.is_live and count == 0:
            return "was opened but gave no picture in time"
        if self.is_live:
            return f"gave no more pictures after {count}: unplugged, or the connection broke"
        if count == 0:
            return "gives no frame: no frame in it can be decoded (an unknown form of its codec, or damage)"
        return self._health.shortfall(count)

    def close(self) -> None:
        """Give the file or the connection back."""
        self._container.close()


def _microseconds() -> int:
    """The unit of a container's times, per second."""
    import av

    return int(av.time_base)


def _video_in(container: Any, shown: str, max_pixels: int) -> Any:
    """The av.VideoStream to read. Raises ImageError."""
    video = container.streams.best("video")
    if video is None or video.disposition & _ATTACHED_PICTURE:
        raise ImageError(f"cannot read {shown}: there is no video in it")
    context = video.codec_context
    if context is None:
        raise ImageError(f"cannot read {shown}: this FFmpeg has no decoder for its video")
    check_pixels(context.width, context.height, max_pixels, shown)
    return video
