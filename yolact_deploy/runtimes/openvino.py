"""OpenVINO: an exported file on the CPU, in fp32, in bf16 where the CPU has it, or in int8 as the file is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.metadata import IMAGE_SIZE_MASKS
from ..artifacts.onnx_file import metadata_of, read_exported
from ..artifacts.outputs import output_names
from ..artifacts.quantization import TENSORRT_LAYOUT, layout_of
from ..dependencies import require
from ..errors import ModelFileError, YolactDeployError
from ..types import Image, NetworkDetections
from .base import counted_threads, detect_in_batches

_HINTS = {"fp32": "f32", "bf16": "bf16"}  # ours -> OpenVINO's


class OpenVinoRuntime:
    """Runs an exported file. OpenVINO knows no model-local functions, so they are inlined in memory."""

    device = "cpu"

    def __init__(self, path: Path, device: str, threads: int | None, precision: str | None = None) -> None:
        """precision: what the network of an fp32 file is computed in, fp32 or bf16.

        Raises ModelFileError for a file that OpenVINO cannot run or runs wrongly, YolactDeployError for a device or a
        precision that is not here, MissingDependencyError.
        """
        openvino = require("openvino", "running a file in OpenVINO")
        require("onnx", "running a file in OpenVINO")
        from onnx.inliner import inline_local_functions

        if device == "cuda":
            raise YolactDeployError("OpenVINO runs on the CPU here: leave out --device cuda, or use ONNX Runtime")
        model = read_exported(path)
        self.metadata = metadata_of(model, path)
        if self.metadata.mask_size == IMAGE_SIZE_MASKS:
            raise ModelFileError(
                f"{path} makes masks at the image's size, whose bits OpenVINO loses: export it with --masks prototype"
            )
        if self.metadata.deform_conv == "onnx":
            raise ModelFileError(
                f"{path} was exported with --deform-conv onnx, which OpenVINO lacks: use --deform-conv gridsample"
            )
        if self.metadata.precision == "int8" and layout_of(model) == TENSORRT_LAYOUT:
            raise ModelFileError(f"{path} was quantised for TensorRT: for OpenVINO, convert with --layout cpu")
        core = openvino.Core()
        precision = precision or "fp32"
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise YolactDeployError("this CPU has no bf16: use fp32")
        self.metadata = _labelled(self.metadata, precision, path)
        settings = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            network = core.read_model(inline_local_functions(model).SerializeToString())
            self._compiled: Any = core.compile_model(network, "CPU", settings)
        except Exception as error:  # the binding raises RuntimeError and its own classes
            reason = " ".join(str(error).split())[-300:]
            raise ModelFileError(f"{path}: OpenVINO cannot load it ({reason}): run it in ONNX Runtime") from None
        self._outputs = output_names(self.metadata.config)
        shape = self._compiled.inputs[0].partial_shape
        self.batch_size = None if shape[0].is_dynamic else shape[0].get_length()
        self._input = self._compiled.inputs[0].get_any_name()
        version = ".".join(openvino.__version__.split("-")[0].split(".")[:3])
        count = "" if threads is None else f", {counted_threads(threads)}"
        shown = "" if precision == "fp32" else f", {precision}"
        self.description = f"OpenVINO {version}, CPU{shown}{count}"

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """See `Runtime.detect`."""
        return detect_in_batches(self.run, images, self.metadata, self.batch_size)

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """One call: the graph's input -> its outputs by name."""
        if self._compiled is None:
            raise YolactDeployError("this predictor is closed: open it again")
        try:
            found = self._compiled({self._input: batch})
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise YolactDeployError(f"OpenVINO failed on input {list(batch.shape)}: {reason}") from None
        return {name: np.array(found[name]) for name in self._outputs}  # copies: the next call writes into its results

    def close(self) -> None:
        """See `Runtime.close`."""
        self._compiled = None


def _labelled(metadata: Any, precision: str, path: Path) -> Any:
    """`metadata` with the precision that the network is computed in."""
    if precision == "fp32":
        return metadata
    if metadata.precision != "fp32":
        raise YolactDeployError(f"{path} is {metadata.precision}, and {precision} is for fp32 files: leave it out")
    return replace(metadata, precision=precision)
