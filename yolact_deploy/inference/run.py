"""One `infer` run: which source, which sinks, and the model between them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from ..draw import draw_detections
from ..errors import ImageError, OutputError
from ..images import IMAGE_SUFFIXES
from ..predictor import Predictor
from ..types import Advance, NetworkDetections
from .coco_file import STDOUT, CocoFile
from .frames import Frame, Result, Sink, Source
from .picture_sinks import CutoutFolder, PictureFolder, plan_outputs, plan_picture
from .picture_sources import PictureFiles, PictureStream, find_images
from .pipeline import Pipeline, PipelineReport
from .selection import Selection
from .video_file import CODECS, VideoFile
from .video_source import DEFAULT_RATE, VideoSource, is_camera, is_url, open_video
from .window import Window

STDIN = "-"
_OTHER_VIDEOS = (".wmv", ".flv", ".gif", ".mpg", ".mpeg", ".ts", ".ogv", ".3gp", ".h264")  # never meant as a folder


@dataclass(frozen=True)
class InferOptions:
    """What is read, what of it counts, and what is written."""

    source: str  # image, folder, glob, video file, camera index, URL, or - for standard input
    output: Path | None = None  # a folder; for one picture also a picture, for videos and streams also a video
    json: Path | None = None  # COCO instances with run lengths; - is standard output
    polygons: Path | None = None  # COCO instances with polygons; - is standard output
    cutouts: Path | None = None  # folder
    show: bool = False
    selection: Selection = field(default_factory=Selection)
    color_by: str = "class"  # one of draw.COLOUR_BY
    codec: str | None = None  # four letters
    force: bool = False

    def __post_init__(self) -> None:
        """Raises OutputError when nothing is asked for, two outputs are one file, or one is the source."""
        if self.output is not None and str(self.output) == STDOUT:
            raise OutputError("--output -: name a folder or a video; only --json and --polygons go to standard output")
        if self.output is None and not (self.json or self.polygons or self.cutouts or self.show):
            raise OutputError("nothing to write: pass --output, --json, --polygons, --cutouts or --show")
        places = [place.resolve() for place in (self.output, self.json, self.polygons, self.cutouts) if place]
        if len(set(places)) < len(places):
            raise OutputError("two outputs have the same name: give each its own")
        for path in (self.json, self.polygons):
            if path is not None and self.source != STDIN and path.resolve() == Path(self.source).resolve():
                raise OutputError(f"{path} would replace its source: choose another output")


@dataclass(frozen=True)
class OpenedSource:
    """A source and what outputs need to know of it."""

    source: Source
    images: tuple[Path, ...] = ()  # where the source is files
    video_name: str | None = None  # where it is a video or a camera
    rate: float = DEFAULT_RATE  # frames a second


def open_source(options: InferOptions) -> OpenedSource:
    """What `options.source` names. Raises ImageError when it is not there or cannot be opened."""
    source = options.source
    if not source.strip():
        raise ImageError("the source is empty: name an image, a folder, a video, a camera's index or a URL")
    if source == STDIN:
        # Without a buffer: the interpreter cannot end while a thread waits inside a buffered reader.
        return OpenedSource(PictureStream(open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)))
    if is_camera(source) and not Path(source).exists():
        return _opened_video(source)
    if is_url(source) or _is_video_file(Path(source)):
        return _opened_video(source)
    folders = [folder for folder in (options.output, options.cutouts) if folder is not None]
    images = find_images(source, folders)
    return OpenedSource(PictureFiles(images), images=images)


def _opened_video(source: str) -> OpenedSource:
    video: VideoSource = open_video(source)
    return OpenedSource(video, video_name=video.name, rate=video.rate)


def _is_video_file(path: Path) -> bool:
    """Whether a file is to be opened as a video: the suffix decides, then the content."""
    suffix = path.suffix.lower()
    if not path.is_file() or suffix in IMAGE_SUFFIXES:
        return False
    if suffix == ".gif" and cv2.imcount(str(path)) > 1:
        return True
    return suffix in CODECS or not cv2.haveImageReader(str(path))


def open_sinks(
    options: InferOptions, opened: OpenedSource, predictor: Predictor, stop: Callable[[], None]
) -> list[Sink]:
    """Everything that `options` asks for; when one cannot be opened, nothing is left of the others.

    stop: ends the run, for the window. Raises OutputError.
    """
    config = predictor.metadata.config
    plans: list[Callable[[], Sink]] = []
    if options.output is not None:
        plans.append(_main_sink(options.output, options, opened))
    if (path := options.json) is not None:
        plans.append(lambda: CocoFile(path, config, force=options.force))
    if (outline_path := options.polygons) is not None:
        plans.append(lambda: CocoFile(outline_path, config, as_polygons=True, force=options.force))
    if (folder := options.cutouts) is not None:
        plans.append(lambda: CutoutFolder(folder, config.class_names, options.force))
    if options.show:
        plans.append(lambda: Window(stop))
    sinks: list[Sink] = []
    try:
        for plan in plans:
            sinks.append(plan())  # noqa: PERF401 those that are open must be known when one fails
    except BaseException:
        for sink in sinks:
            sink.close(keep=False)
        raise
    return sinks


def _main_sink(output: Path, options: InferOptions, opened: OpenedSource) -> Callable[[], Sink]:
    """Where drawn frames go: a folder of pictures, one picture, or a video."""
    suffix = "" if output.is_dir() else output.suffix.lower()
    is_video = suffix in CODECS
    if suffix in _OTHER_VIDEOS:
        raise OutputError(f"{output}: cannot write {suffix}; use a folder, or one of {', '.join(CODECS)}")
    if suffix in IMAGE_SUFFIXES:
        if len(opened.images) != 1:
            raise OutputError(f"{output} is the name of one picture: name a folder for what {options.source} gives")
        return lambda: PictureFolder(output.parent, plan_picture(opened.images[0], output, options.force))
    if opened.images:
        if is_video:
            raise OutputError(f"{output}: pictures are drawn into a folder, not into a video")
        return lambda: PictureFolder(output, plan_outputs(opened.images, output, options.force))
    if opened.video_name is None and not is_video:
        return lambda: PictureFolder(output, force=options.force)
    target = output if is_video else output / _video_target(opened.video_name or "")
    if target.resolve() == Path(options.source).resolve():
        raise OutputError(f"{target} would replace its source: choose another output")
    return lambda: VideoFile(target, opened.rate, options.codec, options.force)


def _video_target(name: str) -> str:
    return name if Path(name).suffix.lower() in CODECS else f"{Path(name).stem}.mp4"


class InferRun:
    """A run that is ready to start, its files opened."""

    def __init__(self, predictor: Predictor, options: InferOptions, opened: OpenedSource) -> None:
        """Raises OutputError when an output cannot be written; `opened` is closed then."""
        self._predictor, self._options = predictor, options
        self.total = opened.source.total
        try:
            sinks = open_sinks(options, opened, predictor, self.stop)
        except BaseException:
            opened.source.close()
            raise
        self._draws = any(sink.needs_drawing for sink in sinks)
        self._pipeline = Pipeline(opened.source, self.detect, self.render, sinks)

    def stop(self) -> None:
        """Take no new frames and finish the files; safe in a signal handler."""
        self._pipeline.stop()

    def run(self, advance: Advance = lambda done, total: None) -> PipelineReport:
        """Work until the source ends or `stop`. Raises OutputError, or ImageError when not one picture could be used;
        then nothing is left of the files."""
        report = self._pipeline.run(advance)
        if report.frames == 0 and len(report.failures) == 1:
            raise ImageError(report.failures[0])
        if report.frames == 0 and report.failures:
            raise ImageError(f"none of {len(report.failures)} pictures could be used; the first: {report.failures[0]}")
        return report

    def detect(self, frame: Frame) -> NetworkDetections:
        """The model stage: what counts of one frame."""
        (found,) = self._predictor.detect([frame.image])
        return self._options.selection.of(found)

    def render(self, frame: Frame, found: NetworkDetections) -> Result:
        """The draw stage: masks at image size and, where a sink shows them, the picture."""
        detections = self._predictor.finish_windowed(found, *frame.image.shape[:2])
        names, color_by = self._predictor.metadata.config.class_names, self._options.color_by
        drawn = draw_detections(frame.image, detections, names, color_by) if self._draws else None
        return Result(frame, detections, drawn)
