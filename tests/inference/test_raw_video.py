"""Uncompressed video: every format of YUV4MPEG2 against a conversion written out, and raw BGR."""

from __future__ import annotations

import io
import os
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from yolact_deploy.errors import ConfigError, ImageError
from yolact_deploy.inference.every import EveryNth
from yolact_deploy.inference.frames import Failure, Frame
from yolact_deploy.inference.options import InferOptions
from yolact_deploy.inference.picture_sources import PictureStream
from yolact_deploy.inference.raw_video import RawVideo, Rewound, peek
from yolact_deploy.inference.sources import open_source
from yolact_deploy.types import Image, ImageSize

MAX = 10_000_000  # px
CHROMA = {"420": (2, 2), "422": (1, 2), "411": (1, 4), "444": (1, 1)}  # rows and columns of pixels per colour


def planes(height: int, width: int, chroma: str, bits: int, seed: int = 0) -> list[np.ndarray]:
    """Y, U and V of a picture whose colours hardly change from pixel to pixel, so that their place does not matter."""
    rng = np.random.default_rng(seed)
    start, step = np.array((60, 90, 140)) + rng.uniform(0, 20, 3), rng.uniform(0.2, 0.4, 3)
    rows, columns = np.mgrid[:height, :width]
    down, right = CHROMA[chroma]
    whole = [start[c] + step[c] * (rows + columns) for c in range(3)]
    parts = [whole[0], *(plane[::down, ::right] for plane in whole[1:])]
    return [np.round(part * (1 << (bits - 8))).astype("<u2" if bits > 8 else np.uint8) for part in parts]


