"""Uncompressed video as a source, from a file or standard input: YUV4MPEG2, or frames of BGR alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from ..dependencies import require
from ..errors import ImageError
from ..images import check_pixels
from ..types import ImageSize
from .frames import ByteStream, Failure, Frame, Note
from .raw_frames import RawPixels
from .video_form import DEFAULT_RATE, VideoForm
from .video_pixels import unusual_pixels
from .y4m import FRAME, MAGIC, MAX_LINE, Y4mHeader

_PADDED = (
    "so none is read: GStreamer's y4menc pads rows unless the width is a multiple of 8 and the height is even, and "
    "FFmpeg's writes frames of odd sizes and more than 8 bits wrong; scale or crop to such a size before it"
)


class Rewound:
    """A stream whose first bytes have been read already."""

    def __init__(self, head: bytes, rest: ByteStream) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, none at the end."""
        if self._head:
            size = len(self._head) if size < 0 else size
            part, self._head = self._head[:size], self._head[size:]
            return part
        return self._rest.read(size) or b""


def peek(file: ByteStream) -> tuple[bool, Rewound]:
    """Whether a stream is YUV4MPEG2, and the stream with all of its bytes."""
    head = b""
    while len(head) < len(MAGIC) and MAGIC.startswith(head):
        more = file.read(len(MAGIC) - len(head))
        if not more:
            break
        head += more
    return head == MAGIC, Rewound(head, file)


def is_y4m_file(path: Path) -> bool:
    """Whether a file begins as YUV4MPEG2 does."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


class RawVideo:
    """Frames of uncompressed video, every one of them; their times follow from their rate."""

    is_live = False

    def __init__(
        self,
        file: ByteStream,
        name: str,
        note: Note,
        max_pixels: int,
        size: ImageSize | None = None,
        rate: Fraction | None = None,
    ) -> None:
        """name: of frames and in messages. size: of BGR frames; None: YUV4MPEG2, which tells it. rate: frames per
        second, where the stream does not tell it or is wrong.

        Raises ImageError for a header that cannot be used or frames of more than `max_pixels`, MissingDependencyError
        without PyAV, which YUV needs.
        """
        self._file, self._note, self.name = file, note, name
        self._has_lines = size is None
        aspect, is_interlaced, told_rate = None, False, None
        if size is None:
            require("av", "reading YUV4MPEG2")
            header = Y4mHeader.parse(self._line() or b"", name)
            self.pixels = RawPixels(header.width, header.height, header.pixel_format, header.is_full_range)
            aspect = header.pixel_aspect if header.pixel_aspect != 1 else None
            is_interlaced, told_rate = header.is_interlaced, header.rate
        else:
            self.pixels = RawPixels(size.width, size.height)
        check_pixels(self.pixels.width, self.pixels.height, max_pixels, name)
        self.total = file.frames_of(self.pixels, self._has_lines) if isinstance(file, RawFile) else None
        if rate is None and told_rate is None:
            note(f"{name} does not tell its frame rate: taken as {float(DEFAULT_RATE):g} per second (--rate)")
        self.form = VideoForm(rate or told_rate or DEFAULT_RATE, aspect)
        if facts := unusual_pixels(aspect, self.pixels.width, self.pixels.height, is_interlaced, self.pixels.bits):
            note(f"{name}: {facts}")

    def frames(self) -> Iterator[Frame | Failure]:
        """Every frame; a failure when the last one is not whole, or something else stands between frames."""
        index, fault = 0, ""
        stem = Path(self.name).stem
        fault = self._fault_before(index)
        while not fault:
            data = self._bytes(self.pixels.size)
            if len(data) < self.pixels.size:
                fault = self._broken_off(index, len(data)) if data or self._has_lines else ""
                break
            if index == 0 and (fault := self._fault_before(1)).strip():
                fault = f"{self.name}: frame 1 does not end where its header says, {_PADDED}"
                break
            time_s = float(index / self.form.rate)
            yield Frame(index, index + 1, f"{stem}_{index + 1:06d}.jpg", self.pixels.picture(data), time_s)
            index += 1
            fault = fault or (self._fault_before(index) if index > 1 else "")
        if fault := fault.strip() or ("" if index else f"{self.name} gives no frame"):
            yield Failure(fault)

    def _fault_before(self, index: int) -> str:
        """What is wrong where frame `index` should begin; " " at the end of the stream."""
        if not self._has_lines:
            return ""
        line = self._line()
        if line == b"":
            return " "
        if line is None or line.split(b" ")[0] != FRAME:
            return f"{self.name}: no frame begins after frame {index}: damaged, or broken off there"
        return ""

    def _broken_off(self, index: int, count: int) -> str:
        size = f"{self.pixels.width}x{self.pixels.height}"
        advice = "" if self._has_lines else f" (are its frames really {size} px of BGR, without gaps between rows?)"
        return f"{self.name} breaks off in frame {index + 1}, after {count} of its {self.pixels.size} bytes{advice}"

    def _line(self) -> bytes | None:
        """The next line without its end, empty at the end of the stream; None when it has no end within reason."""
        line = bytearray()
        while len(line) < MAX_LINE:
            byte = self._file.read(1)
            if not byte:
                return None if line else b""
            if byte == b"\n":
                return bytes(line) if line else None
            line += byte
        return None

    def _bytes(self, count: int) -> bytearray:
        """The next `count` bytes, fewer at the end."""
        data = bytearray()
        while len(data) < count and (more := self._file.read(count - len(data))):
            data += more
        return data

    def close(self) -> None:
        """Give a file back; standard input is not ours to close."""
        if isinstance(self._file, RawFile):
            self._file.close()


class RawFile:
    """A file of uncompressed video."""

    def __init__(self, path: Path) -> None:
        """Raises ImageError."""
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ImageError(f"cannot read {path}: {error.strerror or error}") from None

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""
        return self._file.read(size)

    def frames_of(self, pixels: RawPixels, has_lines: bool) -> int:
        """How many frames follow, about."""
        left = os.fstat(self._file.fileno()).st_size - self._file.tell()
        return max(1, left // (pixels.size + has_lines * (len(FRAME) + 1)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
