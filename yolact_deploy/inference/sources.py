"""Finding out what a source is."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import cv2

from ..errors import ConfigError, ImageError, listed
from ..images import IMAGE_SUFFIXES, is_image_file
from .addresses import is_url
from .camera import is_camera, open_camera
from .frames import Note, Source
from .options import InferOptions
from .picture_sources import PictureBytes, PictureFiles, PictureStream, find_pictures
from .video_file import VIDEO_SUFFIXES
from .video_form import VideoForm
from .video_opening import open_video

STDIN = "-"


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

    Raises ImageError when it is not there or cannot be opened.
    """
    source = options.source
    if not source.strip():
        raise ImageError("the source is empty: name an image, a folder, a video, a camera's number or a URL")
    if options.is_live and not is_url(source):
        raise ConfigError("--live is for an address (http://...): cameras are live, files and standard input are not")
    if source == STDIN:
        return OpenedSource(PictureStream(_standard_input(), note, options.max_pixels))
    if is_url(source):
        return _opened_video(options, note)
    if is_camera(source) and not Path(source).is_file():
        camera = open_camera(source)
        return OpenedSource(camera, video_name=camera.name, form=camera.form)
    if _is_video_file(Path(source)):
        return _opened_video(options, note)
    outputs = [place for place in (options.output, options.cutouts, *options.files) if place is not None]
    found = find_pictures(source, outputs)
    if found.passed_over:
        note(f"passed over, since they are no pictures that can be read here: {listed(found.passed_over)}")
    return OpenedSource(PictureFiles(found, note, options.max_pixels), found.names, found.paths)


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
