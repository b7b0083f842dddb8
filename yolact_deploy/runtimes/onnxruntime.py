"""ONNX Runtime: an exported file on CUDA where it is present, on the CPU otherwise."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.onnx_file import read_metadata
from ..artifacts.outputs import output_names
from ..dependencies import require
from ..errors import ModelFileError, YolactDeployError
from ..types import Image, NetworkDetections
from .base import counted_threads, detect_in_batches


def create_session(
    model: str | bytes, source: object, device: str = "auto", threads: int | None = None, shares_cores: bool = False
) -> Any:
    """An `onnxruntime.InferenceSession` for a path or serialised model; `source` names it in errors.

    device: auto, cpu or cuda. shares_cores: see `Predictor.open`. Raises ModelFileError when ONNX Runtime refuses the
    model, YolactDeployError when CUDA is asked for and absent, MissingDependencyError.
    """
    ort = require("onnxruntime", "running an ONNX file")
    available = ort.get_available_providers()
    providers = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in available:
        providers.insert(0, "CUDAExecutionProvider")
    options = ort.SessionOptions()
    options.log_severity_level = _log_severity()
    ort.set_default_logger_severity(_log_severity())  # some parts log past the session
    if threads is not None:
        options.intra_op_num_threads = threads
    if shares_cores:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # On the CPU alone there is nothing to fall back to, and ONNX Runtime would say on stdout that it does.
        fallback = len(providers) > 1
        session = ort.InferenceSession(model, sess_options=options, providers=providers, enable_fallback=fallback)
    except Exception as error:  # the binding's exception classes share no public base
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        advice = "build an engine from it, or export it again" if "NOT_IMPLEMENTED" in reason else "export it again"
        raise ModelFileError(f"{source}: ONNX Runtime cannot load it ({reason}): {advice}") from None
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise YolactDeployError(
            "ONNX Runtime has no working CUDA provider here: pass --device cpu, or see `yolact-deploy doctor`"
        )
    return session


def _log_severity() -> int:
    """ONNX Runtime's own log lines are for those who asked for details: failures are raised, fallbacks described."""
    return 2 if logging.getLogger("yolact_deploy").isEnabledFor(logging.DEBUG) else 4  # 2: warnings, 4: fatal errors


class OnnxRuntime:
    """Runs an exported file."""

    def __init__(self, path: Path, device: str, threads: int | None, shares_cores: bool = False) -> None:
        """Raises ModelFileError when the file is missing, damaged or not ours, and as `create_session`."""
        ort = require("onnxruntime", "running an ONNX file")
        self.metadata = read_metadata(path)
        self._session = create_session(str(path), path, device, threads, shares_cores)
        self._outputs = output_names(self.metadata.config)
        missing = set(self._outputs) - {output.name for output in self._session.get_outputs()}
        if missing:
            raise ModelFileError(f"{path} lacks the outputs {', '.join(sorted(missing))}: export it again")
        self._input = self._session.get_inputs()[0]
        batch = self._input.shape[0]
        self.batch_size = batch if isinstance(batch, int) else None  # None: any
        provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self.device = "cuda" if provider == "CUDA" else "cpu"
        count = "" if threads is None or provider != "CPU" else f", {counted_threads(threads)}"
        self.description = f"ONNX Runtime {ort.__version__}, {provider}{count}"

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """See `Runtime.detect`."""
        return detect_in_batches(self.run, images, self.metadata, self.batch_size)

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """One call of the session: its input -> its outputs by name."""
        if self._session is None:
            raise YolactDeployError("this predictor is closed: open it again")
        try:
            outputs = self._session.run(list(self._outputs), {self._input.name: batch})
        except Exception as error:  # the binding's exception classes share no public base
            reason = " ".join(str(error).split())[:300]
            raise YolactDeployError(f"ONNX Runtime failed on input {list(batch.shape)}: {reason}") from None
        return dict(zip(self._outputs, outputs, strict=True))

    def close(self) -> None:
        """See `Runtime.close`."""
        self._session = None
