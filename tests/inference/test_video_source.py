"""Videos as they are in the world: every frame, its time, and a word about what is wrong."""

from __future__ import annotations

import functools
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.inference.videos import make_video, moving
from yolact_deploy.errors import ImageError
from yolact_deploy.inference import video_opening
from yolact_deploy.inference.frames import Failure, Frame
from yolact_deploy.inference.picture_sources import PictureBytes
from yolact_deploy.inference.video_opening import open_video
from yolact_deploy.inference.video_source import VideoSource

IMAGES = [moving(index) for index in range(40)]


def read(source: str | Path, **options: Any) -> tuple[list[Frame], list[str], list[str]]:
    """Frames, failures and notes of a source."""
    notes: list[str] = []
    opened = open_video(str(source), notes.append, **options)
    items = list(opened.frames())
    opened.close()
    frames = [item for item in items if isinstance(item, Frame)]
    return frames, [item.message for item in items if isinstance(item, Failure)], notes


def distance(frames: list[Frame]) -> float:
    """How far the frames are from IMAGES, mean of pixels."""
    pairs = zip(frames, IMAGES, strict=True)
    return float(np.mean([np.abs(frame.image.astype(int) - image).mean() for frame, image in pairs]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mp4", {"is_interlaced": True}),
        ("a.ts", {"is_interlaced": True}),
        ("a.mpg", {"codec": "mpeg2video", "is_interlaced": True, "options": {"b": "4M"}}),
        ("a.mkv", {"sound": "aac"}),
        ("a.avi", {"codec": "mpeg4", "options": {"b": "4M"}}),
        ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p", "options": {"b": "4M"}}),
        ("a.webm", {"codec": "libvpx-vp9", "options": {"b": "4M"}}),
        ("a.mov", {"pixel_format": "yuv420p10le"}),
        ("a.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("a.mkv", {"container_options": {"live": "1"}}),  # as recorders write it: no length
    ],
)
def test_every_frame_of_every_kind(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = make_video(tmp_path / name, IMAGES, **options)
    frames, failures, notes = read(path)
    assert failures == []
    assert distance(frames) < 8
    assert [frame.image_id for frame in frames] == list(range(1, 41))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(40) / 25, atol=0.002)
    assert bool(options.get("is_interlaced")) == any("interlaced" in note for note in notes)
    assert ("10le" in str(options)) == any("10 bits" in note for note in notes)


def test_frames_keep_their_own_times(tmp_path: Path) -> None:
    times_ms = [0, 40, 80, 120, 5000, 5040, 5100, 9000]
    frames, failures, _ = read(make_video(tmp_path / "a.mp4", IMAGES[:8], times_ms=times_ms))
    assert [round((frame.time_s or 0) * 1000) for frame in frames] == times_ms
    assert failures == []


def test_an_edit_list_hides_frames(tmp_path: Path) -> None:
    """As a cut without re-encoding leaves it: packets from the key frame on, of which the first are not to be seen."""
    import av

    whole = make_video(tmp_path / "whole.mp4", IMAGES, options={"bf": "0"})
    cut = tmp_path / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        track = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None and packet.pts * packet.time_base >= Fraction(12, 25):
                shift = int(Fraction(17, 25) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = track
                target.mux(packet)
    assert cv2.VideoCapture(str(cut)).get(cv2.CAP_PROP_FRAME_COUNT) == 28
    frames, failures, _ = read(cut)
    assert len(frames) == 23
    assert failures == []


def test_pixels_that_are_not_square_are_said(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", IMAGES[:3], aspect=Fraction(2, 1))
    notes: list[str] = []
    source = open_video(str(path), notes.append)
    assert len(list(source.frames())) == 3
    assert isinstance(source, VideoSource)
    assert source.form.pixel_aspect == 2
    assert "2:1" in notes[0]


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_phone_held_upright(tmp_path: Path, degrees: int) -> None:
    path = make_video(tmp_path / "a.mp4", IMAGES[:2], degrees=degrees)
    frames, _, _ = read(path)
    expected = cv2.VideoCapture(str(path)).read()[1]  # which turns frames, too
    assert frames[0].image.shape == expected.shape
    np.testing.assert_allclose(frames[0].image.mean(axis=2), expected.mean(axis=2), atol=12)


@pytest.mark.parametrize(("has_rate", "rate"), [(True, 50), (False, 25)])
def test_a_raw_stream(tmp_path: Path, has_rate: bool, rate: int) -> None:
    params = "" if has_rate else "force-cfr=0:vui=0"
    path = tmp_path / "a.h264"
    make_video(path, IMAGES, rate=50, options={"x264-params": params} if params else None)
    if not has_rate:
        path = make_video(tmp_path / "a.mjpeg", IMAGES, "mjpeg", pixel_format="yuvj420p")
    frames, failures, notes = read(path)
    assert (len(frames), failures) == (40, [])
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(40) / rate)
    assert any("frame rate" in note for note in notes) != has_rate


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.mpg", "mpeg2video")],
)
def test_a_damaged_part_is_said(tmp_path: Path, name: str, codec: str) -> None:
    path = make_video(tmp_path / name, [moving(index, 96, 128) for index in range(60)], codec)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 8] = np.random.default_rng(1).bytes(len(data) // 8)
    path.write_bytes(data)
    frames, failures, _ = read(path)
    assert len(frames) > 20
    assert "is damaged" in failures[0] or "breaks off" in failures[0]  # Matroska finds no way past the noise


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", {"movflags": "faststart"}), ("a.mkv", {}), ("a.avi", {})],
)
def test_a_video_that_breaks_off(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    images = [moving(index, 96, 128) for index in range(40)]
    path = make_video(tmp_path / name, images, container_options=options, options={"bf": "0"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, failures, _ = read(path)
    assert 10 < len(frames) < 35
    assert any(f"breaks off: stopped after frame {len(frames)}" in text for text in failures)


def test_sound_that_lasts_longer_than_the_pictures_is_no_damage(tmp_path: Path) -> None:
    import av

    path = make_video(tmp_path / "long.mkv", IMAGES, sound="aac", options={"bf": "0"})
    short = tmp_path / "short.mkv"
    with av.open(str(path)) as source, av.open(str(short), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and (packet.stream.type == "audio" or packet.pts * packet.time_base < 0.8):
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
    frames, failures, _ = read(short)
    assert 19 <= len(frames) <= 21
    assert failures == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An address that gives the files in `tmp_path`, whatever stands behind a question mark."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("query", ["", "?token=s3cret", "?file=a.jpg"])
def test_a_finite_address_gives_every_frame(tmp_path: Path, server: str, query: str) -> None:
    make_video(tmp_path / "a.ts", IMAGES)
    frames, failures, _ = read(f"{server}/a.ts{query}")
    assert (len(frames), failures) == (40, [])
    assert frames[0].name == "a_000001.jpg"
    live, failures, _ = read(f"{server}/a.ts{query}", is_live=True)
    assert len(live) == 40
    assert "gave no more pictures after 40" in failures[0]
    assert "s3cret" not in failures[0]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".avif"])
def test_the_address_of_a_picture_is_one_picture(tmp_path: Path, server: str, suffix: str) -> None:
    data = cv2.imencode(suffix, IMAGES[0])[1].tobytes()
    for name in (f"snapshot{suffix}", "snapshot.cgi"):
        (tmp_path / name).write_bytes(data)
        opened = open_video(f"{server}/{name}?user=a&password=s3cret", print)
        assert isinstance(opened, PictureBytes)
        (frame,) = opened.frames()
        assert isinstance(frame, Frame)
        assert (frame.name, frame.time_s) == (name, None)
        np.testing.assert_array_equal(frame.image, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def test_what_cannot_be_opened(tmp_path: Path, server: str) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    make_video(tmp_path / "big.mp4", [np.zeros((480, 640, 3), np.uint8)] * 2)
    for source, words in (
        (tmp_path / "empty.mp4", "the file is empty"),
        (tmp_path / "text.mp4", "known format"),
        (f"{server.replace('://', '://me:s3cret@')}/none.mp4?key=s3cret", "404"),
        ("http://127.0.0.1:9/a", "refused"),
    ):
        with pytest.raises(ImageError, match=words) as caught:
            open_video(str(source), print)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(ImageError, match="640x480 px, more than the limit"):
        open_video(str(tmp_path / "big.mp4"), print, max_pixels=300_000)


def test_an_address_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_opening, "TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(ImageError, match="no answer within 1 s"):
            open_video(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x", print)
        assert time.monotonic() - start < 20
