"""What one `infer` run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from ..errors import OutputError
from ..files import check_distinct
from ..images import MAX_PIXELS
from ..types import ImageSize
from .json_sink import STDOUT
from .label_studio_file import LabelStudioTarget
from .region import Region
from .selection import Selection


@dataclass(frozen=True)
class InferOptions:
    """What is read, what of it counts, and what is written."""

    source: str  # image, folder, glob, video file, camera's number, URL, or - for standard input
    output: Path | None = None  # a folder; for one picture also a picture, for videos and streams also a video
    json: Path | None = None  # COCO instances with run lengths; - is standard output
    polygons: Path | None = None  # COCO instances with polygons; - is standard output
    results: Path | None = None  # COCO results; - is standard output
    cutouts: Path | None = None  # folder
    show: bool = False
    shards: Path | None = None  # folder that keeps the results of a job of many workers
    selection: Selection = field(default_factory=Selection)
    color_by: str = "class"  # one of draw.COLOUR_BY
    codec: str | None = None  # FFmpeg's name
    annotations: Path | None = None  # COCO instances that ids are taken from
    region: Region | None = None  # that is looked at; None: the whole frame
    every: int = 1  # of a video or a stream: one frame in so many
    listing: Path | None = (
        None  # a list of pictures, relative to `source`, or to the current folder where that is empty
    )
    raw_size: ImageSize | None = None  # of BGR frames one after the other; None: the source tells what it is
    rate: Fraction | None = None  # of uncompressed video, frames per second; None: what it tells
    is_live: bool = False  # a URL without an end, although it does not say so
    max_pixels: int = MAX_PIXELS  # of a picture
    label_studio: LabelStudioTarget | None = None
    other_inputs: tuple[Path, ...] = ()  # files that are read besides the source, such as the model
    force: bool = False

    def __post_init__(self) -> None:
        """Raises OutputError when nothing is asked for, or two outputs are one file."""
        if self.output is not None and str(self.output) == STDOUT:
            raise OutputError(
                "--output -: name a folder or a video; only --json, --polygons, --results and --label-studio go to "
                "standard output"
            )
        if self.output is None and not (self.files or self.cutouts or self.show or self.shards):
            raise OutputError(
                "nothing to write: pass --output, --json, --polygons, --results, --label-studio, --cutouts or --show"
            )
        check_distinct(self.places)

    @property
    def places(self) -> tuple[Path, ...]:
        """Every file and folder that is asked for."""
        return tuple(place for place in (self.output, *self.files, self.cutouts) if place is not None)

    @property
    def files(self) -> tuple[Path, ...]:
        """The JSON files that are asked for."""
        tasks = None if self.label_studio is None else self.label_studio.path
        return tuple(path for path in (self.json, self.polygons, self.results, tasks) if path is not None)

    @property
    def files_with_ids(self) -> bool:
        """Whether any file has ids of categories and images."""
        return any((self.json, self.polygons, self.results))
