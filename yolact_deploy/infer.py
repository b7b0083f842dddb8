"""A model over pictures: finds them, runs, draws, writes; what cannot be read is reported and stops nothing."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from .draw import draw_detections
from .errors import ImageError, OutputError
from .files import check_output_path, make_output_folder, write_bytes
from .images import IMAGE_SUFFIXES, read_image
from .predictor import Predictor
from .types import Image


@dataclass(frozen=True)
class DrawnImage:
    """One picture that was read and written."""

    source: Path
    target: Path
    num_detections: int


@dataclass(frozen=True)
class InferReport:
    """What became of a run over pictures."""

    drawn: tuple[DrawnImage, ...]
    failures: tuple[str, ...]  # one line for each picture that could not be used


def find_images(source: str | Path) -> tuple[Path, ...]:
    """The pictures that `source` names: a file, a folder (not its subfolders), or a glob such as "in/*.jpg".

    Raises ImageError when there is none.
    """
    path = Path(source)
    if path.is_file():
        return (path,)
    candidates = path.iterdir() if path.is_dir() else map(Path, glob.glob(str(source), recursive=True))
    images = sorted(item for item in candidates if item.is_file() and item.suffix.lower() in IMAGE_SUFFIXES)
    if images:
        return tuple(images)
    if path.is_dir() or glob.has_magic(str(source)):
        raise ImageError(f"no images in {source}: looked for {', '.join(IMAGE_SUFFIXES)}")
    raise ImageError(f"no such file or folder: {source}")


def plan_outputs(images: Sequence[Path], folder: str | Path, force: bool = False) -> tuple[tuple[Path, Path], ...]:
    """Each picture with the path of the same name in `folder`, which is created.

    Raises OutputError when two would share a name, one would replace its source or, without `force`, a file.
    """
    folder = make_output_folder(folder)
    sources: dict[Path, Path] = {}
    for image in images:
        target = folder / _target_name(image)
        if target in sources:
            raise OutputError(f"{sources[target]} and {image} have the same name: draw them into different folders")
        if target.resolve() == image.resolve():
            raise OutputError(f"{target} would replace its source: choose another folder than {folder}")
        sources[check_output_path(target, force)] = image
    return tuple((image, target) for target, image in sources.items())


def _target_name(image: Path) -> str:
    suffix = image.suffix.lower()
    if suffix == ".pgm":  # a grey format cannot hold what is drawn
        return f"{image.stem}.ppm"
    return image.name if suffix in IMAGE_SUFFIXES else f"{image.name}.png"


def infer_images(
    predictor: Predictor, plan: Sequence[tuple[Path, Path]], advance: Callable[[int, int | None], Any] | None = None
) -> InferReport:
    """Run `predictor` over the sources of `plan` and write them, with their detections drawn, to its targets.

    `advance` is told of the progress. Raises OutputError when a picture cannot be written.
    """
    drawn: list[DrawnImage] = []
    failures: list[str] = []
    names = predictor.metadata.config.class_names
    for done, (source, target) in enumerate(plan, start=1):
        try:
            image = read_image(source)
            detections = predictor(image)
        except ImageError as error:
            failures.append(str(error))
        else:
            write_image(target, draw_detections(image, detections, names))
            drawn.append(DrawnImage(source, target, len(detections)))
        if advance is not None:
            advance(done, len(plan))
    return InferReport(tuple(drawn), tuple(failures))


def write_image(path: str | Path, image: Image) -> None:
    """Write uint8 [H,W,3] BGR in the format of the suffix, whole or not at all. Raises OutputError."""
    path = Path(path)
    try:
        is_encoded, data = cv2.imencode(path.suffix, image)
    except cv2.error:
        is_encoded = False
    if not is_encoded:
        raise OutputError(f"cannot encode a picture of {image.shape[1]}x{image.shape[0]} px as {path.suffix}")
    write_bytes(path, data.tobytes())
