"""Opening a video, or what is behind an address."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

from ..dependencies import require
from ..errors import ImageError
from ..images import MAX_PIXELS, pixel_size
from .addresses import is_url, shown_url, url_file_name, without_secrets
from .frames import Note
from .picture_sources import PictureBytes
from .video_source import VideoSource

TIMEOUT_S = 10  # of an address: to answer, and between two answers
_AVIF_BRAND = "avif"  # of a single picture; sequences have another
_PICTURE_FORMATS = ("image2", "_pipe")  # how FFmpeg's names for single pictures end


def open_video(
    source: str, note: Note, is_live: bool = False, max_pixels: int = MAX_PIXELS
) -> VideoSource | PictureBytes:
    """What a video file or an address holds: a video, or, behind an address, also one picture.

    is_live: the source has no end, although its address does not say so. Raises ImageError when it cannot be opened,
    MissingDependencyError without PyAV.
    """
    require("av", "reading a video")
    container = _open(source, source, max_pixels)
    is_avif = container.metadata.get("major_brand") == _AVIF_BRAND
    if is_url(source) and (is_avif or container.format.name.endswith(_PICTURE_FORMATS)):
        if is_avif:  # for FFmpeg a video of one frame: its file is fetched as bytes of no known kind
            container.close()
            container = _open(source, source, max_pixels, "data")
        data = _all_bytes(container, source)
        if pixel_size(io.BytesIO(data)) != (-1, -1):
            return PictureBytes(data, url_file_name(source) or "picture.jpg", note, max_pixels)
        container = _open(io.BytesIO(data), source, max_pixels)  # only its address ends like a picture's
    try:
        return VideoSource(container, source, note, is_live, max_pixels)
    except BaseException:
        container.close()
        raise


def _open(what: str | io.BytesIO, source: str, max_pixels: int, kind: str | None = None) -> Any:
    """An av.InputContainer. Behind an address, neither opening nor reading waits for ever. kind: FFmpeg's name of the
    format, None where it is to be found out."""
    import av

    av.logging.set_level(av.logging.PANIC)  # errors are counted, not printed
    options = {"max_pixels": str(max_pixels), **({"rtsp_transport": "tcp"} if source.startswith("rtsp") else {})}
    limit = TIMEOUT_S if is_url(source) else None
    place = f"file:{what}" if isinstance(what, str) and not is_url(what) else what
    start = time.monotonic()
    try:
        return av.open(place, format=kind, options=options, timeout=limit, **_lenient_metadata(av.__version__))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ImageError(_cannot_open(source, error, time.monotonic() - start)) from None


def _lenient_metadata(version: str) -> dict[str, Any]:
    """The option that keeps titles in other encodings than UTF-8 from being errors; PyAV 19 does so by itself."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def _cannot_open(source: str, error: Exception, waited_s: float = 0.0) -> str:
    reason = without_secrets(getattr(error, "strerror", None) or str(error))
    if is_url(source):
        if waited_s >= TIMEOUT_S:  # what FFmpeg says then depends on where it was
            reason = f"no answer within {TIMEOUT_S} s"
        return f"cannot open {shown_url(source)}: {reason}"
    path = Path(source)
    if path.is_file() and path.stat().st_size == 0:
        return f"cannot read {source}: the file is empty"
    if "Invalid data" in reason:
        reason = "not an image or a video in a known format, or damaged at its beginning"
    return f"cannot read {source}: {reason}"


def _all_bytes(container: Any, source: str) -> bytes:
    """The file of a picture, as FFmpeg's transport fetches it; closes the container."""
    import av

    try:
        with container:
            return b"".join(bytes(packet) for packet in container.demux())
    except (av.FFmpegError, OSError) as error:
        raise ImageError(_cannot_open(source, error)) from None
