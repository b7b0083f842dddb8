"""Written videos: times, sizes, sound, aspect, encoders, a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.inference.results import grey, result
from tests.inference.videos import make_video, moving, times_of, tracks
from yolact_deploy.errors import OutputError
from yolact_deploy.inference import video_encoder
from yolact_deploy.inference.frames import Frame
from yolact_deploy.inference.video_file import VideoFile
from yolact_deploy.inference.video_form import VideoForm
from yolact_deploy.inference.video_opening import open_video
from yolact_deploy.inference.video_source import VideoSource

FORM = VideoForm(Fraction(25, 2))


def values_of(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [int(frame.to_ndarray(format="bgr24").mean()) for frame in container.decode(video=0)]


def write(path: Path, times: list[float | None], form: VideoForm = FORM, **options: Any) -> list[str]:
    """Frames of grey 0, 20, 40 at these times; gives the notes."""
    notes: list[str] = []
    sink = VideoFile(path, form, notes.append, **options)
    for index, time_s in enumerate(times):
        sink.write(result(index, grey(20 * index), time_s=time_s))
    sink.close(keep=True)
    return notes


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "größe 猫.mkv", "a.mov", "a.m4v", "a.webm"])
def test_video(tmp_path: Path, name: str) -> None:
    notes: list[str] = []
    sink = VideoFile(tmp_path / name, FORM, notes.append)
    for index in range(10):
        sink.write(result(index, grey(20 * index) if index != 5 else grey(100, 96, 128)))  # one of another size
    assert not (tmp_path / name).exists()
    sink.close(keep=True)
    assert os.listdir(tmp_path) == [name]
    np.testing.assert_allclose(values_of(tmp_path / name), range(0, 200, 20), atol=4)
    np.testing.assert_allclose(times_of(tmp_path / name), np.arange(10) / 12.5, atol=0.002)
    assert len(notes) == 1
    assert "64x48" in notes[0]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_each_frame_at_its_own_time(tmp_path: Path, name: str) -> None:
    times: list[float | None] = [0.0, 0.01, 0.3, 5.0, 5.04]
    assert write(tmp_path / name, times) == []
    np.testing.assert_allclose(times_of(tmp_path / name), times, atol=0.001)


def test_avi_has_one_rate_and_says_so(tmp_path: Path) -> None:
    (note,) = write(tmp_path / "a.avi", [0.0, 0.08, 0.16, 1.0])
    assert "fixed rate" in note
    np.testing.assert_allclose(times_of(tmp_path / "a.avi"), [0, 0.08, 0.16, 1.0], atol=0.04)


def test_the_default_plays_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write(tmp_path / "a.mp4", [None] * 3) == []
    assert tracks(tmp_path / "a.mp4") == {"video": ["h264"]}
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    monkeypatch.setitem(video_encoder.ENCODERS, ".mp4", ("no_such_encoder", "libvpx-vp9"))
    (note,) = write(tmp_path / "b.mp4", [None] * 3)
    assert "VP9" in note
    assert tracks(tmp_path / "b.mp4") == {"video": ["vp9"]}


@pytest.mark.parametrize(
    ("codec", "expected"), [("mjpeg", "mjpeg"), ("mp4v", "mpeg4"), ("hevc", "hevc"), ("MJPG", "mjpeg")]
)
def test_an_encoder_that_is_asked_for(tmp_path: Path, codec: str, expected: str) -> None:
    write(tmp_path / "a.mp4", [None] * 4, codec=codec)
    assert tracks(tmp_path / "a.mp4") == {"video": [expected]}
    np.testing.assert_allclose(values_of(tmp_path / "a.mp4"), [0, 20, 40, 60], atol=4)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_colours_come_back(tmp_path: Path, name: str) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (20, 40, 220), (200, 90, 30)
    sink = VideoFile(tmp_path / name, FORM, print)
    sink.write(result(0, image))
    sink.close(keep=True)
    with av.open(str(tmp_path / name)) as container:
        (frame,) = container.decode(video=0)
        again = frame.to_ndarray(format="bgr24")
    for column in (16, 48):
        np.testing.assert_allclose(again[24, column], image[24, column], atol=8)


def test_odd_sizes_are_said(tmp_path: Path) -> None:
    notes: list[str] = []
    sink = VideoFile(tmp_path / "a.mp4", FORM, notes.append)
    sink.write(result(0, grey(100, 49, 65)))
    sink.close(keep=True)
    assert "66x50" in notes[0]
    sink = VideoFile(tmp_path / "a.avi", FORM, notes.append)
    sink.write(result(0, grey(100, 49, 65)))
    sink.close(keep=True)
    assert len(notes) == 1
    for name, size in (("a.mp4", (66, 50)), ("a.avi", (65, 49))):
        with av.open(str(tmp_path / name)) as container:
            video = container.streams.video[0]
            assert (video.width, video.height) == size


def copied(source: Path, target: Path, frames: int | None = None) -> list[str]:
    """What `infer` does with a video, without a model; only so many frames, as after Ctrl-C."""
    notes: list[str] = []
    opened = open_video(str(source), notes.append)
    assert isinstance(opened, VideoSource)
    sink = VideoFile(target, opened.form, notes.append)
    items = opened.frames()
    for index, item in enumerate(items):
        if index == frames:
            items.close()  # type: ignore[attr-defined]
            break
        assert isinstance(item, Frame)
        sink.write(result(index, item.image, time_s=item.time_s))
    opened.close()
    sink.close(keep=True)
    return notes


@pytest.mark.parametrize(
    ("source", "sound", "target", "expected"),
    [
        ("a.mp4", "aac", "b.mp4", "aac"),
        ("a.ts", "aac", "b.mp4", "aac"),
        ("a.mkv", "libopus", "b.webm", "opus"),
        ("a.mkv", "flac", "b.mkv", "flac"),
        ("a.mp4", "aac", "b.webm", None),
    ],
)
def test_sound_is_copied_where_the_container_takes_it(
    tmp_path: Path, source: str, sound: str, target: str, expected: str | None
) -> None:
    film = make_video(tmp_path / source, [moving(index) for index in range(50)], sound=sound)
    notes = copied(film, tmp_path / target)
    if expected is None:
        assert "sound" in notes[0]
        assert "audio" not in tracks(tmp_path / target)
        return
    assert notes == []
    assert tracks(tmp_path / target)["audio"] == [expected]
    with av.open(str(film)) as one, av.open(str(tmp_path / target)) as other:
        lengths = [sum(frame.samples for frame in container.decode(audio=0)) for container in (one, other)]
    assert lengths[1] == pytest.approx(lengths[0], abs=2100)  # two packets
    np.testing.assert_allclose(times_of(tmp_path / target)[0], times_of(film)[0] if source != "a.ts" else 0, atol=0.1)


def test_sound_ends_with_the_pictures_of_a_run_that_was_stopped(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", [moving(index) for index in range(100)], sound="aac")
    copied(film, tmp_path / "b.mp4", frames=25)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) / 48_000 < 1.1


def test_pixels_that_are_not_square_stay_so(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.webm", "a.avi"):
        notes = write(tmp_path / name, [None] * 3, VideoForm(Fraction(25), Fraction(16, 11)))
        with av.open(str(tmp_path / name)) as container:
            is_kept = container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)
        assert is_kept or name in ("a.webm", "a.avi")
        assert any("square" in note for note in notes) != is_kept


def test_tracks_that_are_left_out_are_named(tmp_path: Path) -> None:
    (note,) = write(tmp_path / "a.mp4", [None], VideoForm(left_out=("subtitle",)))
    assert "subtitle" in note


def test_videos_that_cannot_be_written(tmp_path: Path) -> None:
    for name, codec, words in (("a.txt", None, ".mp4"), ("a.mp4", "zzzz", "zzzz"), ("a.mp4", "aac", "aac")):
        with pytest.raises(OutputError, match=words):
            VideoFile(tmp_path / name, FORM, print, codec)
    sink = VideoFile(tmp_path / "a.webm", FORM, print, "h264")
    with pytest.raises(OutputError, match=r"cannot write a\.webm with libx264 at 64x48 px"):
        sink.write(result(0, grey(0)))
    sink.close(keep=False)
    VideoFile(tmp_path / "b.mp4", FORM, print).close(keep=True)  # not one frame came
    assert os.listdir(tmp_path) == []


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to(tmp_path / "real.mp4")
    write(tmp_path / "a.mp4", [None], force=True)
    assert (tmp_path / "a.mp4").is_symlink()
    assert len(times_of(tmp_path / "real.mp4")) == 1


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_a_full_disk_is_noticed_at_the_first_failed_write(tmp_path: Path, name: str) -> None:
    """Of 200 kB, in a process of its own, since the limit is one of the process."""
    code = f"""
import resource
from pathlib import Path
import numpy as np
from tests.inference.results import result
from yolact_deploy.errors import OutputError
from yolact_deploy.inference.video_file import VideoFile
from yolact_deploy.inference.video_form import VideoForm
sink = VideoFile(Path({str(tmp_path / name)!r}), VideoForm(), print)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
noise = np.random.default_rng(0)
try:
    for index in range(200):
        sink.write(result(index, noise.integers(0, 256, (240, 320, 3), np.uint8)))
except OutputError as error:
    print(index < 150, error)
    sink.close(keep=False)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith("True cannot write"), done.stderr
    assert os.listdir(tmp_path) == []
