"""Drawn pictures and cut-outs into folders."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..draw import class_name
from ..errors import OutputError
from ..files import check_output_path, file_identity, file_name, make_output_folder, write_bytes
from ..images import IMAGE_SUFFIXES
from ..types import Image
from .frames import Result


def plan_outputs(names: Sequence[str], folder: Path, force: bool = False) -> tuple[Path, ...]:
    """For each picture the path of the same name in `folder`.

    Raises OutputError when two would share a name or, without `force`, one would replace a file.
    """
    sources: dict[Path, str] = {}
    for name in names:
        target = folder / _target_name(Path(name))
        if target in sources:
            raise OutputError(f"{sources[target]} and {name} have the same name: draw them into different folders")
        sources[check_output_path(target, force)] = name
    return tuple(sources)


def _target_name(image: Path) -> str:
    suffix = image.suffix.lower()
    if suffix == ".pgm":  # a grey format cannot hold what is drawn
        return f"{image.stem}.ppm"
    return image.name if suffix in IMAGE_SUFFIXES else file_name(image.name, ".png")


class PictureFolder:
    """A sink: every drawn frame as a file."""

    needs_drawing = True

    def __init__(self, folder: Path, targets: Sequence[Path] | None = None, force: bool = False) -> None:
        """targets: one for each frame of the source, by its index; without them frames keep their names."""
        self._folder = make_output_folder(folder)
        self._targets = targets
        self._force = force

    def write(self, result: Result) -> None:
        """Encode and write one picture."""
        if self._targets is not None:
            target = self._targets[result.frame.index]
        else:
            target = check_output_path(self._folder / result.frame.name, self._force)
        if result.drawn is not None:
            write_image(target, result.drawn)

    def close(self, keep: bool) -> None:
        """Every picture is whole already."""


class CutoutFolder:
    """A sink: each instance as a PNG of its own, cropped to its mask, transparent outside of it.

    Named FRAME_01_CLASS.png, best score first; masks without a pixel give no file.
    """

    needs_drawing = False

    def __init__(
        self,
        folder: Path,
        class_names: Sequence[str],
        force: bool = False,
        inputs: Container[tuple[int, int] | None] = (),
    ) -> None:
        """inputs: identities of files that are never replaced. Raises OutputError when `folder` cannot be written or,
        without `force`, already holds files."""
        self._folder = make_output_folder(folder)
        if not force and any(self._folder.iterdir()):
            raise OutputError(f"{folder} is not empty: choose another folder for cut-outs, or pass --force")
        self._class_names = class_names
        self._inputs = inputs

    def write(self, result: Result) -> None:
        """Write the cut-outs of one frame."""
        found, stem = result.detections, result.frame.name.replace("/", "_")
        for index, mask in enumerate(found.masks):
            if mask.inside.size == 0:
                continue
            alpha = np.where(mask.inside, np.uint8(255), np.uint8(0))
            part = result.frame.image[mask.rows, mask.columns]
            name = class_name(self._class_names, int(found.classes[index]))
            ending = f"_{index + 1:02d}_{_safe(name)}.png"
            target = self._folder / file_name(stem, ending)
            if file_identity(target) in self._inputs:
                raise OutputError(f"{target} is an input and would be replaced: choose another folder for cut-outs")
            write_image(target, np.dstack((part, alpha)))

    def close(self, keep: bool) -> None:
        """Every picture is whole already."""


def _safe(name: str) -> str:
    """A class name as part of a file name."""
    return "".join(letter if letter.isalnum() else "-" for letter in name)[:40]


def write_image(path: str | Path, image: Image) -> None:
    """Write uint8 [H,W,3] BGR or [H,W,4] BGRA in the format of the suffix, whole or not at all. Raises OutputError."""
    path = Path(path)
    try:
        is_encoded, data = cv2.imencode(path.suffix, image)
    except cv2.error:
        is_encoded = False
    if not is_encoded:
        raise OutputError(f"cannot encode a picture of {image.shape[1]}x{image.shape[0]} px as {path.suffix}")
    write_bytes(path, data.tobytes())
