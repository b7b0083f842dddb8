"""yolact-deploy: YOLACT checkpoints to one ONNX file, to real-time engines, with proof that nothing was lost.

Names are imported when they are first used, so that running an ONNX file never imports torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .checkpoints.reader import load_checkpoint
    from .config.model import ModelConfig
    from .config.postprocess import PostprocessConfig
    from .detections import Detection, Detections
    from .draw import draw_detections
    from .errors import YolactDeployError
    from .images import read_image
    from .inference.instances import coco_instances
    from .models.yolact import Yolact
    from .predictor import Predictor
    from .types import RawOutputs

__all__ = [
    "Detection",
    "Detections",
    "ModelConfig",
    "PostprocessConfig",
    "Predictor",
    "RawOutputs",
    "Yolact",
    "YolactDeployError",
    "__version__",
    "coco_instances",
    "draw_detections",
    "load_checkpoint",
    "read_image",
]

_HOMES = {
    "Detection": "detections",
    "Detections": "detections",
    "ModelConfig": "config.model",
    "PostprocessConfig": "config.model",
    "Predictor": "predictor",
    "RawOutputs": "types",
    "Yolact": "models.yolact",
    "YolactDeployError": "errors",
    "coco_instances": "inference.instances",
    "draw_detections": "draw",
    "load_checkpoint": "checkpoints.reader",
    "read_image": "images",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .dependencies import require

    if name in ("Yolact", "load_checkpoint"):
        require("torch", f"yolact_deploy.{name}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
