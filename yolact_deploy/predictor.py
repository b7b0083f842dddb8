"""One call for every kind of model file: image in, detections out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .artifacts.kinds import Kind, kind_of
from .artifacts.metadata import ModelMetadata
from .artifacts.runtime_choice import OPENVINO, RuntimeChoice
from .config.model import ModelConfig, PostprocessConfig
from .dependencies import require
from .errors import YolactDeployError
from .images import checked_image
from .ops.masks import boolean_masks, mask_windows
from .ops.view import View
from .runtimes.base import Runtime
from .types import Detections, Image, NetworkDetections, WindowedDetections

DEVICES = ("auto", "cpu", "cuda")


class Predictor:
    """A model that is ready to run. Use it as a context manager, or call `close`."""

    def __init__(self, runtime: Runtime, score_threshold: float = 0.0) -> None:
        """score_threshold: detections below it are left out before their masks are made."""
        self.runtime = runtime
        self.score_threshold = score_threshold
        self._process = os.getpid()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        score_threshold: float = 0.0,
        config: ModelConfig | None = None,
        postprocess: PostprocessConfig | None = None,
        trust: bool = False,
        plugins: str | Path | None = None,
        shares_cores: bool = False,
        runtime: str | None = None,
        precision: str | None = None,
        family: str | None = None,
    ) -> Predictor:
        """Open a checkpoint (.pth, .pt, .safetensors) in PyTorch, an exported .onnx file in ONNX Runtime, or an engine
        (.engine, .plan, .trt) in TensorRT or TensorRT for RTX, whichever built it.

        device: auto (CUDA where present), cpu or cuda; `description` says which it became. threads: CPU threads, None
        for the runtime's default. config and postprocess: for checkpoints; other files bring their own. trust: open an
        engine that has no manifest, although an engine file can run any code; `config` says what it detects.
        plugins: the plugin library for an engine that uses one; if left out, the one beside the engine with the name in
        its manifest, or the one of `build-plugins`, whichever is first the manifest's or from the same sources.
        shares_cores: other threads have work for the CPU while the model runs, so ONNX Runtime's threads sleep when
        they wait; spinning, which is a little faster alone, would take the cores from the others. runtime: openvino, or
        onnxruntime, the default, for an ONNX file; precision: bf16 or fp32, the default, in OpenVINO. A path such as
        model.onnx@openvino-bf16 says both. family: the code that wrote a checkpoint, where its tensors do not tell.

        Raises ModelFileError or CheckpointError for a file that cannot be used, MissingDependencyError.
        """
        chosen = RuntimeChoice.parse(Path(path))
        if runtime is not None or precision is not None:
            chosen = RuntimeChoice(Path(path), runtime, precision)
        path = chosen.file
        if device not in DEVICES:
            raise YolactDeployError(f"unknown device {device!r}: use one of {', '.join(DEVICES)}")
        if threads is not None and threads < 1:
            raise YolactDeployError(f"threads {threads}: 1 or more")
        kind = kind_of(path)
        if plugins is not None and kind is not Kind.ENGINE:
            raise YolactDeployError(f"{path} is no engine, and only engines use plugins: leave out the plugin library")
        if chosen.runtime is not None and kind is not Kind.ONNX:
            raise YolactDeployError(f"{path} is no ONNX file, and a runtime is chosen for those alone")
        if family is not None and kind is not Kind.CHECKPOINT:
            raise YolactDeployError(f"{path} is no checkpoint, and only those are of a family: leave out the family")
        if kind is Kind.CHECKPOINT:
            require("torch", "running a checkpoint")
            from .runtimes.pytorch import PyTorchRuntime

            return cls(PyTorchRuntime(path, device, threads, config, postprocess, family), score_threshold)
        if kind is Kind.ONNX:
            if config is not None or postprocess is not None:
                raise YolactDeployError(f"{path} brings its own configuration: export it again to change that")
            if chosen.runtime == OPENVINO:
                from .runtimes.openvino import OpenVinoRuntime

                return cls(OpenVinoRuntime(path, device, threads, chosen.precision), score_threshold)
            from .runtimes.onnxruntime import OnnxRuntime

            return cls(OnnxRuntime(path, device, threads, shares_cores), score_threshold)
        if device == "cpu":
            raise YolactDeployError(f"{path}: an engine runs on an NVIDIA GPU only; on the CPU, run its .onnx file")
        from .runtimes.tensorrt import TensorRTRuntime

        library = None if plugins is None else Path(plugins)
        return cls(TensorRTRuntime(path, trust, config, postprocess, plugins=library), score_threshold)

    @property
    def metadata(self) -> ModelMetadata:
        """Configuration, class names, thresholds and origin of the model."""
        return self.runtime.metadata

    @property
    def description(self) -> str:
        """What runs the model, and where."""
        return self.runtime.description

    def __call__(self, image: Any) -> Detections:
        """Detections of one image, uint8 [H,W,3] BGR. Raises ImageError for anything else."""
        return self.batch([image])[0]

    def batch(self, images: Sequence[Any]) -> list[Detections]:
        """Detections of several images, in order; neighbours of equal size run together where the model allows."""
        checked = [checked_image(image) for image in images]
        found = self.detect(checked)
        return [self.finish(detections, *image.shape[:2]) for detections, image in zip(found, checked, strict=True)]

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """What the model itself gives for each image, uint8 [H,W,3] BGR, in order; `finish` makes Detections of it.

        Raises YolactDeployError in a process forked after `open`: threads and GPU contexts do not survive a fork, and
        the call would wait for ever.
        """
        if os.getpid() != self._process:
            raise YolactDeployError("this predictor was opened before the process was forked: open one in each process")
        return self.runtime.detect(images)

    def finish(self, found: NetworkDetections, height: int, width: int) -> Detections:
        """Boxes in pixels and masks at image size, only for what reaches the score threshold."""
        found, view = found.above(self.score_threshold), self.view(height, width)
        return Detections(
            boxes=view.pixels(found.boxes),
            scores=found.scores,
            mask_scores=found.mask_scores,
            classes=found.classes,
            masks=boolean_masks(found, view),
        )

    def finish_windowed(self, found: NetworkDetections, height: int, width: int) -> WindowedDetections:
        """The same with each mask only where it is set, which takes less time and memory."""
        found, view = found.above(self.score_threshold), self.view(height, width)
        return WindowedDetections(
            boxes=view.pixels(found.boxes),
            scores=found.scores,
            mask_scores=found.mask_scores,
            classes=found.classes,
            masks=mask_windows(found, view),
            height=height,
            width=width,
        )

    def view(self, height: int, width: int) -> View:
        """What the model sees of an image of `height` x `width` px."""
        return View.of(self.metadata.config.resize, height, width)

    def close(self) -> None:
        """Give back what the model holds."""
        self.runtime.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
