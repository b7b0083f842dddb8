"""Small videos of every kind, made by PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from yolact_deploy.types import Image

MS = Fraction(1, 1000)


def moving(index: int, height: int = 48, width: int = 64) -> Image:
    """A picture with detail that moves from one to the next."""
    noise = np.random.default_rng(0).integers(0, 256, (height + 64, width + 128, 3), np.uint8)
    smooth = np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX), np.uint8)
    return np.ascontiguousarray(smooth[index % 64 : index % 64 + height, index % 128 : index % 128 + width])


def make_video(
    path: Path,
    images: Sequence[Image],
    codec: str = "libx264",
    rate: int = 25,
    times_ms: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    is_interlaced: bool = False,
    degrees: int = 0,
    sound: str | None = None,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    container_format: str | None = None,
) -> Path:
    """times_ms: when each frame is seen; evenly by `rate` if left out. sound: a codec for one tone, as long."""
    height, width = images[0].shape[:2]
    flags = {"flags": "+ildct+ilme", "x264-params": "tff=1"} if is_interlaced else {}
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        video: Any = container.add_stream(codec, rate=rate, options={"g": "12", **flags, **(options or {})})
        video.width, video.height, video.pix_fmt = width, height, pixel_format
        video.codec_context.time_base = MS if times_ms else Fraction(1, rate)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if degrees:
            video.set_display_rotation(degrees)
        track: Any = container.add_stream(sound, rate=48_000) if sound else None
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=pixel_format)
            frame.pts, frame.time_base = (times_ms[index], MS) if times_ms else (index, Fraction(1, rate))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if track is not None:
            _tone(container, track, len(images) / rate)
    return path


def _tone(container: Any, track: Any, seconds: float) -> None:
    count = int(seconds * 48_000)
    wave = (np.sin(np.arange(count) * 0.06) * 8000).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    resampled = av.AudioResampler(
        format=track.format, layout=track.layout, rate=48_000, frame_size=track.frame_size or None
    )
    for part in resampled.resample(frame):
        container.mux(track.encode(part))
    container.mux(track.encode(None))


def tracks(path: Path) -> dict[str, list[str]]:
    """Codecs of a file by kind of track."""
    found: dict[str, list[str]] = {}
    with av.open(str(path)) as container:
        for stream in container.streams:
            found.setdefault(stream.type, []).append(stream.codec_context.name)
    return found


def times_of(path: Path) -> list[float]:
    """When each frame is seen, s, by a reader that is not ours."""
    with av.open(str(path)) as container:
        return [round(float(frame.pts * frame.time_base), 4) for frame in container.decode(video=0)]
