"""Pictures one after the other in a stream of bytes: JPEG and PNG files, concatenated, as `ffmpeg -f image2pipe`
writes them. Both formats say where they end, so nothing stands between them.

JPEG: ITU T.81, annex B (markers and segments); PNG: its specification, section 5 (signature and chunks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .frames import ByteStream

JPEG_START = b"\xff\xd8\xff"
PNG_START = b"\x89PNG\r\n\x1a\n"
_START = re.compile(re.escape(JPEG_START) + b"|" + re.escape(PNG_START))
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in coded data: not a stuffed byte, fill or restart marker
_END_OF_IMAGE = 0xD9
_START_OF_SCAN = 0xDA
_READ_BYTES = 1 << 16  # 64 KiB
MAX_PICTURE_BYTES = 1 << 28  # 256 MiB: more is no picture but a stream that lost its way


class _EndOfStreamError(Exception):
    """The bytes end inside a picture."""


class _Reader:
    """The stream with a view of its next bytes."""

    def __init__(self, file: ByteStream) -> None:
        self._file = file
        self.data = bytearray()

    def grow(self) -> bool:
        """Read more; False at the end of the stream."""
        read = getattr(self._file, "read1", self._file.read)  # what is there: a slow stream is not waited for
        more = read(_READ_BYTES)
        self.data += more or b""
        return bool(more)

    def need(self, count: int) -> None:
        """Make sure that `count` bytes are there."""
        while len(self.data) < count:
            if count > MAX_PICTURE_BYTES or not self.grow():
                raise _EndOfStreamError

    def take(self, count: int) -> bytes:
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken


def split_images(file: ByteStream) -> Iterator[tuple[bytes, bool]]:
    """The pictures in `file`, each as the bytes of a JPEG or PNG file and whether they are whole.

    Bytes that belong to neither are yielded as not whole, up to the next picture.
    """
    reader = _Reader(file)
    while reader.data or reader.grow():
        while len(reader.data) < len(PNG_START) and reader.grow():
            pass
        start = _START.match(reader.data)
        if start is None:
            yield _foreign_bytes(reader), False
            continue
        try:
            end = _jpeg_end(reader) if start.group() == JPEG_START else _png_end(reader)
        except _EndOfStreamError:
            yield reader.take(len(reader.data)), False
        else:
            yield reader.take(end), True


def _foreign_bytes(reader: _Reader) -> bytes:
    """Take what stands before the next picture; of much of it, only the end is kept."""
    while (start := _START.search(reader.data)) is None:
        del reader.data[: -max(_READ_BYTES, len(PNG_START))]
        if not reader.grow():
            return reader.take(len(reader.data))
    return reader.take(start.start())


def _png_end(reader: _Reader) -> int:
    position = len(PNG_START)
    while True:
        reader.need(position + 8)
        length = int.from_bytes(reader.data[position : position + 4], "big")
        kind = bytes(reader.data[position + 4 : position + 8])
        position += length + 12  # length, type, data, checksum
        reader.need(position)
        if kind == b"IEND":
            return position


def _jpeg_end(reader: _Reader) -> int:
    """Segment by segment: a thumbnail in an EXIF segment has an end-of-image marker of its own."""
    position = 2
    while True:
        reader.need(position + 2)
        marker = reader.data[position + 1]
        if reader.data[position] != 0xFF:
            raise _EndOfStreamError  # damaged: the rest cannot be told apart
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == _END_OF_IMAGE:
            return position + 2
        reader.need(position + 4)
        position += 2 + int.from_bytes(reader.data[position + 2 : position + 4], "big")
        if marker == _START_OF_SCAN:
            position = _coded_data_end(reader, position)


def _coded_data_end(reader: _Reader, position: int) -> int:
    """The next marker at or after `position` that is not part of the coded data."""
    while (found := _MARKER.search(reader.data, position)) is None:
        position = max(position, len(reader.data) - 1)  # a marker may be cut in two
        if len(reader.data) > MAX_PICTURE_BYTES or not reader.grow():
            raise _EndOfStreamError
    return found.start()