def naive_bgr(parts: list[np.ndarray], chroma: str, bits: int, is_full: bool) -> np.ndarray:
    """ITU-R BT.601 pixel by pixel, colours repeated."""
    down, right = CHROMA[chroma]
    y, u, v = (part.astype(float) / (1 << (bits - 8)) for part in parts)
    height, width = y.shape
    image = np.zeros((height, width, 3))
    for row in range(height):
        for column in range(width):
            cb, cr = u[row // down, column // right] - 128, v[row // down, column // right] - 128
            luma, scale = (y[row, column], 1.0) if is_full else ((y[row, column] - 16) * 255 / 219, 255 / 224)
            image[row, column] = (
                luma + 1.772 * scale * cb,
                luma - 0.344136 * scale * cb - 0.714136 * scale * cr,
                luma + 1.402 * scale * cr,
            )
    return np.clip(image, 0, 255)


def y4m(header: str, frames: list[bytes], frame_line: bytes = b"FRAME") -> bytes:
    return f"YUV4MPEG2 {header}\n".encode() + b"".join(frame_line + b"\n" + frame for frame in frames)


def read(data: bytes, **options: object) -> tuple[list[Frame], list[str], list[str]]:
    """Frames, failures and notes."""
    notes: list[str] = []
    is_y4m, file = peek(io.BytesIO(data))
    assert is_y4m or "size" in options
    items = list(RawVideo(file, "stdin", notes.append, MAX, **options).frames())  # type: ignore[arg-type]
    frames = [item for item in items if isinstance(item, Frame)]
    return frames, [item.message for item in items if isinstance(item, Failure)], notes


@pytest.mark.parametrize(
    ("name", "chroma", "bits"),
    [
        (None, "420", 8),
        ("420", "420", 8),
        ("420jpeg", "420", 8),
        ("420mpeg2", "420", 8),
        ("420paldv", "420", 8),
        ("411", "411", 8),
        ("422", "422", 8),
        ("444", "444", 8),
        ("420p10", "420", 10),
        ("422p12", "422", 12),
        ("444p16", "444", 16),
    ],
)
@pytest.mark.parametrize("size", [(16, 32), (17, 33), (1, 1), (31, 2)])
@pytest.mark.parametrize("range_", [None, "LIMITED", "FULL"])
def test_every_format(name: str | None, chroma: str, bits: int, size: tuple[int, int], range_: str | None) -> None:
    height, width = size
    header = f"W{width} H{height} F30000:1001 Ip A0:0" + (f" C{name}" if name else "")
    header += f" XYSCSS={chroma} XCOLORRANGE={range_}" if range_ else ""
    pictures = [planes(height, width, chroma, bits, seed) for seed in range(3)]
    frames, failures, notes = read(y4m(header, [b"".join(part.tobytes() for part in parts) for parts in pictures]))
    assert (len(frames), failures) == (3, [])
    for frame, parts in zip(frames, pictures, strict=True):
        expected = naive_bgr(parts, chroma, bits, range_ == "FULL")
        assert frame.image.shape == (height, width, 3)
        np.testing.assert_allclose(frame.image, expected, atol=7 if chroma == "411" else 5)
        assert np.abs(frame.image - expected).mean() < 3
    np.testing.assert_allclose([frame.time_s for frame in frames], [0, 1001 / 30000, 2002 / 30000])
    assert [frame.name for frame in frames] == [f"stdin_00000{number}.jpg" for number in (1, 2, 3)]
    assert any(f"{bits} bits" in note for note in notes) == (bits > 8)


@pytest.mark.parametrize(("range_", "black", "white"), [(None, 0, 255), ("FULL", 0, 255), ("LIMITED", 16, 235)])
@pytest.mark.parametrize("bits", [8, 10])
def test_grey(range_: str | None, black: int, white: int, bits: int) -> None:
    values = np.linspace(black, white, 9 * 7).reshape(7, 9)
    stored = np.round(values * (1 << (bits - 8))).astype("<u2" if bits > 8 else np.uint8)
    header = f"W9 H7 F25:1 Cmono{'' if bits == 8 else bits}" + (f" XCOLORRANGE={range_}" if range_ else "")
    (frame,), failures, _ = read(y4m(header, [stored.tobytes()]))
    expected = np.round((values - black) * 255 / (white - black))
    assert failures == []
    np.testing.assert_allclose(frame.image, np.repeat(expected[:, :, None], 3, axis=2), atol=2)


def test_alpha_is_dropped() -> None:
    parts = planes(6, 10, "444", 8)
    data = b"".join(part.tobytes() for part in parts) + bytes(60)
    (frame,), _, _ = read(y4m("W10 H6 F25:1 C444alpha", [data]))
    np.testing.assert_allclose(frame.image, naive_bgr(parts, "444", 8, False), atol=4)


@pytest.mark.parametrize("flag", ["t", "b", "m"])
def test_interlaced_frames_are_taken_whole(flag: str) -> None:
    """Each line has a colour of its own: none of them is mixed with the next one of its field."""
    parts = planes(16, 16, "444", 8)
    parts[0][::2] = 200
    data = b"".join(part.tobytes() for part in parts)
    frames, _, notes = read(y4m(f"W16 H16 F25:1 I{flag} A1:1 C444", [data] * 2, b"FRAME Ibpp XSOMETHING=1"))
    np.testing.assert_allclose(frames[1].image, naive_bgr(parts, "444", 8, False), atol=4)
    assert sum("interlaced" in note for note in notes) == 1


def test_what_the_header_tells_is_kept_or_said() -> None:
    frame = bytes(range(24))
    _, _, notes = read(y4m("W4 H4 F0:0 A12:11 C420", [frame]))
    assert any("frame rate" in note and "25" in note for note in notes)
    assert any("not square (12:11)" in note for note in notes)
    notes = []
    video = RawVideo(io.BytesIO(y4m("W4 H4 F50:1 Ip A12:11", [frame])), "a.y4m", notes.append, MAX, rate=Fraction(10))
    assert (video.form.rate, video.form.pixel_aspect) == (10, Fraction(12, 11))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("W4 H4 F25:1 C420p11", "C420p11 is not known: use one of 420, 420jpeg"),
        ("W4 H4 F25:1 C440", "C440"),
        ("W4 H4 F25:1 XYSCSS=YV12", "CYV12"),
        ("W4 F25:1", "no good size"),
        ("W-4 H4 F25:1", "no good size"),
        ("W99999999999 H4", "no good size"),
        ("W4 H0", "no good size"),
        ("W4 H4 F25", "F25: expected"),
        ("W4 H4 F25:1 Ix", "Ix"),
        ("W4 H4 F25:1 XCOLORRANGE=SOME", "XCOLORRANGE=SOME"),
        ("W9999 H9999 F25:1", "more than the limit"),
    ],
)
def test_odd_headers_are_refused_by_name(header: str, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read(y4m(header, []))


def test_a_stream_that_is_damaged_or_broken_off() -> None:
    frame = bytes(24)
    whole = y4m("W4 H4 F25:1 C420jpeg", [frame] * 3)
    for data, count, words in (
        (whole[:-1], 2, "breaks off in frame 3, after 23 of its 24 bytes"),
        (whole[:-24], 2, "breaks off in frame 3, after 0 of"),
        (whole[:-27], 2, "no frame begins after frame 2"),
        (whole + b"FRAMES\n" + frame, 3, "no frame begins after frame 3"),
        (whole + b"\xff" * 5000, 3, "no frame begins after frame 3"),
        (whole + b"\n", 3, "no frame begins after frame 3"),
        (y4m("W4 H4 F25:1", []), 0, "gives no frame"),
        (y4m("W4 H4 F25:1", [frame + b"pads"] * 3), 0, "y4menc pads rows"),
    ):
        frames, failures, _ = read(data)
        assert len(frames) == count
        assert len(failures) == 1
        assert words in failures[0]
    for data in (b"YUV4MPEG2", b"YUV4MPEG2 W4 H4 F25:1", b"YUV4MPEG2\n", b"YUV4MPEG2 " + b"W" * 9999):
        with pytest.raises(ImageError, match="no good size"):
            read(data)


@pytest.mark.parametrize("step", [1, 5, 1 << 16])
def test_raw_frames(step: int) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(step, size if size is not None and size >= 0 else step))

    pictures = [np.random.default_rng(seed).integers(0, 256, (3, 5, 3)).astype(np.uint8) for seed in range(4)]
    data = b"".join(picture.tobytes() for picture in pictures)
    video = RawVideo(Slow(data), "stdin", print, MAX, ImageSize(5, 3), Fraction(10))
    items = list(video.frames())
    for frame, picture in zip(items, pictures, strict=True):
        assert isinstance(frame, Frame)
        np.testing.assert_array_equal(frame.image, picture)
        frame.image[:] = 0  # each has memory of its own, which may be written
    frames, failures, notes = read(data[:-1], size=ImageSize(5, 3))
    assert len(frames) == 3
    assert "breaks off in frame 4, after 44 of its 45 bytes (are its frames really 5x3 px" in failures[0]
    assert any("frame rate" in note for note in notes)
    assert "gives no frame" in read(b"", size=ImageSize(5, 3))[1][0]


