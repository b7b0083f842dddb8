"""YUV4MPEG2: uncompressed video with a line of text before it and one before each frame, as `y4menc` and
`ffmpeg -f yuv4mpegpipe` write it. The format: yuv4mpeg(5) of mjpegtools, with FFmpeg's names of deeper formats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from ..errors import ImageError

MAGIC = b"YUV4MPEG2"
FRAME = b"FRAME"
MAX_LINE = 4096  # bytes of a line of text
_MAX_SIDE = 1 << 16  # px
_DEFAULT_CHROMA = "420jpeg"
_RATIO = re.compile(r"([0-9]{1,10}):([0-9]{1,10})")

# FFmpeg's pixel format of each name; the three of 420 differ only in where a colour lies between its pixels.
PIXEL_FORMATS = {
    **dict.fromkeys(("420", "420jpeg", "420mpeg2", "420paldv"), "yuv420p"),
    "411": "yuv411p",
    "422": "yuv422p",
    "444": "yuv444p",
    "444alpha": "yuva444p",
    "mono": "gray",
    **{f"mono{bits}": f"gray{bits}le" for bits in (9, 10, 12, 14, 16)},
    **{f"{chroma}p{bits}": f"yuv{chroma}p{bits}le" for chroma in ("420", "422", "444") for bits in (9, 10, 12, 14, 16)},
}


@dataclass(frozen=True)
class Y4mHeader:
    """What the first line says."""

    width: int  # px
    height: int
    rate: Fraction | None  # frames per second; None: not told
    pixel_aspect: Fraction | None  # width by height of a pixel; None: not told
    is_interlaced: bool
    pixel_format: str  # FFmpeg's name
    is_full_range: bool | None  # None: not told

    @classmethod
    def parse(cls, line: bytes, shown: str) -> Y4mHeader:
        """line: without its end. shown: names the stream in errors. Raises ImageError."""
        words = line.decode("ascii", "replace").split(" ")
        fields: dict[str, str] = {}
        extensions: dict[str, str] = {}
        for word in words[1:]:
            if word.startswith("X"):
                name, _, value = word[1:].partition("=")
                extensions.setdefault(name.upper(), value)
            elif word:
                fields[word[0]] = word[1:]
        width, height = (_side(fields.get(letter, ""), letter, shown) for letter in "WH")
        return cls(
            width,
            height,
            _ratio(fields.get("F"), "F", shown),
            _ratio(fields.get("A"), "A", shown),
            _is_interlaced(fields.get("I", "?"), shown),
            _pixel_format(fields.get("C") or extensions.get("YSCSS") or _DEFAULT_CHROMA, shown),
            _is_full_range(extensions.get("COLORRANGE"), shown),
        )


def _side(text: str, letter: str, shown: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:8]) < _MAX_SIDE:
        raise ImageError(f"{shown}: its YUV4MPEG2 header has no good size ({letter}{text[:20]})")
    return int(text)


def _ratio(text: str | None, letter: str, shown: str) -> Fraction | None:
    match = _RATIO.fullmatch(text or "0:0")
    if match is None:
        raise ImageError(
            f"{shown}: its YUV4MPEG2 header says {letter}{(text or '')[:20]}: expected {letter}NUMBER:NUMBER"
        )
    upper, lower = int(match[1]), int(match[2])
    return Fraction(upper, lower) if upper and lower else None


def _is_interlaced(text: str, shown: str) -> bool:
    if text not in ("?", "p", "t", "b", "m"):
        raise ImageError(f"{shown}: its YUV4MPEG2 header says I{text[:20]}: known are I?, Ip, It, Ib and Im")
    return text in ("t", "b", "m")


def _pixel_format(text: str, shown: str) -> str:
    name = text.lower().replace("_", "")
    if name not in PIXEL_FORMATS:
        raise ImageError(f"{shown}: YUV4MPEG2 format C{text[:20]} is not known: use one of {', '.join(PIXEL_FORMATS)}")
    return PIXEL_FORMATS[name]


def _is_full_range(text: str | None, shown: str) -> bool | None:
    if text is not None and text not in ("FULL", "LIMITED"):
        raise ImageError(f"{shown}: XCOLORRANGE={text[:20]} is not known: FULL or LIMITED")
    return None if text is None else text == "FULL"
