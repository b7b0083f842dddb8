"""Time a model's stages separately: preprocess, network, post-process, masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT, RAW_OUTPUTS
from yolact_deploy.benchmarks.options import Progress
from yolact_deploy.benchmarks.performance.device_times import DeviceTimes
from yolact_deploy.benchmarks.performance.load import Arrivals, Throughput
from yolact_deploy.benchmarks.performance.split import split_graph
from yolact_deploy.benchmarks.performance.timing import Latency, Part, Round, Timer, by_clock, measure_round
from yolact_deploy.dependencies import require
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.base import graph_input
from yolact_deploy.types import Image, NetworkDetections

STAGES = ("preprocess", "network", "postprocess", "masks")
REGIONS = {  # what is inside each measured region, in words
    "end_to_end": "uint8 image on the host -> boxes, scores, classes and boolean masks at image size on the host",
    "preprocess": "uint8 image -> network input (resize, normalise, channel order)",
    "network": "network input -> raw outputs (loc, conf, coef, proto)",
    "postprocess": "raw outputs -> Fast NMS and masks at prototype size, or packed ones at image size",
    "masks": "these masks -> boolean masks at image size, on the host",
}

ImageSize = tuple[int, ...]  # height and width of the images, px: what boxes are made relative to
STAGE_IMAGES = 8  # whose tensors are held between two stages


@dataclass(frozen=True)
class Timing:
    """Measured times of a model, ms per call. Images are decoded before, and cycled through."""

    images_per_call: int  # 1, what was asked for, or the batch of a file that takes only that
    end_to_end: Latency  # one caller, call after call
    stages: dict[str, Latency] | None  # one each of STAGES; None when the model cannot be run in stages
    stages_note: str  # how the stages were run, or why not
    device: DeviceTimes | None = None  # of an engine; None for the others
    bytes_to_host: float | None = None  # that an engine's outputs take on their way to the host, per image
    throughput: Throughput | None = None  # None only in what is made by hand
    arrivals: Arrivals | None = None  # None: not asked for

    @property
    def network(self) -> Latency | None:
        """The bare network."""
        return self.stages["network"] if self.stages else None

    @property
    def fps(self) -> float:
        """Images per second at the median end to end."""
        return self.end_to_end.fps(self.images_per_call)


class StagedModel(Protocol):
    """A model whose stages can be called one by one; `timer` knows when a call has finished its work."""

    note: str

    @property
    def timer(self) -> Timer:
        """For all stages but the last, which is the host's work."""
        ...

    def preprocess(self, batch: np.ndarray) -> Any:
        """uint8 [B,H,W,3] BGR -> what `network` takes."""
        ...

    def network(self, tensor: Any) -> Any:
        """-> raw outputs, in whatever form `postprocess` takes."""
        ...

    def postprocess(self, raw: Any) -> list[NetworkDetections]:
        """-> the detections of each image."""
        ...


