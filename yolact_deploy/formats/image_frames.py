"""Whether the file of a picture holds more than one: an animation, or several pages. Headers alone are read.

GIF: GIF89a specification, sections 18 to 27; PNG: APNG's chunk acTL; WebP: its container specification, the flag of
VP8X; TIFF 6.0, section 2, and BigTIFF; AVIF and HEIF: ISO 14496-12, the brands of image sequences.
"""

from __future__ import annotations

from typing import Literal

_PNG = b"\x89PNG\r\n\x1a\n"
_SEQUENCE_BRANDS = (b"avis", b"msf1", b"hevc", b"hevx")
_MAX_BLOCKS = 100_000  # of a GIF: more is damage


def has_more_pictures(data: bytes) -> bool:
    """Whether there are several frames or pages in the bytes of a picture's file; False where that cannot be told."""
    try:
        if data.startswith((b"GIF87a", b"GIF89a")):
            return _gif(data)
        if data.startswith(_PNG):
            return _png(data)
        if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X":
            return bool(data[20] & 0x02)
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _tiff(data)
        if data[4:8] == b"ftyp":
            return data[8:12] in _SEQUENCE_BRANDS
    except IndexError:
        pass
    return False


def _gif(data: bytes) -> bool:
    position = 13 + _gif_colours(data[10])
    pictures = 0
    for _ in range(_MAX_BLOCKS):
        kind = data[position]
        if kind == 0x2C:  # a picture
            pictures += 1
            if pictures > 1:
                return True
            position += 11 + _gif_colours(data[position + 9])
        elif kind == 0x21:  # an extension
            position += 2
        else:
            return False
        while data[position]:  # blocks, each with its length before it
            position += data[position] + 1
        position += 1
    return False


def _gif_colours(flags: int) -> int:
    """Bytes of the table of colours that the flags announce."""
    return 3 << ((flags & 0x07) + 1) if flags & 0x80 else 0


def _png(data: bytes) -> bool:
    position = len(_PNG)
    while (kind := data[position + 4 : position + 8]) not in (b"IDAT", b"IEND", b""):
        if kind == b"acTL":
            return int.from_bytes(data[position + 8 : position + 12], "big") > 1
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False


def _tiff(data: bytes) -> bool:
    """A page is followed by the place of the next one, 0 after the last."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    is_big = data[2:4] in (b"+\0", b"\0+")
    width, count_width, entry = (8, 8, 20) if is_big else (4, 2, 12)

    def number(start: int, size: int) -> int:
        if start + size > len(data):
            raise IndexError
        return int.from_bytes(data[start : start + size], order)

    first = number(8 if is_big else 4, width)
    return number(first + count_width + entry * number(first, count_width), width) != 0
