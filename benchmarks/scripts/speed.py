"""What end to end costs on top of the bare network, and what it saves against the official way of doing it.

    python -m yolact_deploy.benchmarks.scripts.speed [--config yolact_resnet50] [--threads 2] [--image 640x480]

Three things run in turn, in one process, on the same image and weights:

a. the bare network in ONNX Runtime: network input -> raw outputs;
b. end to end in ONNX Runtime: `predictor(image)`, uint8 image -> boolean masks at image size;
c. the same pipeline in PyTorch eager with full-size masks, as the official code does it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from yolact_deploy import console
from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT, RAW_OUTPUTS
from yolact_deploy.benchmarks.hardware import Hardware, describe_hardware
from yolact_deploy.benchmarks.performance.memory import MemoryUse, measure_peak_memory
from yolact_deploy.benchmarks.performance.split import split_graph
from yolact_deploy.benchmarks.performance.subprocesses import run_module
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.scripts.synthetic import synthetic_image, write_synthetic_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.dependencies import require
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import write_bytes, write_json
from yolact_deploy.images import read_image
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, ImageSize

MAX_OVERHEAD = 1.08  # goal: end to end over bare network
MIN_SPEEDUP = 1.6  # goal: official way over end to end
MAX_PEAK_BYTES = 1_200_000_000  # goal: peak resident memory of b in a process of its own
WARMUP_ROUNDS = 1
DEFAULT_ROUNDS = 20


@dataclass(frozen=True)
class SpeedOptions:
    """What to compare."""

    config: str = "yolact_resnet50"
    threads: int = 2
    width: int = 640  # px, of the synthetic image
    height: int = 480
    rounds: int = DEFAULT_ROUNDS
    weights: Path | None = None  # None: synthetic
    onnx: Path | None = None  # the same weights, exported; None: exported into a temporary folder
    image_file: Path | None = None  # None: synthetic


@dataclass(frozen=True)
class SpeedReport:
    """The three latencies and what follows from them."""

    model: str
    weights: str
    image: str
    threads: int
    network: Latency  # a
    end_to_end: Latency  # b
    eager: Latency  # c
    detections: int  # in b
    eager_detections: int  # in c
    memory: MemoryUse  # of b, in a process of its own
    hardware: Hardware

    @property
    def overhead(self) -> float:
        """End to end over bare network."""
        return self.end_to_end.p50 / self.network.p50

    @property
    def speedup(self) -> float:
        """FPS of b over FPS of c."""
        return self.eager.p50 / self.end_to_end.p50


def compare_speed(options: SpeedOptions) -> SpeedReport:
    """Measure; minutes for a full-size network. Raises YolactDeployError for options and files that do not work."""
    if options.onnx is not None and options.weights is None:
        raise YolactDeployError("an exported file alone cannot be compared: name the checkpoint that it was made from")
    if options.rounds < 1:
        raise YolactDeployError(f"rounds {options.rounds}: 1 or more")
    with tempfile.TemporaryDirectory(prefix="yolact-speed-") as name, ExitStack() as stack:
        folder = Path(name)
        image, image_path = _image(options, folder)
        weights = options.weights or _synthetic_weights(options, folder, image)
        onnx = options.onnx or _exported(weights, folder)
        predictor = stack.enter_context(Predictor.open(onnx, device="cpu", threads=options.threads))
        eager = stack.enter_context(Predictor.open(weights, device="cpu", threads=options.threads))
        calls, counts = _calls(predictor, eager, onnx, image, options.threads)
        network, end_to_end, official = interleave(calls, options.rounds)
        return SpeedReport(
            model=predictor.metadata.config.name,
            weights=options.weights.name if options.weights else "synthetic",
            image=f"{image.shape[1]}x{image.shape[0]} px, "
            + (options.image_file.name if options.image_file else "synthetic"),
            threads=options.threads,
            network=network,
            end_to_end=end_to_end,
            eager=official,
            detections=counts[0],
            eager_detections=counts[1],
            memory=measure_peak_memory(onnx, [image_path], "cpu", options.threads),
            hardware=describe_hardware(),
        )


def interleave(
    calls: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[Latency]:
    """Latency of each call by `clock`, s.

    They take turns, each round in another order, so that whatever the machine does besides hits all of them alike; each
    runs once untimed before it is timed, while threads of the last one still spin.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    for round_number in range(-WARMUP_ROUNDS, rounds):
        for position in range(len(calls)):
            index = (position + round_number) % len(calls)
            calls[index]()
            start = clock()
            calls[index]()
            if round_number >= 0:
                seconds[index].append(clock() - start)
    return [Latency.of(part) for part in seconds]


