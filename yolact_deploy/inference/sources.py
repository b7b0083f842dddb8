"""Finding out what a source is."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import cv2

from ..errors import ConfigError, ImageError, listed
from ..images import IMAGE_SUFFIXES, is_image_file
from .addresses import is_url, shown_url
from .camera import is_camera, open_camera
from .every import EveryNth
from .frames import ByteStream, Note, Source
from .options import InferOptions
from .picture_list import listed_pictures
from .picture_sources import (
    STREAM_STEM,
    FoundPictures,
    PictureBytes,
    PictureFiles,
    PictureStream,
    find_pictures,
)
from .raw_video import RawFile, RawVideo, is_y4m_file, peek
from .video_file import VIDEO_SUFFIXES
from .video_form import VideoForm
from .video_opening import open_video

STDIN = "-"
_PIPELINE = re.compile(r"\S\s+!\s+\S")  # of GStreamer


@dataclass(frozen=True)
class OpenedSource:
    """A source and what outputs need to know of it."""

    source: Source
    picture_names: tuple[str, ...] = ()  # of each, where it is a known number of pictures
    files: tuple[Path, ...] = ()  # that are read
    video_name: str | None = None  # where it is a video or a camera
    form: VideoForm = field(default_factory=VideoForm)


def open_source(options: InferOptions, note: Note = lambda text: None) -> OpenedSource:
    """What `options.source` names. note: takes lines about what is passed over or changed.

    Raises ImageError when it is not there or cannot be opened, ConfigError for options that do not fit it.
    """
    opened = _opened(options, note)
    is_video = opened.video_name is not None or isinstance(opened.source, PictureStream)
    fault = ""
    if options.rate is not None and not isinstance(opened.source, RawVideo):
        fault = "--rate is for --raw and YUV4MPEG2: other videos tell when each frame is seen"
    elif options.every > 1 and not is_video:
        fault = "--every is for videos, cameras and streams: to leave out pictures, name those that are wanted"
    if fault:
        opened.source.close()
        raise ConfigError(fault)
    if options.every == 1:
        return opened
    form = replace(opened.form, rate=opened.form.rate / options.every)
    return replace(opened, source=EveryNth(opened.source, options.every), form=form)


def _opened(options: InferOptions, note: Note) -> OpenedSource:
    source = options.source
    if options.listing is not None:
        if options.raw_size is not None:
            raise ConfigError("--raw is for standard input and files, not for a --list of pictures")
        found = find_listed(options, note)
        return OpenedSource(PictureFiles(found, note, options.max_pixels), found.names, (*found.paths, options.listing))
    if not source.strip():
        raise ImageError("the source is empty: name an image, a folder, a video, a camera's number or a URL")
    if _PIPELINE.search(source) and not Path(source).exists():
        raise ImageError(
            "the source is a GStreamer pipeline, and PyPI's OpenCV is built without GStreamer: pipe it in, as in "
            "gst-launch-1.0 -q ... ! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink | yolact-deploy infer -"
        )
    if options.is_live and not is_url(source):
        raise ConfigError("--live is for an address (http://...): cameras are live, files and standard input are not")
    if options.raw_size is not None and source != STDIN and not Path(source).is_file():
        raise ConfigError(f"--raw is for standard input and files, not for {shown_url(source)}")
    if source == STDIN:
        return _opened_stdin(options, note)
    if is_url(source):
        return _opened_video(options, note)
    if is_camera(source) and not Path(source).is_file():
        camera = open_camera(source)
        return OpenedSource(camera, video_name=camera.name, form=camera.form)
    if options.raw_size is not None or is_y4m_file(Path(source)):
        return _opened_raw(RawFile(Path(source)), Path(source).name, options, note, (Path(source),))
    if _is_video_file(Path(source)):
        return _opened_video(options, note)
    found = find_folder(options, note)
    return OpenedSource(PictureFiles(found, note, options.max_pixels), found.names, found.paths)


def find_job(options: InferOptions, note: Note, folder: Path) -> FoundPictures:
    """The pictures for a job of many workers in `folder`. Raises ImageError when there is none, ConfigError for what is
    no picture."""
    if options.listing is not None:
        return find_listed(options, note)
    source, path = options.source, Path(options.source)
    is_video = path.is_file() and (is_y4m_file(path) or _is_video_file(path))
    if is_video or source == STDIN or is_url(source) or (is_camera(source) and not path.exists()):
        raise ConfigError("--shards is for pictures: videos and streams are read by infer without it")
    return find_folder(options, note, [folder])


def find_folder(options: InferOptions, note: Note, others: Sequence[Path] = ()) -> FoundPictures:
    """The pictures of a folder, a glob or one picture. others: folders that are written, besides the outputs.

    Raises ImageError when there is none.
    """
    outputs = [place for place in (options.output, options.cutouts, *options.files, *others) if place is not None]
    found = find_pictures(options.source, outputs)
    if found.passed_over:
        note(f"passed over, since they are no pictures that can be read here: {listed(found.passed_over)}")
    return found


def find_listed(options: InferOptions, note: Note) -> FoundPictures:
    """The pictures of a list. Raises ImageError when it names none, ConfigError when its source is no folder."""
    root = Path(options.source)
    if options.source and not root.is_dir():
        raise ConfigError(f"--list names pictures relative to a folder, and {shown_url(options.source)} is none")
    return listed_pictures(options.listing or Path(), root, note)


def _opened_stdin(options: InferOptions, note: Note) -> OpenedSource:
    """Pictures or uncompressed video: the first bytes tell, or `--raw`."""
    file = _standard_input()
    if options.raw_size is not None:
        return _opened_raw(file, STREAM_STEM, options, note)
    is_y4m, rewound = peek(file)
    if is_y4m:
        return _opened_raw(rewound, STREAM_STEM, options, note)
    return OpenedSource(PictureStream(rewound, note, options.max_pixels))


def _opened_raw(
    file: ByteStream, name: str, options: InferOptions, note: Note, files: tuple[Path, ...] = ()
) -> OpenedSource:
    try:
        video = RawVideo(file, name, note, options.max_pixels, options.raw_size, options.rate)
    except BaseException:
        if isinstance(file, RawFile):
            file.close()
        raise
    return OpenedSource(video, files=files, video_name=video.name, form=video.form)


def _standard_input() -> BinaryIO:
    """Without a buffer: the interpreter cannot end while a thread waits inside a buffered reader."""
    if sys.stdin is None:
        raise ImageError("standard input is closed: pipe pictures into it, or name another source")
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


def _opened_video(options: InferOptions, note: Note) -> OpenedSource:
    opened = open_video(options.source, note, options.is_live, options.max_pixels)
    if isinstance(opened, PictureBytes):
        return OpenedSource(opened, (opened.name,))
    files = () if is_url(options.source) else (Path(options.source),)
    return OpenedSource(opened, files=files, video_name=opened.name, form=opened.form)


def _is_video_file(path: Path) -> bool:
    """Whether a file is to be opened as a video: the suffix decides, then the content."""
    suffix = path.suffix.lower()
    if not path.is_file() or suffix in IMAGE_SUFFIXES:
        return False
    if suffix == ".gif" and cv2.imcount(str(path)) > 1:
        return True
    return suffix in VIDEO_SUFFIXES or not is_image_file(path)
