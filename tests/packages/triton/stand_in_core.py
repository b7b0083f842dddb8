"""Runs in Triton's Python backend in place of its onnxruntime backend, which the server of PyPI lacks: the model.onnx
beside it, behind the same configuration, which Triton holds both to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


class TritonPythonModel:
    """What Triton looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        self.input = config["input"][0]["name"]
        self.outputs = [output["name"] for output in config["output"]]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(str(path), options)

    def execute(self, requests: list[Any]) -> list[Any]:
        import triton_python_backend_utils as backend

        batches = [np.from_dlpack(backend.get_input_tensor_by_name(request, self.input)) for request in requests]
        outputs = self.session.run(self.outputs, {self.input: np.concatenate(batches)})
        responses, start = [], 0
        for batch in batches:
            stop = start + len(batch)
            # Triton gives a tensor without a dimension but the batch one of size 1.
            parts = [output[start:stop].reshape(len(batch), *(output.shape[1:] or (1,))) for output in outputs]
            named = zip(self.outputs, map(np.ascontiguousarray, parts), strict=True)
            responses.append(backend.InferenceResponse([backend.Tensor.from_dlpack(*pair) for pair in named]))
            start = stop
        return responses
