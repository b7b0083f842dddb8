"""How long drawing takes: made-up masks on a made-up picture.

python -m yolact_deploy.benchmarks.scripts.drawing [--masks 20] [--size 1920x1080] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from yolact_deploy import console
from yolact_deploy.benchmarks.hardware import describe_hardware
from yolact_deploy.benchmarks.scripts.arguments import positive
from yolact_deploy.benchmarks.scripts.synthetic import synthetic_image
from yolact_deploy.config.class_names import COCO
from yolact_deploy.draw import draw_detections
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import write_json
from yolact_deploy.formats.window import window_of
from yolact_deploy.types import Detections, ImageSize, WindowedDetections

MASKS = 20
SIZE = "1920x1080"
CALLS = 50
_WARMUP_CALLS = 5
_RADII = (0.03, 0.25)  # of the shorter side


@dataclass(frozen=True)
class DrawingResult:
    """Medians, ms per picture."""

    masks: int
    width: int  # px
    height: int
    whole_ms: float  # masks as [D,H,W], as `Detections` has them
    windowed_ms: float  # masks as windows, as `infer` has them


def made_up_detections(count: int, height: int, width: int, seed: int = 0) -> Detections:
    """Ellipses of many sizes all over the picture."""
    generator = np.random.default_rng(seed)
    masks = np.zeros((count, height, width), np.uint8)
    boxes = np.zeros((count, 4), np.int64)
    for index in range(count):
        centre = generator.integers((0, 0), (width, height)).tolist()
        axes = np.maximum(generator.uniform(*_RADII, 2) * min(height, width), 1).astype(int).tolist()
        cv2.ellipse(masks[index], centre, axes, generator.uniform(0, 180), 0, 360, 1, cv2.FILLED)
        window = window_of(masks[index].view(np.bool_))
        boxes[index] = (window.columns.start, window.rows.start, window.columns.stop, window.rows.stop)
    scores = np.linspace(0.95, 0.3, count, dtype=np.float32)
    return Detections(boxes, scores, scores, generator.integers(0, len(COCO), count), masks.view(np.bool_))


def measure_drawing(count: int, height: int, width: int, calls: int = CALLS) -> DrawingResult:
    """Draw `count` masks on one picture `calls` times, with masks of both kinds in turn."""
    image, found = synthetic_image(height, width), made_up_detections(count, height, width)
    windows = tuple(map(window_of, found.masks))
    windowed = WindowedDetections(found.boxes, found.scores, found.mask_scores, found.classes, windows, height, width)
    times: dict[str, list[float]] = {"whole": [], "windowed": []}
    for call in range(-_WARMUP_CALLS, calls):
        for name, detections in (("whole", found), ("windowed", windowed)):
            start = time.perf_counter()
            draw_detections(image, detections, COCO)
            if call >= 0:
                times[name].append(1e3 * (time.perf_counter() - start))
    return DrawingResult(count, width, height, *(statistics.median(values) for values in times.values()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of `python -m yolact_deploy.benchmarks.scripts.drawing`."""
    parser = argparse.ArgumentParser(description="How long drawing takes.")
    parser.add_argument("--masks", type=positive, default=MASKS)
    parser.add_argument("--size", default=SIZE, help="of the picture, WIDTHxHEIGHT in px")
    parser.add_argument("--calls", type=positive, default=CALLS)
    parser.add_argument("--json", type=Path, help="write the result to this file")
    options = parser.parse_args(arguments)
    try:
        size = ImageSize.parse(options.size)
        cv2.setNumThreads(1)  # as `infer` does
        result = measure_drawing(options.masks, size.height, size.width, options.calls)
        if options.json:
            write_json(options.json, {**asdict(result), "hardware": asdict(describe_hardware())})
    except YolactDeployError as error:
        console.fail(str(error))
        sys.exit(error.exit_status)
    console.say(
        f"{result.masks} masks on {result.width}x{result.height} px: {result.windowed_ms:.1f} ms as windows, "
        f"{result.whole_ms:.1f} ms as whole masks; medians of {options.calls}"
    )


if __name__ == "__main__":
    main()
