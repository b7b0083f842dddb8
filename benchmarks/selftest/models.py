"""Checks of models: the export, every runtime here, and engines of every kind, on the bundled pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.selftest.check import FailedError, Finding, SkippedError
from yolact_deploy.benchmarks.selftest.context import COMMAND, CheckContext

PICTURES = "yolact_deploy.benchmarks.selftest.pictures"
EXPORT, RUN_PYTORCH = "export a checkpoint to ONNX", "run a checkpoint (PyTorch)"  # abilities, as the doctor names them
ON_CPU, ON_CUDA = "run an ONNX file on the CPU", "run an ONNX file on CUDA"
BUILD = {"tensorrt": "build TensorRT engines", "tensorrt-rtx": "build TensorRT for RTX engines"}
RUN = {"tensorrt": "run TensorRT engines", "tensorrt-rtx": "run TensorRT for RTX engines"}
_EXPORT_SECONDS, _BUILD_SECONDS, _RUN_SECONDS = 120, 180, 120
_TIMED_SECONDS = 2.0


@dataclass(frozen=True)
class EngineKind:
    """A kind of engine to build and run."""

    name: str
    precision: str  # fp32 or fp16
    plugins: bool
    image_masks: bool = False
    runtime: str = "tensorrt"

    def path(self, context: CheckContext) -> Path:
        """Where it is built."""
        return context.folder / f"{self.name.replace(' ', '-')}.engine"


FP32_PLUGINS = EngineKind("TensorRT fp32 with plugins", "fp32", plugins=True)
FP16_PLUGINS = EngineKind("TensorRT fp16 with plugins", "fp16", plugins=True)
ENGINES = (
    EngineKind("TensorRT fp32", "fp32", plugins=False),
    EngineKind("TensorRT fp16", "fp16", plugins=False),
    FP32_PLUGINS,
    FP16_PLUGINS,
    EngineKind("TensorRT fp16 with plugins and image-size masks", "fp16", plugins=True, image_masks=True),
    EngineKind("TensorRT for RTX fp16", "fp16", plugins=False, runtime="tensorrt-rtx"),
)


def export(context: CheckContext) -> Finding:
    """The bundled checkpoint becomes an ONNX file, which gives the same."""
    if context.model is not None:
        raise SkippedError(f"{context.model} is used")
    return _export(context, context.onnx)


def export_image_masks(context: CheckContext) -> Finding:
    """The same with masks at image size."""
    return _export(context, image_masks_onnx(context), "--masks", "image")


def image_masks_onnx(context: CheckContext) -> Path:
    """Where the export with masks at image size is."""
    return context.folder / "nano.image-masks.onnx"


def pytorch(context: CheckContext) -> Finding:
    """PyTorch, on the GPU where it can."""
    context.need_ability(RUN_PYTORCH)
    return _run(context, [context.weights])


def onnx_runtime(context: CheckContext, device: str) -> Finding:
    """The exported file in ONNX Runtime. device: cpu or cuda."""
    context.need_ability(ON_CPU if device == "cpu" else ON_CUDA)
    return _run(context, [_need_file(context.onnx)], device)


def engine(context: CheckContext, kind: EngineKind) -> Finding:
    """An engine is built and runs."""
    context.need("gpu")
    context.need_ability(BUILD[kind.runtime], RUN[kind.runtime])
    source = _need_file(image_masks_onnx(context) if kind.image_masks else context.onnx)
    words = ["build-engine", source, "--output", kind.path(context), "--runtime", kind.runtime]
    words += ["--fp16"] if kind.precision == "fp16" else []
    if kind.runtime == "tensorrt":
        words += ["--plugins", context.library() if kind.plugins else "none"]
    context.run(COMMAND, words, "building the engine", _BUILD_SECONDS)
    return _run(context, [kind.path(context)])


def two_engines(context: CheckContext) -> Finding:
    """Two engines with plugins in one process, called in turn."""
    context.need("gpu")
    context.need_ability(RUN[FP32_PLUGINS.runtime])
    return _run(context, [_need_file(kind.path(context)) for kind in (FP32_PLUGINS, FP16_PLUGINS)])


def _export(context: CheckContext, output: Path, *options: str) -> Finding:
    context.need_ability(EXPORT)
    context.run(COMMAND, ["export", context.weights, "--output", output, *options], "exporting", _EXPORT_SECONDS)
    return Finding("equals the checkpoint on one picture", {"bytes": output.stat().st_size})


def _need_file(path: Path) -> Path:
    if not path.is_file():
        advice = "; name an export of the bundled checkpoint with --model" if path.suffix == ".onnx" else ""
        raise SkippedError(f"there is no {path.name} here{advice}")
    return path


def _run(context: CheckContext, models: Sequence[Path], device: str = "auto") -> Finding:
    words = [*models, "--device", device, "--seconds", _TIMED_SECONDS]
    printed = context.run(PICTURES, words, "running the pictures", _RUN_SECONDS)
    found: dict[str, Any] = json.loads(printed.strip().splitlines()[-1])
    failures = [f"{model['model']}: {failure}" for model in found["models"] for failure in model["failures"]]
    if failures:
        raise FailedError("; ".join(failures), found)
    shares = " and ".join(f"{model['matched']} of {model['looked_up']}" for model in found["models"])
    on_gpu = "" if found["gpu_ms"] is None else f", {found['gpu_ms']:.2f} ms of it on the GPU"
    speed = f"{found['fps']:.0f} FPS, {found['ms']:.2f} ms per picture{on_gpu}"
    return Finding(f"{shares} detections match; {speed}; {found['description']}", found)
