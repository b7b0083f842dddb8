"""How long `bench --no-speed` takes beside running the model: made-up detections of a large data set through AP,
errors, hints and thresholds, with the time of each and the peak of memory.

    python -m yolact_deploy.benchmarks.scripts.judge_size [--count 5000] [--detections 100] [--classes 80]

Masks come from a pool of ellipses, so that making them takes little; no picture is read.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolact_deploy import console
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.benchmarks.accuracy.average_precision import GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping
from yolact_deploy.benchmarks.accuracy.dataset import DataImage, Dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, encode_mask
from yolact_deploy.benchmarks.judge.judgement import Demands, judge_results
from yolact_deploy.benchmarks.judge.truth import Truth
from yolact_deploy.benchmarks.scripts.arguments import positive
from yolact_deploy.config.categories import Category
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig

WIDTH, HEIGHT = 640, 480  # px, of every picture
OBJECTS = 7  # per picture, as in COCO
POOL = 3000  # masks


@dataclass(frozen=True)
class Pool:
    """Masks to choose from."""

    boxes: np.ndarray  # [POOL,4] x1 y1 x2 y2, px
    counts: tuple[bytes, ...]  # run lengths


def make_pool(rng: np.random.Generator) -> Pool:
    """Ellipses of 10 to 300 px."""
    boxes, counts = [], []
    for _ in range(POOL):
        width, height = np.exp(rng.uniform(np.log(10), np.log(300), 2)).astype(int).tolist()
        x, y = int(rng.integers(WIDTH - width)), int(rng.integers(HEIGHT - height))
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(mask, (x + width // 2, y + height // 2), (width // 2, height // 2), 0, 0, 360, 1, -1)
        boxes.append((x, y, x + width, y + height))
        counts.append(encode_mask(mask > 0))
    return Pool(np.array(boxes, np.int64), tuple(counts))


def make_data(count: int, detections: int, classes: int) -> tuple[Dataset, list[ImageResult], ModelMetadata]:
    """A data set without files, and what a model may find in it: each object with a jittered box, and clutter."""
    rng = np.random.default_rng(0)
    pool = make_pool(rng)
    annotations: list[dict[str, Any]] = []
    results = []
    for number in range(1, count + 1):
        wanted, labels = rng.integers(POOL, size=OBJECTS), rng.integers(classes, size=OBJECTS)
        for place, label in zip(wanted.tolist(), labels.tolist(), strict=True):
            x1, y1, x2, y2 = pool.boxes[place].tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": label + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "segmentation": {"size": [HEIGHT, WIDTH], "counts": pool.counts[place].decode("ascii")},
                    "iscrowd": 0,
                }
            )
        found = np.concatenate((wanted, rng.integers(POOL, size=detections)))[:detections]
        boxes = np.clip(pool.boxes[found] + rng.integers(-6, 7, (len(found), 4)), 0, (WIDTH, HEIGHT, WIDTH, HEIGHT))
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        scores = np.concatenate((rng.uniform(0.2, 1, OBJECTS), rng.uniform(0.01, 0.4, detections)))[:detections]
        order = np.argsort(-scores)
        chosen = np.concatenate((labels, rng.integers(classes, size=detections)))[:detections][order]
        ranked = scores[order].astype(np.float32)
        counts = tuple(pool.counts[place] for place in found[order].tolist())
        exact = boxes[order].astype(np.float64)
        results.append(ImageResult(number, HEIGHT, WIDTH, boxes[order], exact, ranked, ranked, chosen, counts))
    names = tuple(f"thing {index}" for index in range(classes))
    dataset = Dataset(
        folder=Path("made-up"),
        annotation_file=Path("made-up/instances.json"),
        images=tuple(DataImage(number, Path(f"{number}.jpg"), HEIGHT, WIDTH) for number in range(1, count + 1)),
        categories=tuple(Category(index + 1, name) for index, name in enumerate(names)),
        annotations=tuple(annotations),
        total_images=count,
        limit=None,
        seed=None,
    )
    config = ModelConfig(class_names=names)
    return dataset, results, ModelMetadata(config, PostprocessConfig(), "image", "fp32", "made-up", "0" * 64, "0")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m yolact_deploy.benchmarks.scripts.judge_size",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=positive, default=5000, help="pictures (default: %(default)s)")
    parser.add_argument("--detections", type=positive, default=100, help="per picture (default: %(default)s)")
    parser.add_argument("--classes", type=positive, default=80, help="of the model (default: %(default)s)")
    given = parser.parse_args(arguments)
    dataset, results, metadata = make_data(given.count, given.detections, given.classes)
    mapping = ClassMapping(tuple(range(1, given.classes + 1)), ())
    started = time.perf_counter()
    GroundTruth(dataset).evaluate(results, mapping)
    after_ap = time.perf_counter()
    judge_results(dataset, Truth.of(dataset), results, mapping, metadata, Demands(0.3, 0.5, 0.95, 0.9))
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    console.say(f"{given.count} pictures, {given.detections} detections each, {given.classes} classes")
    console.say(f"box and mask AP by pycocotools: {after_ap - started:.1f} s")
    console.say(f"errors, hints, thresholds: {ended - after_ap:.1f} s")
    console.say(f"together {ended - started:.1f} s, peak memory {peak:.2f} GiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
