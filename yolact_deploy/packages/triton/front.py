"""The front model, inside Triton's Python backend: the bytes of a picture in, detections as JSON out.

It decodes the picture, calls the exported model in the same server, and sends boxes and run lengths of some kilobytes
where that model gives megabytes of soft masks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.metadata import ModelMetadata
from ...artifacts.outputs import output_names
from ...errors import YolactDeployError
from ...formats.coco import exact
from ...formats.rle import encode_rle
from ...images import decode_image
from ...predictor import Predictor
from ...runtimes.base import detect_in_batches
from ...types import Image, NetworkDetections, WindowedDetections

PICTURE = "picture"  # uint8 [bytes]: a JPEG, PNG or another file that `images.decode_image` reads
RESULT = "detections"  # uint8 [bytes]: JSON, see `to_json`. Triton's own type for text fails with NumPy 2 in 2.51
THRESHOLD = "score_threshold"  # parameter of the configuration
FRONT_FILE = "front.json"  # beside model.py: see repository.py


class TritonPythonModel:
    """What Triton's Python backend looks for in model.py."""

    def initialize(self, args: dict[str, str]) -> None:
        """args: as Triton gives them. Raises YolactDeployError, which Triton logs, when the front cannot run."""
        path = Path(args["model_repository"]) / args["model_version"] / FRONT_FILE
        settings = json.loads(path.read_text(encoding="utf-8"))
        metadata = ModelMetadata.from_props(settings["model"], path)
        parameters = json.loads(args["model_config"])["parameters"]
        threshold = float(parameters[THRESHOLD]["string_value"])
        runtime = ServedModel(settings["calls"], settings["input"], settings["batch"], metadata)
        self._predictor = Predictor(runtime, threshold)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One answer per request; a picture that cannot be read is an error of its own request alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        import triton_python_backend_utils as backend

        try:
            text = self._detect(_array(backend.get_input_tensor_by_name(request, PICTURE)).tobytes())
        except YolactDeployError as error:
            return backend.InferenceResponse(error=backend.TritonError(str(error), backend.TritonError.INVALID_ARG))
        return backend.InferenceResponse(
            [backend.Tensor.from_dlpack(RESULT, np.frombuffer(text.encode(), np.uint8).copy())]
        )

    def _detect(self, data: bytes) -> str:
        image = decode_image(data, f"input {PICTURE}", note=lambda text: None)
        found = self._predictor.keep(self._predictor.detect([image])[0])
        return to_json(self._predictor.finish_windowed(found, *image.shape[:2]), self._predictor.metadata)

    def finalize(self) -> None:
        """Nothing is held."""


class ServedModel:
    """A runtime, see `runtimes.base.Runtime`: the exported model, called through the server that holds it."""

    description = "Triton"
    device = "cpu"  # where its outputs are wanted

    def __init__(self, name: str, input_name: str, batch_size: int | None, metadata: ModelMetadata) -> None:
        """batch_size: images per call, None: any."""
        self.metadata = metadata
        self._name, self._input, self._batch_size = name, input_name, batch_size
        self._outputs = output_names(metadata.config)

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """See `Runtime.detect`. Raises YolactDeployError with the server's reason."""
        return detect_in_batches(self._run, images, self.metadata, self._batch_size)

    def _run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        import triton_python_backend_utils as backend

        request = backend.InferenceRequest(
            model_name=self._name,
            requested_output_names=list(self._outputs),
            inputs=[backend.Tensor.from_dlpack(self._input, np.ascontiguousarray(batch))],
            preferred_memory=backend.PreferredMemory(backend.TRITONSERVER_MEMORY_CPU, 0),
        )
        response = request.exec()
        if response.has_error():
            raise YolactDeployError(f"model {self._name}: {response.error().message()}")
        return {name: _array(backend.get_output_tensor_by_name(response, name)) for name in self._outputs}

    def close(self) -> None:
        """See `Runtime.close`."""


def _array(tensor: Any) -> np.ndarray:
    """A tensor of Triton's on the CPU. Not through its `as_numpy`: with NumPy 2, that of Triton 2.51 repeats the first
    value for ever."""
    return np.from_dlpack(tensor)


def to_json(found: WindowedDetections, metadata: ModelMetadata) -> str:
    """{"width", "height", "detections": [...]}, best first; of each detection: class (0-based), name, score, with
    YOLACT++ mask_score, box [x1, y1, x2, y2] in px, and mask in COCO's run lengths, as pycocotools reads them."""
    detections = []
    for index, mask in enumerate(found.masks):
        number = int(found.classes[index])
        entry: dict[str, object] = {
            "class": number,
            "name": metadata.config.class_names[number],
            "score": exact(found.scores[index]),
            "box": found.boxes[index].tolist(),
            "mask": {"size": [found.height, found.width], "counts": encode_rle(mask, found.height, found.width)},
        }
        if metadata.config.rescores_masks:
            entry["mask_score"] = exact(found.mask_scores[index])
        detections.append(entry)
    return json.dumps({"width": found.width, "height": found.height, "detections": detections})
