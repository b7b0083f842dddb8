"""One call for every kind of model file: image in, detections out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .artifacts.metadata import ModelMetadata
from .config.class_names import checked_names
from .config.model import ModelConfig
from .config.postprocess import PostprocessConfig
from .config.thresholds import (
    GivenThresholds,
    by_name,
    checked_score,
    class_thresholds,
    given_thresholds,
    lowest_scores,
    merged,
)
from .errors import YolactDeployError
from .images import as_image, several_images
from .ops.masks import boolean_masks, mask_windows
from .ops.view import View
from .runtimes.base import Runtime
from .runtimes.opening import DEVICES, OpeningOptions, model_choice, open_runtime
from .types import Detections, FloatArray, Image, NetworkDetections, WindowedDetections

__all__ = ["DEVICES", "Predictor"]


class Predictor:
    """A model that is ready to run: `Predictor.open`. Use it as a context manager, or call `close`.

    Use one in each thread, and open one in each process that is forked. A pickled one opens its file again.
    """

    def __init__(
        self,
        runtime: Runtime,
        score_threshold: float = 0.0,
        thresholds: GivenThresholds | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """For a runtime that is loaded already; for the others see `open`. Raises ConfigError as that does."""
        if isinstance(runtime, (str, os.PathLike)):
            raise YolactDeployError(f"open a file with Predictor.open({os.fspath(runtime)!r})")
        self.runtime = runtime
        self.metadata: ModelMetadata = runtime.metadata.with_class_names(class_names)
        """Configuration, class names, thresholds and origin of the model."""
        self._given = class_thresholds(given_thresholds(thresholds), self.metadata.config.class_names)
        self._score_threshold = checked_score(score_threshold)
        self._opened_with: OpeningOptions | None = None
        self._is_closed = False
        self._process = os.getpid()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        score_threshold: float = 0.0,
        thresholds: GivenThresholds | None = None,
        class_names: Sequence[str] | None = None,
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
        for the runtime's default. score_threshold: detections that score less are left out. thresholds: scores by class
        name, or a JSON file of them; of a class that is named they decide alone, of the others those in the model's
        file, but not below `score_threshold`. class_names: in place of the model's, one for each class. config and
        postprocess: for checkpoints; other files bring their own. trust: open an engine that has no manifest, although
        an engine file can run any code; `config` says what it detects. plugins: the plugin library for an engine that
        uses one; if left out, the one beside the engine with the name in its manifest, or the one of `build-plugins`,
        whichever is first the manifest's or from the same sources. shares_cores: other threads have work for the CPU
        while the model runs, so ONNX Runtime's threads sleep when they wait; spinning, which is a little faster alone,
        would take the cores from the others. runtime: openvino, or onnxruntime, the default, for an ONNX file;
        precision: bf16 or fp32, the default, in OpenVINO. A path such as model.onnx@openvino-bf16 says both.
        family: the code that wrote a checkpoint, where its tensors do not tell.

        Raises ModelFileError or CheckpointError for a file that cannot be used, ConfigError for a score that is not
        from 0 to 1 or a class that the model does not have, MissingDependencyError.
        """
        checked_score(score_threshold)  # before the model is loaded, which takes its time
        given = given_thresholds(thresholds)
        options = OpeningOptions(
            model=model_choice(path, runtime, precision),
            device=device,
            threads=threads,
            config=config,
            postprocess=postprocess,
            family=family,
            class_names=None if class_names is None else checked_names(class_names),
            trust=trust,
            plugins=None if plugins is None else Path(plugins),
            shares_cores=shares_cores,
        )
        return cls._opened(options, score_threshold, given)

    @classmethod
    def _opened(cls, options: OpeningOptions, score_threshold: float, thresholds: GivenThresholds) -> Predictor:
        runtime = open_runtime(options)
        try:
            predictor = cls(runtime, score_threshold, thresholds, options.class_names)
        except BaseException:
            runtime.close()
            raise
        predictor._opened_with = options.absolute()
        return predictor

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: the file is opened again, as it was."""
        if self._opened_with is None:
            raise YolactDeployError("only a predictor from Predictor.open can be pickled: it opens its file again")
        given = by_name(self._given, self.metadata.config.class_names)
        return _opened_again, (type(self), self._opened_with, self.score_threshold, given)

    @property
    def score_threshold(self) -> float:
        """Detections that score less are left out, but for classes that the given thresholds name; 0..1."""
        return self._score_threshold

    @score_threshold.setter
    def score_threshold(self, value: float) -> None:
        self._score_threshold = checked_score(value)

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds by class name, of the file and of `open`, that hold in place of `score_threshold`."""
        return by_name(merged(self.metadata.thresholds, self._given), self.metadata.config.class_names)

    @property
    def description(self) -> str:
        """What runs the model, and where."""
        return self.runtime.description

    def __repr__(self) -> str:
        config, options = self.metadata.config, self._opened_with
        of = "" if options is None else f" of {options.model.file.name}"
        state = "closed" if self._is_closed else self.description
        count = f"{config.num_classes} class{'' if config.num_classes == 1 else 'es'}"
        return f"<Predictor{of}: {config.name}, {count}, {self.metadata.precision}, {state}>"

    def __call__(self, image: Any) -> Detections:
        """Detections of one image: uint8 [H,W,3] BGR, the path of a picture, or a PIL image.

        Raises ImageError for anything else.
        """
        return self._detections([as_image(image)])[0]

    def batch(self, images: Sequence[Any]) -> list[Detections]:
        """Detections of several images, in order; neighbours of equal size run together where the model allows.

        images: a list of what a call takes, or an array [N,H,W,3]. Raises ImageError.
        """
        return self._detections([as_image(image) for image in several_images(images)])

    def _detections(self, images: Sequence[Image]) -> list[Detections]:
        pairs = zip(self.detect(images), images, strict=True)
        return [self.finish(self.keep(found), *image.shape[:2]) for found, image in pairs]

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """What the model itself gives for each image, uint8 [H,W,3] BGR, in order, whatever it scores; `keep` and
        `finish` make Detections of it.

        Raises YolactDeployError in a process forked after `open`: threads and GPU contexts do not survive a fork, and
        the call would wait for ever.
        """
        if os.getpid() != self._process:
            raise YolactDeployError("this predictor was opened before the process was forked: open one in each process")
        return self.runtime.detect(images)

    def lowest_scores(self, default: float = 0.0) -> float | FloatArray:
        """The lowest score that counts, of all classes, or of each [C] where classes have thresholds.

        default: for classes that have none, where it is higher than `score_threshold`.
        """
        lowest = lowest_scores(self.metadata.thresholds, self._given, self.score_threshold, default)
        return np.array(lowest, np.float32) if isinstance(lowest, tuple) else lowest

    def keep(self, found: NetworkDetections) -> NetworkDetections:
        """What reaches the score threshold, or its class's threshold; still best first."""
        return found.above(self.lowest_scores())

    def finish(self, found: NetworkDetections, height: int, width: int) -> Detections:
        """The same with boxes in pixels and masks at image size."""
        view = self.view(height, width)
        return Detections(
            boxes=view.pixels(found.boxes),
            scores=found.scores,
            mask_scores=found.mask_scores,
            classes=found.classes,
            masks=boolean_masks(found, view),
            class_names=self.metadata.config.class_names,
        )

    def finish_windowed(self, found: NetworkDetections, height: int, width: int) -> WindowedDetections:
        """The same with each mask only where it is set, which takes less time and memory."""
        view = self.view(height, width)
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
        self._is_closed = True
        self.runtime.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened_again(
    cls: type[Predictor], options: OpeningOptions, score_threshold: float, thresholds: dict[str, float]
) -> Predictor:
    """What `pickle` calls."""
    return cls._opened(options, score_threshold, thresholds)
