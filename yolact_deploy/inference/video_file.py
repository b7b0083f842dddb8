"""Drawn frames into a video."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..dependencies import require
from ..errors import OutputError
from ..files import Draft, check_output_path
from ..types import Image
from .frames import Note, Result
from .video_encoder import ENCODERS, YUV420, Encoder, add_video, find_encoders
from .video_form import VideoForm

VIDEO_SUFFIXES = tuple(ENCODERS)
_TICKS = 60_000  # per second: whole numbers of them are 1/24, 1/25, 1001/30000 and 1/60 s; MPEG-4 takes no more
_MOVED_S = 0.01  # of a frame that is not at its time: less is rounding
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)


class VideoFile:
    """A sink: one video of its first frame's size, each frame at its own time, with the sound of the source."""

    needs_drawing = True

    def __init__(self, path: Path, form: VideoForm, note: Note, codec: str | None = None, force: bool = False) -> None:
        """form: what it takes over from the source. codec: FFmpeg's name, None for the suffix's own.

        Raises OutputError when `path` cannot be written, or exists without `force`, or there is no such encoder;
        MissingDependencyError without PyAV.
        """
        suffix = path.suffix.lower()
        if suffix not in ENCODERS:
            raise OutputError(f"{path}: unknown kind of video; use one of {', '.join(ENCODERS)}")
        require("av", "writing a video")
        self._encoders = find_encoders(suffix, codec)
        self._path, self._form, self._note = check_output_path(path, force), form, note
        self._is_default = codec is None
        self._draft: Draft | None = None  # there is none before the first frame
        if form.sound is not None:
            form.sound.is_wanted = True
        self._container: Any = None
        self._size = (0, 0)  # of the first frame, width and height, px
        # AVI knows nothing but a fixed rate.
        self._unit = 1 / form.rate if suffix == ".avi" else Fraction(1, _TICKS)  # s
        self._last_tick = -1
        self._moved_s = 0.0  # how far a frame is from its time, at most
        self._count = 0
        self._has_told_size = False

    def write(self, result: Result) -> None:
        """Append one frame. Raises OutputError when there is no room or the encoder fails."""
        image = result.drawn
        if image is None:
            return
        with self._told():
            if self._draft is None:
                self._draft = Draft(self._path)
                self._start(image, self._draft.path)
            time_s = result.frame.time_s
            seconds = float(self._count / self._form.rate) if time_s is None else time_s
            self._last_tick = max(round(seconds / self._unit), self._last_tick + 1)
            self._moved_s = max(self._moved_s, abs(float(self._last_tick * self._unit) - seconds))
            self._count += 1
            self._copy_sound(seconds)
            self._container.mux(self._video.encode(self._frame(image)))

    def _frame(self, image: Image) -> Any:
        """An av.VideoFrame of the video's size, in the encoder's pixels."""
        import av

        if image.shape[1::-1] != self._size:
            if not self._has_told_size:
                self._note(f"{self._path}: frames of another size are scaled to {self._size[0]}x{self._size[1]} px")
            self._has_told_size = True
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        context = self._video.codec_context
        extra = (context.height - image.shape[0], context.width - image.shape[1])
        if any(extra):
            image = np.asarray(cv2.copyMakeBorder(image, 0, extra[0], 0, extra[1], cv2.BORDER_REPLICATE), np.uint8)
        if context.pix_fmt == YUV420:  # OpenCV is faster than FFmpeg, and exacter
            planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, YUV420)
        else:
            frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=context.pix_fmt, threads=1)
        frame.pts, frame.time_base = self._last_tick, self._unit
        return frame

    def _start(self, image: Image, path: Path) -> None:
        """Open the file with the first encoder that works, with sound where the container takes it."""
        import av

        self._size = (image.shape[1], image.shape[0])
        sound = self._form.sound
        reason: Exception | None = None
        for encoder in self._encoders:
            for with_sound in (True, False) if sound else (False,):
                try:
                    self._open(path, encoder, with_sound)
                except (av.FFmpegError, OSError, ValueError) as error:  # noqa: PERF203
                    self._abandon()
                    if getattr(error, "errno", None) in _NO_ROOM:
                        raise
                    reason = error
                else:
                    self._tell_losses(encoder, with_sound)
                    return
        names = " or ".join(encoder.name for encoder in self._encoders)
        text = getattr(reason, "strerror", None) or reason
        raise OutputError(
            f"cannot write {self._path.name} with {names} at {self._size[0]}x{self._size[1]} px ({text}): choose "
            "another --codec, or a name that ends in .mp4"
        )

    def _open(self, path: Path, encoder: Encoder, with_sound: bool) -> None:
        import av

        self._container = av.open(f"file:{path}", "w")
        even = 2 if encoder.needs_even_size else 1
        size = (-(-self._size[0] // even) * even, -(-self._size[1] // even) * even)
        self._video = add_video(self._container, encoder, size, self._form.rate, self._unit)
        if self._form.pixel_aspect is not None:
            self._video.codec_context.sample_aspect_ratio = self._form.pixel_aspect
        streams = self._form.sound.streams if with_sound and self._form.sound else ()
        self._tracks = {stream.index: self._container.add_stream_from_template(stream) for stream in streams}
        self._container.start_encoding()
        if size != self._size:
            self._note(f"{self._path}: written as {size[0]}x{size[1]} px, since {encoder.title} takes no odd sizes")

    def _tell_losses(self, encoder: Encoder, with_sound: bool) -> None:
        lost = list(self._form.left_out)
        if self._form.sound and not with_sound:
            names = sorted({stream.codec_context.name for stream in self._form.sound.streams})
            lost.append(f"sound ({', '.join(names)}, which {self._path.suffix} does not take)")
        if lost:
            self._note(f"{self._path} does not hold the source's {', '.join(lost)}")
        first = ENCODERS[self._path.suffix.lower()][0]
        if self._is_default and encoder.name not in ("libx264", "libopenh264") and encoder.name != first:
            self._note(f"{self._path} is {encoder.title}: this PyAV has no encoder that works for H.264")

    def _copy_sound(self, until_s: float) -> None:
        if self._form.sound is None:
            return
        for packet in self._form.sound.until(until_s):
            track = self._tracks.get(packet.stream_index)
            if track is not None and packet.pts >= 0:
                packet.stream = track
                self._container.mux(packet)

    def close(self, keep: bool) -> None:
        """Finish the video and give it its name. Raises OutputError when it is not whole, as on a full disk."""
        if self._draft is None:
            return
        try:
            if keep:
                with self._told():
                    self._finish(self._draft.path)
                    self._draft.keep()
        finally:
            self._abandon()
            self._draft.discard()

    def _finish(self, path: Path) -> None:
        self._container.mux(self._video.encode(None))
        is_whole = self._form.sound is not None and self._form.sound.is_whole
        self._copy_sound(float("inf") if is_whole else float(self._last_tick * self._unit))
        self._container.close()
        if self._moved_s > _MOVED_S:
            self._note(
                f"{self._path}: frames are up to {self._moved_s:.2f} s from their times, since AVI has a fixed rate"
            )

        if self._form.pixel_aspect is not None and not self._has_aspect(path):
            self._note(f"{self._path}: pixels are written as square, since this format and encoder hold no other")

    def _has_aspect(self, path: Path) -> bool:
        """Whether the written file tells the shape of its pixels; muxers drop it without a word."""
        import av

        with av.open(f"file:{path}") as container:
            return bool(container.streams.video[0].sample_aspect_ratio == self._form.pixel_aspect)

    def _abandon(self) -> None:
        import av

        if self._container is not None:
            with contextlib.suppress(av.FFmpegError, OSError, ValueError):
                self._container.close()
            self._container = None

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        import av

        try:
            yield
        except (av.FFmpegError, OSError) as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {self._path}: {reason}; nothing was kept of it") from None
