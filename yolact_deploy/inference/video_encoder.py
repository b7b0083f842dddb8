"""Which encoder a video gets, and its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..errors import OutputError

# FFmpeg's names, the best first. H.264 plays in every browser, VP9 in nearly all.
_H264 = ("libx264", "libopenh264")
ENCODERS = {  # by suffix
    ".mp4": (*_H264, "libvpx-vp9", "mpeg4"), ".m4v": (*_H264, "mpeg4"), ".mov": (*_H264, "mpeg4"),
    ".mkv": (*_H264, "libvpx-vp9", "mpeg4"), ".webm": ("libvpx-vp9", "libvpx"), ".avi": ("mjpeg",),
}  # fmt: skip
_FOUR_LETTERS = {"mjpg": "mjpeg", "mp4v": "mpeg4", "avc1": "h264", "vp80": "vp8", "vp90": "vp9"}
_OPTIONS = {
    "libx264": {"preset": "ultrafast", "crf": "20"},  # the model needs the cores
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "30", "b": "0"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "4M"},
    "mpeg4": {"qscale": "3", "flags": "+qscale"},
    "mjpeg": {"qscale": "3", "flags": "+qscale"},
}
_TAKES_ODD_SIZES = ("mjpeg",)
_TITLES = {"libvpx-vp9": "VP9", "libvpx": "VP8", "mpeg4": "MPEG-4", "mjpeg": "Motion JPEG"}
_BT601 = 6  # AVCOL_SPC_SMPTE170M, which OpenCV converts to
_VIDEO_RANGE = 1  # AVCOL_RANGE_MPEG
YUV420 = "yuv420p"


@dataclass(frozen=True)
class Encoder:
    """One that this machine has."""

    name: str  # FFmpeg's
    pixel_format: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What people call its format."""
        return _TITLES.get(self.name, self.name)

    @property
    def needs_even_size(self) -> bool:
        """Whether width and height have to be even numbers of pixels."""
        return self.name not in _TAKES_ODD_SIZES


def find_encoders(suffix: str, codec: str | None) -> tuple[Encoder, ...]:
    """Those for a video file, to be tried in this order. codec: only this one, by FFmpeg's name of it or of its format.

    Raises OutputError when there is none.
    """
    if codec is None:
        found = [encoder for name in ENCODERS[suffix] if (encoder := _encoder(name))]
        missing = " or ".join(ENCODERS[suffix])
    else:
        only = _encoder(_FOUR_LETTERS.get(codec.lower(), codec))
        found = [only] if only else []
        missing = repr(codec)
    if not found:
        raise OutputError(
            f"no encoder {missing} here: use --codec with an FFmpeg name, such as h264, mpeg4, mjpeg or vp9"
        )
    return tuple(found)


def _encoder(name: str) -> Encoder | None:
    import av

    try:
        codec = av.Codec(name, "w")
    except (av.FFmpegError, ValueError):
        return None
    if codec.type != "video":
        return None
    formats = [video_format.name for video_format in codec.video_formats or ()]
    wanted = "yuvj420p" if codec.name == "mjpeg" else YUV420
    pixel_format = wanted if wanted in formats or not formats else formats[0]
    return Encoder(codec.name, pixel_format, _OPTIONS.get(codec.name, {}))


def add_video(container: Any, encoder: Encoder, size: tuple[int, int], rate: Fraction, unit: Fraction) -> Any:
    """A new av.VideoStream of an av.OutputContainer. size: width and height, px. unit: of its time stamps, s."""
    stream = container.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt = encoder.pixel_format
    context.time_base = unit
    if encoder.pixel_format == YUV420:
        context.colorspace, context.color_range = _BT601, _VIDEO_RANGE
    return stream
