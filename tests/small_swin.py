"""A small Yolact_minimal with a Swin backbone and made-up weights, exported."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.conftest import seeded_state_dict
from yolact_deploy.config.backbone import BackboneConfig
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx

CONFIG = ModelConfig(
    name="small",
    backbone=BackboneConfig("swin", depths=(1, 2, 1, 1), width=32),
    image_size=96,
    resize="keep_aspect",
    class_names=("a", "b", "c"),
    scales=((8,), (16,), (32,), (64,), (128,)),
    square_anchors=False,
    fpn_channels=16,
    fpn_extra_relu=True,
    fpn_upsample="nearest",
    proto_channels=16,
    proto_upsample="align_corners",
    head_channels=16,
    num_prototypes=8,
)
RULES = PostprocessConfig(score_threshold=0.2, clip_boxes=True, max_detections=12)


def save_weights(folder: Path) -> Path:
    """The checkpoint."""
    path = folder / "small.pth"
    torch.save(seeded_state_dict(CONFIG), path)
    return path


def exported(weights: Path, **options: object) -> Path:
    """The weights exported beside them with a dynamic batch, once per set of options."""
    path = weights.with_name(f"small_{'_'.join(map(str, options.values()))}.onnx")
    if path.exists():
        return path
    chosen = ExportOptions(path, CONFIG, batch=None, postprocess=RULES, **options)  # type: ignore[arg-type]
    result = export_onnx(weights, chosen)
    assert result.check.passed
    assert result.metadata.format == "3"
    return result.path
