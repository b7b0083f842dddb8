"""What the PyTorch reference finds in the bundled pictures, stored in the package: machines without PyTorch compare
with it.

`python -m yolact_deploy.benchmarks.selftest.stored` makes the file anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from yolact_deploy.benchmarks.accuracy.average_precision import GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import map_classes
from yolact_deploy.benchmarks.accuracy.dataset import Dataset, bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, exact_boxes, image_result
from yolact_deploy.benchmarks.accuracy.parity import POINT, Matches, Parity, look_up
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.files import write_text
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import FloatArray, Image, IntArray

FILE = Path(__file__).parent / "nano_detections.json"
MIN_SCORE = 0.1  # of what is stored; MATCH_SCORE is compared, and its partners may score a little less
COLUMNS = ("class", "score", "x1", "y1", "x2", "y2", "mask area")  # px


@dataclass(frozen=True)
class Picture:
    """The detections of one picture, best first."""

    classes: IntArray  # [D]
    scores: FloatArray  # [D]
    exact_boxes: npt.NDArray[np.float64]  # [D,4] x1 y1 x2 y2, px
    areas: IntArray  # [D] of the masks, px

    def rows(self) -> list[list[float]]:
        """As they are stored: COLUMNS of each detection from MIN_SCORE."""
        return [
            [int(label), round(float(score), 4), *(round(float(value), 2) for value in box), int(area)]
            for label, score, box, area in zip(self.classes, self.scores, self.exact_boxes, self.areas, strict=True)
            if score >= MIN_SCORE
        ]

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[float]]) -> Picture:
        """What `rows` gave."""
        table = np.asarray(rows, np.float64).reshape(-1, len(COLUMNS))
        classes, areas = table[:, 0].astype(np.int64), table[:, -1].astype(np.int64)
        return cls(classes, table[:, 1].astype(np.float32), table[:, 2:6], areas)


@dataclass(frozen=True)
class Stored:
    """What the file holds."""

    checkpoint_sha256: str
    box_ap: float  # fractions
    mask_ap: float
    pictures: dict[int, Picture]  # by image id

    @classmethod
    def read(cls) -> Stored:
        """The file of the package."""
        values = json.loads(FILE.read_text(encoding="utf-8"))
        pictures = {int(key): Picture.of_rows(rows) for key, rows in values["pictures"].items()}
        return cls(values["checkpoint_sha256"], values["box_ap"], values["mask_ap"], pictures)

    def compare(self, found: dict[int, Picture], average: tuple[float, float] | None) -> tuple[Parity, float]:
        """What `found` has in common with the stored detections, and how well the areas of their masks agree, 0..1.

        average: box and mask AP of `found`, None where they could not be computed.
        """
        total = matched = 0
        agreements = []
        for key, picture in found.items():
            stored = self.pictures[key]
            for wanted, among in ((stored, picture), (picture, stored)):
                pairs, missing = look_up(wanted, among)
                matched, total = matched + len(pairs), total + len(pairs) + len(missing)
                for i, j in pairs:
                    areas = sorted((int(wanted.areas[i]), int(among.areas[j])))
                    agreements.append(areas[0] / areas[1] if areas[1] else 1.0)
        box = None if average is None else (average[0] - self.box_ap) / POINT
        mask = None if average is None else (average[1] - self.mask_ap) / POINT
        return Parity(box, mask, Matches(matched, total, None)), float(np.mean(agreements)) if agreements else 1.0


def find(predictor: Predictor, image_id: int, image: Image, with_masks: bool) -> tuple[Picture, ImageResult | None]:
    """What a model finds in one picture. with_masks: also what AP is computed from, which needs pycocotools."""
    height, width = image.shape[:2]
    (network,) = predictor.detect([image])
    found = predictor.finish(network, height, width)
    boxes = exact_boxes(network.boxes[: len(found)], predictor.view(height, width))
    picture = Picture(found.classes, found.scores, boxes, found.masks.sum((1, 2), dtype=np.int64))
    return picture, image_result(image_id, found, boxes) if with_masks else None


def average_precision(dataset: Dataset, results: Sequence[ImageResult], config: ModelConfig) -> tuple[float, float]:
    """Box and mask AP. Raises MissingDependencyError without pycocotools."""
    accuracy = GroundTruth(dataset).evaluate(results, map_classes(config, dataset.categories))
    return accuracy.box.ap, accuracy.mask.ap


def make() -> dict[str, Any]:
    """What the file has to hold. Needs PyTorch and pycocotools."""
    dataset, results, pictures = load_dataset(bundled_nano().folder), [], {}
    with Predictor.open(bundled_nano().weights, device="cpu") as predictor:
        for image in dataset.images:
            picture, result = find(predictor, image.id, image.read(), with_masks=True)
            assert result is not None
            results.append(result)
            pictures[str(image.id)] = picture.rows()
        metadata = predictor.metadata
    box_ap, mask_ap = average_precision(dataset, results, metadata.config)
    return {
        "what": f"detections of the PyTorch reference: {', '.join(COLUMNS)}",
        "checkpoint_sha256": metadata.checkpoint_sha256,
        "box_ap": round(box_ap, 6),
        "mask_ap": round(mask_ap, 6),
        "pictures": pictures,
    }


def main() -> None:
    """Write the file, a line per picture."""
    values = make()
    pictures = ",\n".join(f'  "{key}": {json.dumps(rows)}' for key, rows in values.pop("pictures").items())
    write_text(FILE, json.dumps(values, indent=1)[:-2] + f',\n "pictures": {{\n{pictures}\n }}\n}}\n')


if __name__ == "__main__":
    main()