def _calls(
    predictor: Predictor, eager: Predictor, onnx: Path, image: Image, threads: int
) -> tuple[list[Callable[[], Any]], tuple[int, int]]:
    """The calls a, b and c, and how many detections b and c find."""
    from yolact_deploy.ops.postprocess import reference_detections
    from yolact_deploy.runtimes.onnxruntime import create_session

    runtime: Any = eager.runtime
    session = create_session(split_graph(onnx).network, onnx, "cpu", threads)
    tensor = runtime.preprocess(image[None])
    inputs = {NETWORK_INPUT: tensor.numpy()}
    height, width = image.shape[:2]

    def official() -> Any:
        with require("torch", "the comparison").inference_mode():
            raw = runtime.network(runtime.preprocess(image[None]))
            resize = runtime.metadata.config.resize
            return reference_detections(raw, runtime.metadata.postprocess, height, width, resize=resize)[0]

    counts = (len(predictor(image)), len(official()))
    return [lambda: session.run(list(RAW_OUTPUTS), inputs), lambda: predictor(image), official], counts


def _image(options: SpeedOptions, folder: Path) -> tuple[Image, Path]:
    if options.image_file is not None:
        return read_image(options.image_file), options.image_file
    image = synthetic_image(options.height, options.width)
    path = folder / "image.png"
    write_bytes(path, cv2.imencode(".png", image)[1].tobytes())
    return image, path


def _synthetic_weights(options: SpeedOptions, folder: Path, image: Image) -> Path:
    require("torch", "making weights")
    path = folder / f"{options.config}_0_0.pth"  # as official checkpoints are named
    write_synthetic_checkpoint(path, ModelConfig.named(options.config), image)
    return path


def _exported(weights: Path, folder: Path) -> Path:
    path = folder / "model.onnx"
    run_module("yolact_deploy", ["export", str(weights), "-o", str(path)], f"exporting {weights.name}")
    return path


def lines_of(report: SpeedReport) -> list[str]:
    """The result in words."""
    rows = (
        ("a  bare network, ONNX Runtime", report.network),
        ("b  end to end, ONNX Runtime", report.end_to_end),
        ("c  end to end, PyTorch eager, full-size masks", report.eager),
    )
    peak = report.memory.peak_bytes
    return [
        f"{report.model}, {report.weights} weights; image {report.image}; {report.threads} threads; "
        f"{report.network.iterations} rounds",
        *(f"{name:46} {row.p50:9.2f} ms  {row.fps():7.2f} FPS   p90 {row.p90:9.2f} ms" for name, row in rows),
        f"end to end / bare network (b / a): {report.overhead:.3f}, goal at most {MAX_OVERHEAD}: "
        f"{_met(report.overhead <= MAX_OVERHEAD)}",
        f"FPS against the official way (c / b): {report.speedup:.2f}, goal at least {MIN_SPEEDUP}: "
        f"{_met(report.speedup >= MIN_SPEEDUP)}",
        f"peak memory of b: {console.size_text(peak)} ({report.memory.source}), "
        f"goal below {console.size_text(MAX_PEAK_BYTES)}: {_met(peak < MAX_PEAK_BYTES)}",
        f"detections: {report.detections} in b, {report.eager_detections} in c",
        *report.hardware.lines(),
    ]


def _met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m yolact_deploy.benchmarks.scripts.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default=SpeedOptions.config, help="a named configuration, for synthetic weights")
    parser.add_argument("--threads", type=int, default=SpeedOptions.threads)
    parser.add_argument("--image", default="640x480", metavar="WIDTHxHEIGHT", help="size of the synthetic image, px")
    parser.add_argument("--image-file", type=Path, help="a picture instead")
    parser.add_argument("--weights", type=Path, help="a checkpoint instead of synthetic weights")
    parser.add_argument("--onnx", type=Path, help="the exported checkpoint, if that is done already")
    parser.add_argument("--rounds", type=int, default=SpeedOptions.rounds)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        size = ImageSize.parse(given.image)
        report = compare_speed(
            SpeedOptions(
                given.config,
                given.threads,
                size.width,
                size.height,
                given.rounds,
                given.weights,
                given.onnx,
                given.image_file,
            )
        )
        if given.json:
            write_json(given.json, {**asdict(report), "overhead": report.overhead, "speedup": report.speedup})
    except YolactDeployError as error:
        console.fail(str(error))
        return error.exit_status
    for line in lines_of(report):
        console.say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
