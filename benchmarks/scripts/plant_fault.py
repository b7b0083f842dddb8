"""Copies the bundled data set with a fault in it, to see what `bench` says of it; docs/judge.md shows them.

    python -m yolact_deploy.benchmarks.scripts.plant_fault FAULT FOLDER

| fault | what is wrong in the copy |
|---|---|
| names | the category names ring and star are exchanged |
| ids | each object has the category id before its own |
| masks | masks lie 12 px to the right of their boxes |
| mirror | the pictures are mirrored, the annotations are not |
| size | nothing; config.json beside it has an image_size that the model was not trained with |
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolact_deploy import console
from yolact_deploy.benchmarks.accuracy.dataset import bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import encode_mask
from yolact_deploy.benchmarks.judge.hints.masks import shifted
from yolact_deploy.benchmarks.judge.truth import as_rle
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.dependencies import require
from yolact_deploy.errors import OutputError, YolactDeployError
from yolact_deploy.files import make_output_folder, write_json

EXCHANGED = ("star", "ring")
SHIFT = 12  # px
WRONG_SIZE = 384  # px; the model was trained with 256

Content = dict[str, Any]


def _names(content: Content, folder: Path) -> None:
    to = dict(zip(EXCHANGED, EXCHANGED[::-1], strict=True))
    for category in content["categories"]:
        category["name"] = to.get(category["name"], category["name"])


def _ids(content: Content, folder: Path) -> None:
    ids = sorted(category["id"] for category in content["categories"])
    for annotation in content["annotations"]:
        annotation["category_id"] = ids[ids.index(annotation["category_id"]) - 1]


def _masks(content: Content, folder: Path) -> None:
    coding = require("pycocotools.mask", "planting a fault")
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for annotation in content["annotations"]:
        height, width = sizes[annotation["image_id"]]
        mask = coding.decode(as_rle(annotation["segmentation"], height, width)).astype(bool)
        counts = encode_mask(shifted(mask, SHIFT, 0)).decode("ascii")
        annotation["segmentation"] = {"size": [height, width], "counts": counts}


def _mirror(content: Content, folder: Path) -> None:
    for path in sorted((folder / "images").iterdir()):
        pixels = cv2.imread(str(path))
        cv2.imwrite(str(path), np.ascontiguousarray(np.asarray(pixels)[:, ::-1]))


def _size(content: Content, folder: Path) -> None:
    write_json(folder / "config.json", ModelConfig.named("yolact_nano").with_image_size(WRONG_SIZE).to_dict())


FAULTS: dict[str, Callable[[Content, Path], None]] = {
    "names": _names,
    "ids": _ids,
    "masks": _masks,
    "mirror": _mirror,
    "size": _size,
}


def plant(fault: str, folder: Path) -> None:
    """Write the bundled data set to `folder`, which must not exist, with one of FAULTS. Raises OutputError."""
    source = bundled_nano().folder
    if folder.exists():
        raise OutputError(f"{folder} exists: name a new folder")
    make_output_folder(folder)
    shutil.copytree(source / "images", folder / "images")
    dataset = load_dataset(source)
    content = {
        "images": [
            {"id": image.id, "file_name": image.path.name, "height": image.height, "width": image.width}
            for image in dataset.images
        ],
        "categories": [{"id": category.id, "name": category.name} for category in dataset.categories],
        "annotations": [dict(annotation) for annotation in dataset.annotations],
    }
    FAULTS[fault](content, folder)
    write_json(folder / "instances.json", content)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m yolact_deploy.benchmarks.scripts.plant_fault",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("fault", choices=sorted(FAULTS))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    try:
        plant(given.fault, given.folder)
    except YolactDeployError as error:
        console.fail(str(error))
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
