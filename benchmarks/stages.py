"""Time a model end to end, and its stages apart: preprocess, network, post-process, masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..dependencies import require
from ..errors import YolactDeployError
from ..predictor import Predictor
from ..preprocess import preprocess_numpy
from ..types import Image, NetworkDetections
from .device_times import DeviceTimes, time_device
from .split import NETWORK_INPUT, RAW_OUTPUTS, split_graph
from .timing import Latency, Schedule, measure_latency

STAGES = ("preprocess", "network", "postprocess", "masks")
REGIONS = {  # what is inside each measured region, in words
    "end_to_end": "uint8 image on the host -> boxes, scores, classes and boolean masks at image size on the host",
    "preprocess": "uint8 image -> network input (resize, normalise, channel order)",
    "network": "network input -> raw outputs (loc, conf, coef, proto)",
    "postprocess": "raw outputs -> Fast NMS and masks at prototype size, or packed ones at image size",
    "masks": "these masks -> boolean masks at image size, on the host",
}

STAGE_IMAGES = 8  # whose tensors are held between two stages

Advance = Callable[[str, int, int], None]  # what is measured, how much is done, of how much


@dataclass(frozen=True)
class Timing:
    """Measured wall-clock times of a model, ms a call. Images are decoded before, and cycled through."""

    images_per_call: int  # 1, or the batch of a file that takes only that
    end_to_end: Latency
    stages: dict[str, Latency] | None  # one each of STAGES; None when the model cannot be run in stages
    stages_note: str  # how the stages were run, or why not
    device: DeviceTimes | None = None  # of an engine; None for the others

    @property
    def network(self) -> Latency | None:
        """The bare network."""
        return self.stages["network"] if self.stages else None


class StagedModel(Protocol):
    """A model whose stages can be called one by one. Each call has finished its work when it returns."""

    note: str

    def preprocess(self, batch: np.ndarray) -> Any:
        """uint8 [B,H,W,3] BGR -> what `network` takes."""
        ...

    def network(self, tensor: Any) -> Any:
        """-> raw outputs, in whatever form `postprocess` takes."""
        ...

    def postprocess(self, raw: Any) -> list[NetworkDetections]:
        """-> the detections of each image."""
        ...


def time_model(
    predictor: Predictor,
    path: Path,
    images: Sequence[Image],
    schedule: Schedule,
    device: str = "auto",
    threads: int | None = None,
    advance: Advance = lambda what, done, total: None,
) -> Timing:
    """Measure the open model `predictor` of the file `path`, end to end and by stage.

    Raises YolactDeployError when the model fails. A file that cannot be cut into stages is timed end to end only.
    """
    count = images_per_call(predictor)
    end_to_end = measure_latency(
        lambda index: predictor.batch([images[index % len(images)]] * count),
        schedule,
        lambda done, total: advance("end to end", done, total),
    )
    device_times = time_device(
        predictor, images, count, schedule, lambda done, total: advance("on the GPU", done, total)
    )
    if device_times is not None:
        return Timing(
            count, end_to_end, None, "an engine is one piece; its times on the GPU are by events", device_times
        )
    try:
        staged = open_stages(predictor, path, device, threads)
        stages = time_stages(predictor, staged, images, schedule, advance)
    except YolactDeployError as error:
        return Timing(count, end_to_end, None, f"stages were not measured: {error}")
    return Timing(count, end_to_end, stages, staged.note)


def images_per_call(predictor: Predictor) -> int:
    """How many images one call is given: the batch of a file that takes only that, 1 otherwise."""
    return getattr(predictor.runtime, "batch_size", None) or 1


def time_stages(
    predictor: Predictor,
    staged: StagedModel,
    images: Sequence[Image],
    schedule: Schedule,
    advance: Advance = lambda what, done, total: None,
) -> dict[str, Latency]:
    """Latency of each of STAGES on what the stage before made of the images.

    Stage by stage, not image by image: the threads of one ONNX Runtime session go on spinning for a while after its
    work is done, and would take the cores from the next.
    """
    step = max(len(images) // STAGE_IMAGES, 1)
    chosen = images[::step][:STAGE_IMAGES]
    batches = [np.stack([image] * images_per_call(predictor)) for image in chosen]

    def masks(item: tuple[list[NetworkDetections], Image]) -> None:
        found, image = item
        for detections in found:
            predictor.finish(detections, *image.shape[:2])

    latencies = {}
    values: list[Any] = batches
    calls: tuple[Callable[[Any], Any], ...] = (staged.preprocess, staged.network, staged.postprocess, masks)
    for stage, run in zip(STAGES, calls, strict=True):
        if stage == "masks":
            values = list(zip(values, chosen, strict=True))
        latencies[stage] = _latency_of(run, values, schedule, lambda *done, stage=stage: advance(stage, *done))
        values = [run(value) for value in values]
    return latencies


def _latency_of(
    run: Callable[[Any], Any], values: Sequence[Any], schedule: Schedule, advance: Callable[[int, int], None]
) -> Latency:
    return measure_latency(lambda index: run(values[index % len(values)]), schedule, advance)


def open_stages(predictor: Predictor, path: Path, device: str, threads: int | None) -> StagedModel:
    """The stages of a model. Raises YolactDeployError when it has none that can be called."""
    if path.suffix.lower() == ".onnx":
        return OnnxStages(path, predictor, device, threads)
    if all(hasattr(predictor.runtime, stage) for stage in STAGES[:3]):
        return RuntimeStages(predictor)
    raise YolactDeployError(f"{predictor.description} runs as one piece")


class RuntimeStages:
    """A runtime that offers its stages itself, as the PyTorch one does."""

    note = "stages are the calls that an end-to-end run makes"

    def __init__(self, predictor: Predictor) -> None:
        self._runtime: Any = predictor.runtime
        self._is_cuda = getattr(self._runtime, "device", "cpu") == "cuda"

    def _finished(self, value: Any) -> Any:
        if self._is_cuda:  # else the next stage is billed for this one
            require("torch", "timing on CUDA").cuda.synchronize()
        return value

    def preprocess(self, batch: np.ndarray) -> Any:
        """See `StagedModel`."""
        return self._finished(self._runtime.preprocess(batch))

    def network(self, tensor: Any) -> Any:
        """See `StagedModel`."""
        return self._finished(self._runtime.network(tensor))

    def postprocess(self, raw: Any) -> list[NetworkDetections]:
        """See `StagedModel`."""
        return self._finished(self._runtime.postprocess(raw))


class OnnxStages:
    """An exported file cut into sessions of their own."""

    note = (
        "stages are the file's graph cut into parts that run apart, their tensors passing through the host; "
        "end to end it runs as one graph, so the stages need not add up"
    )

    def __init__(self, path: Path, predictor: Predictor, device: str, threads: int | None) -> None:
        """Raises ModelFileError when the graph cannot be cut, MissingDependencyError without onnx."""
        from ..runtimes.onnxruntime import create_session

        parts = split_graph(path)
        sessions: list[Any] = [
            None if part is None else create_session(part, f"{path}, {stage}", device, threads)
            for stage, part in zip(STAGES[:3], (parts.preprocess, parts.network, parts.postprocess), strict=True)
        ]
        self._preprocess, self._network, self._postprocess = sessions  # the first may be None
        self._config = predictor.metadata.config
        self._source = path

    def preprocess(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """See `StagedModel`. Tensors by name: the network's input, and what post-processing takes of the image."""
        if self._preprocess is None:
            return {NETWORK_INPUT: preprocess_numpy(batch, self._config)}
        (image_input,) = self._preprocess.get_inputs()
        return self._run(self._preprocess, {image_input.name: batch})

    def network(self, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `StagedModel`."""
        passed_on = {name: tensor for name, tensor in tensors.items() if name != NETWORK_INPUT}
        return passed_on | self._run(self._network, {NETWORK_INPUT: tensors[NETWORK_INPUT]})

    def postprocess(self, raw: dict[str, np.ndarray]) -> list[NetworkDetections]:
        """See `StagedModel`."""
        from ..runtimes.onnxruntime import split_batch

        return split_batch(self._run(self._postprocess, raw), len(raw[RAW_OUTPUTS[0]]))

    def _run(self, session: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name."""
        names = [value.name for value in session.get_outputs()]
        try:
            return dict(zip(names, session.run(names, inputs), strict=True))
        except Exception as error:  # the binding's exception classes share no public base
            reason = " ".join(str(error).split())[:300]
            raise YolactDeployError(f"{self._source}: a stage failed in ONNX Runtime: {reason}") from None