class StageTimer:
    """Times each of STAGES on what the stage before made of the images, round by round.

    Stage by stage, not image by image: the threads of one ONNX Runtime session go on spinning for a while after its
    work is done, and would take the cores from the next.
    """

    def __init__(self, predictor: Predictor, staged: StagedModel, images: Sequence[Image], count: int) -> None:
        """count: images per call."""
        self._predictor = predictor
        self._staged = staged
        step = max(len(images) // STAGE_IMAGES, 1)
        self._images = images[::step][:STAGE_IMAGES]
        self._count = count
        self._inputs: dict[str, list[Any]] = {}  # of each stage; made once
        self._rounds: dict[str, list[Round]] = {stage: [] for stage in STAGES}

    def measure(self, part: Part, warmup: int, progress: Progress = lambda what, done, total: None) -> None:
        """One more round. Raises YolactDeployError when a stage fails."""
        run: dict[str, Callable[[Any], Any]] = {
            "preprocess": self._staged.preprocess,
            "network": self._staged.network,
            "postprocess": self._staged.postprocess,
            "masks": self._masks,
        }
        values: list[Any] = []  # what the stage before made; only in the first round
        for stage in STAGES:
            if stage not in self._inputs:
                self._inputs[stage] = self._first_inputs() if stage == STAGES[0] else values
            inputs = self._inputs[stage]
            done = measure_round(
                lambda index, stage=stage, inputs=inputs: run[stage](inputs[index % len(inputs)]),  # type: ignore[misc]
                part,
                warmup,
                len(self._rounds[stage]) * part.at_least,
                lambda *done, stage=stage: progress(stage, *done),
                by_clock if stage == "masks" else self._staged.timer,
            )
            self._rounds[stage].append(done)
            if len(self._inputs) < len(STAGES):
                values = [run[stage](value) for value in inputs]
                if STAGES[len(self._inputs)] == "masks":
                    values = list(zip(values, self._images, strict=True))

    def latencies(self, origin: float = 0.0) -> dict[str, Latency]:
        """What all rounds come to. origin: see `Latency.of_rounds`."""
        return {stage: Latency.of_rounds(rounds, origin) for stage, rounds in self._rounds.items()}

    def _first_inputs(self) -> list[np.ndarray]:
        return [np.stack([image] * self._count) for image in self._images]

    def _masks(self, item: tuple[list[NetworkDetections], Image]) -> None:
        found, image = item
        for detections in found:
            self._predictor.finish(detections, *image.shape[:2])


def open_stages(predictor: Predictor, path: Path, device: str, threads: int | None) -> StagedModel:
    """The stages of a model. Raises YolactDeployError when it has none that can be called."""
    if path.suffix.lower() == ".onnx":
        return OnnxStages(path, predictor, device, threads)
    if all(hasattr(predictor.runtime, stage) for stage in STAGES[:3]):
        return RuntimeStages(predictor)
    raise YolactDeployError(f"{predictor.description} runs as one piece")


class RuntimeStages:
    """A runtime that offers its stages itself, as the PyTorch one does."""

    note = "stages are the calls of an end-to-end run"

    def __init__(self, predictor: Predictor) -> None:
        self._runtime: Any = predictor.runtime
        self.timer: Timer = by_clock
        if getattr(self._runtime, "device", "cpu") == "cuda":
            self.timer = by_cuda_events
            self.note += ", timed by CUDA events"

    def preprocess(self, batch: np.ndarray) -> tuple[Any, ImageSize]:
        """See `StagedModel`."""
        return self._runtime.preprocess(batch), batch.shape[1:3]

    def network(self, tensor: tuple[Any, ImageSize]) -> tuple[Any, ImageSize]:
        """See `StagedModel`."""
        return self._runtime.network(tensor[0]), tensor[1]

    def postprocess(self, raw: tuple[Any, ImageSize]) -> list[NetworkDetections]:
        """See `StagedModel`."""
        return self._runtime.postprocess(*raw)


def by_cuda_events(call: Callable[[], object]) -> float:
    """The time of a call that hands work to PyTorch's current CUDA stream, s.

    Two events in that stream enclose the call's work. The stream is empty when the first is recorded, so that no work
    of the stage before is in between; and it is empty at the end, so that the next stage is not billed for this one.
    """
    cuda: Any = require("torch", "timing on CUDA").cuda
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    cuda.synchronize()
    start.record()
    call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3  # of ms


class OnnxStages:
    """An exported file cut into sessions of their own."""

    timer: Timer = staticmethod(by_clock)  # each session's outputs are on the host when it returns

    note = (
        "stages are parts of the graph that run separately, with their tensors on the host in between; end to end it "
        "runs as one graph, so the stages need not add up"
    )

    def __init__(self, path: Path, predictor: Predictor, device: str, threads: int | None) -> None:
        """Raises ModelFileError when the graph cannot be cut, MissingDependencyError without onnx."""
        from yolact_deploy.runtimes.onnxruntime import create_session

        parts = split_graph(path)
        sessions: list[Any] = [
            None if part is None else create_session(part, f"{path}, {stage}", device, threads)
            for stage, part in zip(STAGES[:3], (parts.preprocess, parts.network, parts.postprocess), strict=True)
        ]
        self._preprocess, self._network, self._postprocess = sessions  # the first may be None
        self._metadata = predictor.metadata
        self._source = path

    def preprocess(self, batch: np.ndarray) -> tuple[dict[str, np.ndarray], ImageSize]:
        """See `StagedModel`. Tensors by name: the network's input, and what post-processing takes of the image."""
        size = batch.shape[1:3]
        if self._preprocess is None:
            return {NETWORK_INPUT: graph_input(batch, self._metadata)}, size
        (image_input,) = self._preprocess.get_inputs()
        return self._run(self._preprocess, {image_input.name: graph_input(batch, self._metadata)}), size

    def network(self, tensors: tuple[dict[str, np.ndarray], ImageSize]) -> tuple[dict[str, np.ndarray], ImageSize]:
        """See `StagedModel`."""
        given, size = tensors
        passed_on = {name: tensor for name, tensor in given.items() if name != NETWORK_INPUT}
        return passed_on | self._run(self._network, {NETWORK_INPUT: given[NETWORK_INPUT]}), size

    def postprocess(self, raw: tuple[dict[str, np.ndarray], ImageSize]) -> list[NetworkDetections]:
        """See `StagedModel`."""
        from yolact_deploy.artifacts.outputs import host_view, split_batch

        given, size = raw
        outputs = self._run(self._postprocess, given)
        return split_batch(outputs, len(given[RAW_OUTPUTS[0]]), host_view(self._metadata, size))

    def _run(self, session: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name."""
        names = [value.name for value in session.get_outputs()]
        try:
            return dict(zip(names, session.run(names, inputs), strict=True))
        except Exception as error:  # the binding's exception classes share no public base
            reason = " ".join(str(error).split())[:300]
            raise YolactDeployError(f"{self._source}: a stage failed in ONNX Runtime: {reason}") from None