def test_pictures_and_video_are_told_apart_by_their_first_bytes() -> None:
    for data in (b"", b"Y", b"YUV4MPEG", b"\xff\xd8\xff\xe0 and so on", b"YUV4MPEG1 "):
        is_y4m, file = peek(io.BytesIO(data))
        assert not is_y4m
        assert file.read() + file.read() == data
    (failure,) = PictureStream(peek(io.BytesIO(b"YUV"))[1], print).frames()
    assert isinstance(failure, Failure)


def test_a_file_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = y4m("W4 H4 F25:1 C420jpeg", [bytes(24)] * 3)
    path = tmp_path / "film.y4m"
    path.write_bytes(data)
    opened = open_source(InferOptions(str(path), json=Path("-")))
    assert (opened.video_name, opened.source.total, opened.files) == ("film.y4m", 3, (path,))
    assert [item.name for item in opened.source.frames() if isinstance(item, Frame)][-1] == "film_000003.jpg"
    opened.source.close()
    reading, writing = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(writing, data), os.close(writing)))
    thread.start()
    with os.fdopen(reading, "rb", buffering=0) as file:
        monkeypatch.setattr("sys.stdin", file)
        opened = open_source(InferOptions("-", json=Path("-"), every=2))
        assert (opened.video_name, opened.form.rate) == ("stdin", Fraction(25, 2))
        assert [item.image_id for item in opened.source.frames() if isinstance(item, Frame)] == [1, 3]
    thread.join()


def test_options_that_do_not_fit_the_source(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for options, words in (
        ({"every": 2}, "--every is for videos"),
        ({"raw_size": ImageSize(4, 4)}, "--raw is for standard input and files"),
        ({"is_live": True}, "--live is for an address"),
        ({"rate": Fraction(5)}, "--rate is for --raw and YUV4MPEG2"),
        ({"raw_size": ImageSize(4, 4), "listing": tmp_path / "a.png"}, "--raw is for standard input"),
    ):
        with pytest.raises(ConfigError, match=words):
            open_source(InferOptions(str(tmp_path), json=Path("-"), **options))  # type: ignore[arg-type]


def test_a_gstreamer_pipeline_is_named_as_such() -> None:
    with pytest.raises(ImageError, match=r"GStreamer pipeline.*y4menc"):
        open_source(InferOptions("nvarguscamerasrc ! nvvidconv ! appsink", json=Path("-")))


class Numbers:
    """A source of ten frames, of which the fifth fails."""

    total: int | None = 10
    is_live = False

    def frames(self) -> object:
        image: Image = np.zeros((1, 1, 3), np.uint8)
        for index in range(10):
            yield Failure("5") if index == 4 else Frame(index, index + 1, str(index), image)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("step", "expected"), [(1, 9), (2, 4), (3, 4), (10, 1), (99, 1)])
def test_one_frame_in_so_many(step: int, expected: int) -> None:
    source = EveryNth(Numbers(), step)  # type: ignore[arg-type]
    items = list(source.frames())
    assert [item.index for item in items if isinstance(item, Frame)] == [n for n in range(0, 10, step) if n != 4]
    assert sum(isinstance(item, Failure) for item in items) == 1
    assert len(items) == expected + 1
    assert source.total == len(range(0, 10, step))


def test_the_first_bytes_are_read_again() -> None:
    file = Rewound(b"abc", io.BytesIO(b"def"))
    assert [file.read(2), file.read(2), file.read(2), file.read(2), file.read(2)] == [b"ab", b"c", b"de", b"f", b""]
