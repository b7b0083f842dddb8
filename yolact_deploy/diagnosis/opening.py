"""Opening a model file so that it can be looked into."""

from __future__ import annotations

from pathlib import Path

from ..artifacts.kinds import Kind, kind_of
from ..config.model import ModelConfig
from .probes import Probe


def open_probe(
    path: Path,
    device: str,
    config: ModelConfig | None,
    trust: bool,
    plugins: Path | None = None,
    class_names: tuple[str, ...] | None = None,
    family: str | None = None,
) -> Probe:
    """Open a checkpoint, an exported .onnx file or an engine.

    config: for a checkpoint or an engine that brings none. class_names, family: of a checkpoint. trust, plugins: of an
    engine; see `Predictor.open`. Raises YolactDeployError for a file that cannot be used.
    """
    kind = kind_of(path)
    if kind is Kind.CHECKPOINT:
        from .pytorch_probe import PyTorchProbe

        return PyTorchProbe(path, device, config, class_names, family)
    if kind is Kind.ONNX:
        from .onnx_probe import OnnxProbe

        return OnnxProbe(path, device)
    from .engine_probe import EngineProbe

    return EngineProbe(path, config if trust else None, trust, plugins)
