"""Models on the bundled pictures in a process of their own, compared with what the PyTorch reference finds.

`python -m yolact_deploy.benchmarks.selftest.pictures MODEL...` opens all of them at once, gives each picture to each in
turn, and prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.benchmarks.accuracy.dataset import bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult
from yolact_deploy.benchmarks.accuracy.parity import gate_for, judge
from yolact_deploy.benchmarks.performance.device_times import keeps_device_times
from yolact_deploy.benchmarks.performance.timing import Latency, Schedule, measure_round
from yolact_deploy.benchmarks.selftest.stored import Picture, Stored, average_precision, find
from yolact_deploy.dependencies import require
from yolact_deploy.errors import MissingDependencyError, ModelFileError, YolactDeployError
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

MIN_AREA_AGREEMENT = {"fp32": 0.998, "fp16": 0.98}  # mean of smaller by larger mask area
SCORE_TOLERANCE = 1e-3  # between two runs of one model on one picture
AGAIN = 8  # pictures that are run again, in another order
IN_A_ROW = 3  # times: an engine's second call with a size is captured as a CUDA graph, its third one launches that


def examine(models: Sequence[Path], device: str, seconds: float) -> dict[str, Any]:
    """Run `models` side by side, then time the first for `seconds`.

    Raises YolactDeployError when a model does not open, run, or was not made from the bundled checkpoint.
    """
    stored, dataset = Stored.read(), load_dataset(bundled_nano().folder)
    images = [(image.id, image.read()) for image in dataset.images]
    with_masks = _has_pycocotools()
    with ExitStack() as stack:
        predictors = [stack.enter_context(Predictor.open(path, device=device)) for path in models]
        for path, predictor in zip(models, predictors, strict=True):
            if predictor.metadata.checkpoint_sha256 != stored.checkpoint_sha256:
                raise ModelFileError(f"{path} was not made from the bundled checkpoint ({bundled_nano().weights.name})")
        found: list[dict[int, Picture]] = [{} for _ in models]
        results: list[list[ImageResult]] = [[] for _ in models]
        for key, image in images:  # of eight sizes, hardly two of one in a row
            for index, predictor in enumerate(predictors):
                found[index][key], result = find(predictor, key, image, with_masks)
                results[index] += [] if result is None else [result]
        judged = []
        for path, predictor, pictures, counted in zip(models, predictors, found, results, strict=True):
            average = average_precision(dataset, counted, predictor.metadata.config) if with_masks else None
            judged.append({"model": path.name, **_judge(stored, predictor.metadata, pictures, average)})
        for key, image in images[:AGAIN][::-1]:
            for index, predictor in enumerate(predictors):
                again = [find(predictor, key, image, with_masks=False)[0] for _ in range(IN_A_ROW)]
                if not all(_is_same(found[index][key], picture) for picture in again):
                    judged[index]["failures"].append(f"picture {key} gives something else when it is run again")
        timed = _time(predictors[0], images[0][1], seconds)
    sizes = len({image.shape for _, image in images})
    return {"pictures": len(images), "sizes": sizes, "models": judged, **timed}


def _judge(
    stored: Stored, metadata: ModelMetadata, found: dict[int, Picture], average: tuple[float, float] | None
) -> dict[str, Any]:
    """The gate of `bench`, and the areas of the masks."""
    parity, agreement = stored.compare(found, average)
    failures = list(judge(parity, gate_for(metadata.precision)).failures)
    if not parity.matches.total:
        failures.append("nothing is detected")
    required = MIN_AREA_AGREEMENT.get(metadata.precision, min(MIN_AREA_AGREEMENT.values()))
    if not agreement >= required:
        failures.append(f"mask areas agree by {agreement:.2%}, required are {required:.1%}")
    return {
        "precision": metadata.precision,
        "matched": parity.matches.matched,
        "looked_up": parity.matches.total,
        "box_ap_difference": parity.box_difference,  # points; null without pycocotools
        "mask_ap_difference": parity.mask_difference,
        "mask_area_agreement": agreement,
        "failures": failures,
    }


def _is_same(first: Picture, second: Picture) -> bool:
    return (
        np.array_equal(first.classes, second.classes)
        and np.allclose(first.scores, second.scores, rtol=0, atol=SCORE_TOLERANCE)
        and np.array_equal(first.areas > 0, second.areas > 0)
    )


def _time(predictor: Predictor, image: Image, seconds: float) -> dict[str, Any]:
    """From one picture, again and again, to its detections with masks at image size."""
    gpu_ms: list[float] = []
    runtime: Any = predictor.runtime

    def call(index: int) -> None:
        predictor(image)
        if keeps_device_times(predictor):
            gpu_ms.append(runtime.stage_times().gpu)

    schedule = Schedule(duration=seconds)
    (part,) = schedule.parts()
    latency = Latency.of_rounds([measure_round(call, part, schedule.warmup)])
    return {
        "description": predictor.description,
        "fps": latency.fps(),
        "ms": latency.p50,
        "p99_ms": latency.p99,
        "gpu_ms": float(np.median(gpu_ms)) if gpu_ms else None,
    }


def _has_pycocotools() -> bool:
    try:
        require("pycocotools.mask", "computing AP")
    except MissingDependencyError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m yolact_deploy.benchmarks.selftest.pictures", description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to time the first model")
    options = parser.parse_args(arguments)
    try:
        print(json.dumps(examine(options.models, options.device, options.seconds)))
    except YolactDeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
