"""Detections as tasks of Label Studio, so that people only correct what the model found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..config.class_names import class_name
from ..formats.brush import encode_brush
from ..formats.coco import exact
from ..types import WindowedDetections
from .frames import Note, Result
from .json_sink import JsonList

FROM_NAME, TO_NAME = "tag", "image"  # of Label Studio's template "Semantic Segmentation with Masks"


@dataclass(frozen=True)
class LabelStudioTarget:
    """Where tasks are written, and where Label Studio finds their pictures."""

    path: Path  # - is standard output
    prefix: str | None = None  # of each picture's address, such as /data/local-files/?d=photos/; None: the name alone

    def address(self, name: str) -> str:
        """Of the picture `name`, a path inside the source."""
        return name if self.prefix is None else self.prefix + quote(os.fsencode(name))


class LabelStudioFile:
    """A sink: a list of tasks with predictions, as Label Studio imports it; masks are brush labels, which keep holes.

    Detections without a pixel are left out, since nobody could see them.
    """

    needs_drawing = False

    def __init__(
        self, target: LabelStudioTarget, class_names: Sequence[str], model: str, note: Note, force: bool = False
    ) -> None:
        """model: its name, the `model_version` of the predictions. Raises OutputError when the file cannot be written,
        or exists without `force`."""
        self._output = JsonList(target.path, force)
        self._target, self._class_names, self._model, self._note = target, class_names, model, note
        self._invisible = 0

    def write(self, result: Result) -> None:
        """Add the task of a picture."""
        found = result.detections
        visible = [index for index in range(len(found)) if found.masks[index].inside.size]
        self._invisible += len(found) - len(visible)
        prediction: dict[str, Any] = {
            "model_version": self._model,
            "result": [self._region(found, index) for index in visible],
        }
        if visible:
            prediction["score"] = float(found.scores[visible].mean())
        task = {"data": {TO_NAME: self._target.address(result.frame.name)}, "predictions": [prediction]}
        self._output.write(task)

    def _region(self, found: WindowedDetections, index: int) -> dict[str, Any]:
        name = class_name(self._class_names, int(found.classes[index]))
        return {
            "id": f"d{index + 1}",
            "type": "brushlabels",
            "from_name": FROM_NAME,
            "to_name": TO_NAME,
            "original_width": found.width,
            "original_height": found.height,
            "image_rotation": 0,
            "score": exact(found.scores[index]),
            "value": {
                "format": "rle",
                "rle": encode_brush(found.masks[index], found.height, found.width),
                "brushlabels": [name],
            },
        }

    def close(self, keep: bool) -> None:
        """End the JSON and give the file its name."""
        self._output.close(keep)
        if keep and self._invisible:
            self._note(f"{self._target.path} leaves out {self._invisible} detections whose mask has no pixel")
