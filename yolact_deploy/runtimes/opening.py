"""Which runtime opens a model file, and with what."""

from __future__ import annotations

import os
import reprlib
from dataclasses import dataclass, replace
from pathlib import Path

from ..artifacts.kinds import Kind, kind_of
from ..artifacts.runtime_choice import OPENVINO, RuntimeChoice
from ..config.model import ModelConfig
from ..config.postprocess import PostprocessConfig
from ..dependencies import require
from ..errors import ConfigError, YolactDeployError
from .base import Runtime

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class OpeningOptions:
    """A model file and what it is opened with; see `Predictor.open`."""

    model: RuntimeChoice
    device: str = "auto"
    threads: int | None = None
    config: ModelConfig | None = None
    postprocess: PostprocessConfig | None = None
    class_names: tuple[str, ...] | None = None
    family: str | None = None
    trust: bool = False
    plugins: Path | None = None
    shares_cores: bool = False

    def __post_init__(self) -> None:
        """Raises YolactDeployError for what cannot be, or does not go with the kind of file."""
        path, kind = self.model.file, kind_of(self.model.file)
        if self.device not in DEVICES:
            raise YolactDeployError(f"unknown device {self.device!r}: use one of {', '.join(DEVICES)}")
        if self.threads is not None and (not isinstance(self.threads, int) or self.threads < 1):
            raise YolactDeployError(f"threads {self.threads!r}: a whole number, 1 or more")
        if self.config is not None and not isinstance(self.config, ModelConfig):
            raise ConfigError(f"config {reprlib.repr(self.config)}: a ModelConfig, such as ModelConfig.named(NAME)")
        if self.postprocess is not None and not isinstance(self.postprocess, PostprocessConfig):
            raise ConfigError(f"postprocess {reprlib.repr(self.postprocess)}: a PostprocessConfig")
        if self.plugins is not None and kind is not Kind.ENGINE:
            raise YolactDeployError(f"{path} is no engine, and only engines use plugins: leave out the plugin library")
        if self.family is not None and kind is not Kind.CHECKPOINT:
            raise YolactDeployError(f"{path} is no checkpoint, and only those are of a family: leave out the family")
        if self.model.runtime is not None and kind is not Kind.ONNX:
            raise YolactDeployError(f"{path} is no ONNX file, and a runtime is chosen for those alone")
        if kind is Kind.ONNX and not (self.config is None and self.postprocess is None):
            raise YolactDeployError(f"{path} brings its own configuration: export it again to change that")
        if kind is Kind.ENGINE and self.device == "cpu":
            raise YolactDeployError(f"{path}: an engine runs on an NVIDIA GPU only; on the CPU, run its .onnx file")

    def absolute(self) -> OpeningOptions:
        """The same from any working directory."""
        model = replace(self.model, file=self.model.file.absolute())
        return replace(self, model=model, plugins=None if self.plugins is None else self.plugins.absolute())


def model_choice(path: object, runtime: str | None = None, precision: str | None = None) -> RuntimeChoice:
    """The file and the runtime that a path such as model.onnx@openvino-bf16, or the other two, name.

    Raises ConfigError for a runtime that does not exist, YolactDeployError for what is no path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise YolactDeployError(f"a model is opened by its path, not from {reprlib.repr(path)}")
    if runtime is not None or precision is not None:
        return RuntimeChoice(Path(path), runtime, precision)
    return RuntimeChoice.parse(Path(path))


def open_runtime(options: OpeningOptions) -> Runtime:
    """Load the model. Raises ModelFileError or CheckpointError for a file that cannot be used, MissingDependencyError,
    YolactDeployError for a device that is not here."""
    path, kind = options.model.file, kind_of(options.model.file)
    if kind is Kind.CHECKPOINT:
        require("torch", "running a checkpoint")
        from .pytorch import PyTorchRuntime

        return PyTorchRuntime(
            path,
            options.device,
            options.threads,
            options.config,
            options.postprocess,
            options.class_names,
            options.family,
        )
    if kind is Kind.ONNX and options.model.runtime == OPENVINO:
        from .openvino import OpenVinoRuntime

        return OpenVinoRuntime(path, options.device, options.threads, options.model.precision)
    if kind is Kind.ONNX:
        from .onnxruntime import OnnxRuntime

        return OnnxRuntime(path, options.device, options.threads, options.shares_cores)
    from .tensorrt import TensorRTRuntime

    return TensorRTRuntime(path, options.trust, options.config, options.postprocess, plugins=options.plugins)
