"""One network in several precisions and runtimes: end to end, in turn, in one process, as ratios.

    python -m yolact_deploy.benchmarks.scripts.runtimes [--config yolact_resnet50] [--threads 2] [--clock wall]
                                                        [--calibration FOLDER] [--json FILE]

OpenVINO takes part where it is installed. With --clock cpu the ratios are of the process's CPU time, which other
processes disturb less; then use --threads 1, since threads that wait for each other count as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolact_deploy import console
from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT, RAW_OUTPUTS
from yolact_deploy.benchmarks.accuracy.dataset import bundled_nano
from yolact_deploy.benchmarks.hardware import describe_hardware
from yolact_deploy.benchmarks.performance.memory import measure_peak_memory
from yolact_deploy.benchmarks.performance.split import split_graph
from yolact_deploy.benchmarks.performance.subprocesses import run_module
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.scripts.arguments import positive
from yolact_deploy.benchmarks.scripts.speed import interleave
from yolact_deploy.benchmarks.scripts.synthetic import synthetic_image, write_synthetic_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import write_bytes, write_json
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, ImageSize

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
FP32 = "fp32, ONNX Runtime"  # what the others are compared with


@dataclass(frozen=True)
class Files:
    """One network in several files."""

    weights: Path
    fp32: Path
    int8: Path

    def runs(self) -> dict[str, str | Path]:
        """What is measured end to end: title -> what `Predictor.open` takes."""
        found: dict[str, str | Path] = {
            FP32: self.fp32,
            "int8, ONNX Runtime": self.int8,
            "fp32, PyTorch, masks as the official code makes them": self.weights,
        }
        if importlib.util.find_spec("openvino") is not None:
            found |= {
                "fp32, OpenVINO": f"{self.fp32}@openvino",
                "bf16, OpenVINO": f"{self.fp32}@openvino-bf16",
                "int8, OpenVINO": f"{self.int8}@openvino",
            }
        return found


def make_files(given: argparse.Namespace, folder: Path, image: Image) -> Files:
    """The checkpoint, exported and in int8. Raises YolactDeployError."""
    weights = given.weights
    if weights is None:
        weights = folder / f"{given.config}_0_0.pth"  # as official checkpoints are named
        write_synthetic_checkpoint(weights, ModelConfig.named(given.config), image)
    files = Files(weights, folder / "fp32.onnx", folder / "int8.onnx")
    run_module("yolact_deploy", ["export", str(weights), "-o", str(files.fp32)], f"exporting {weights.name}")
    quantise = ["--int8", "--layout", "cpu", "--calibration", str(given.calibration), "--images", str(given.images)]
    run_module("yolact_deploy", ["convert-precision", str(files.fp32), *quantise, "-o", str(files.int8)], "quantising")
    return files


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All of it, as the JSON file has it. Raises YolactDeployError."""
    size = ImageSize.parse(given.image)
    image = synthetic_image(size.height, size.width)
    with tempfile.TemporaryDirectory(prefix="yolact-runtimes-") as name, ExitStack() as stack:
        folder = Path(name)
        files = make_files(given, folder, image)
        calls: dict[str, Callable[[], object]] = {"bare network, fp32, ONNX Runtime": _network(files, image, given)}
        counts, config = {}, given.config
        for title, model in files.runs().items():
            predictor = stack.enter_context(Predictor.open(model, device="cpu", threads=given.threads))
            calls[title] = _official(predictor, image) if model == files.weights else _end_to_end(predictor, image)
            counts[title] = len(predictor(image))
            config = predictor.metadata.config.name
        latencies = dict(zip(calls, interleave(list(calls.values()), given.rounds, CLOCKS[given.clock]), strict=True))
        picture = folder / "image.png"
        write_bytes(picture, _png(image))
        memory = {
            title: asdict(measure_peak_memory(path, [picture], "cpu", given.threads))
            for title, path in (("fp32", files.fp32), ("int8", files.int8))
        }
        return {
            "config": config,
            "weights": "synthetic" if given.weights is None else given.weights.name,
            "image": given.image,
            "threads": given.threads,
            "clock": given.clock,
            "rounds": given.rounds,
            "latency": {title: asdict(latency) for title, latency in latencies.items()},
            "times_fp32": {title: latencies[FP32].p50 / latency.p50 for title, latency in latencies.items()},
            "detections": counts,
            "file_bytes": {"fp32": files.fp32.stat().st_size, "int8": files.int8.stat().st_size},
            "memory": memory,
            "hardware": asdict(describe_hardware()),
        }


def _end_to_end(predictor: Predictor, image: Image) -> Callable[[], object]:
    return lambda: predictor(image)


def _official(predictor: Predictor, image: Image) -> Callable[[], object]:
    """The same pipeline as the official code does it: masks at image size, in PyTorch."""
    import torch

    from yolact_deploy.ops.postprocess import reference_detections

    runtime: Any = predictor.runtime
    height, width = image.shape[:2]

    def run() -> object:
        with torch.inference_mode():
            raw = runtime.network(runtime.preprocess(image[None]))
            resize = runtime.metadata.config.resize
            return reference_detections(raw, runtime.metadata.postprocess, height, width, resize=resize)[0]

    return run


def _network(files: Files, image: Image, given: argparse.Namespace) -> Callable[[], object]:
    from yolact_deploy.artifacts.onnx_file import metadata_of, read_exported
    from yolact_deploy.ops.preprocess import preprocess_numpy
    from yolact_deploy.runtimes.onnxruntime import create_session

    session = create_session(split_graph(files.fp32).network, files.fp32, "cpu", given.threads)
    config = metadata_of(read_exported(files.fp32), files.fp32).config
    feed = {NETWORK_INPUT: preprocess_numpy(image[None], config)}
    return lambda: session.run(list(RAW_OUTPUTS), feed)


def _png(image: Image) -> bytes:
    import cv2

    return cv2.imencode(".png", image)[1].tobytes()


def lines_of(found: dict[str, Any]) -> list[str]:
    """The result in words."""
    latencies = {title: Latency(**values) for title, values in found["latency"].items()}
    return [
        f"{found['config']}, {found['weights']} weights; image {found['image']}; {found['threads']} threads; "
        f"{found['rounds']} rounds; {found['clock']} time",
        *(
            f"{title:54} {latency.p50:9.2f} ms  {found['times_fp32'][title]:5.2f} times {FP32}"
            for title, latency in latencies.items()
        ),
        *(
            f"{title}: file {console.size_text(found['file_bytes'][title])}, peak memory "
            f"{console.size_text(found['memory'][title]['peak_bytes'])}"
            for title in found["memory"]
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m yolact_deploy.benchmarks.scripts.runtimes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default="yolact_resnet50", help="for synthetic weights (default: %(default)s)")
    parser.add_argument("--weights", type=Path, help="a checkpoint instead of synthetic weights")
    parser.add_argument("--calibration", type=Path, default=bundled_nano().folder, help="pictures (default: bundled)")
    parser.add_argument("--images", type=positive, default=16, help="of them (default: %(default)s)")
    parser.add_argument("--image", default="640x480", metavar="WIDTHxHEIGHT", help="px (default: %(default)s)")
    parser.add_argument("--threads", type=positive, default=2, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=20, help="(default: %(default)s)")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        found = measure(given)
        if given.json:
            write_json(given.json, found)
    except YolactDeployError as error:
        console.fail(str(error))
        return error.exit_status
    for line in lines_of(found):
        console.say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
