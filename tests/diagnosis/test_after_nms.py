"""Faults behind the network: thresholds, scores of masks, and detections that do not match."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.conftest import PLUS_NANO_WEIGHTS
from tests.diagnosis.planted import change, compare
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.diagnosis.opening import open_probe
from yolact_deploy.export.graph.fast_nms import fast_nms_attributes, fast_nms_function
from yolact_deploy.export.graph.torch_to_onnx import ExportResult
from yolact_deploy.export.precision.convert import convert_precision
from yolact_deploy.types import Image


def with_thresholds(model: onnx.ModelProto, postprocess: PostprocessConfig) -> onnx.ModelProto:
    """`model` with another Fast NMS, of which its metadata says nothing."""
    config = ModelConfig.named("yolact_nano")
    body = next(body for body in model.functions if body.name == "YolactFastNMS")
    body.CopyFrom(fast_nms_function(postprocess, config.num_priors, config.num_classes))
    node = next(node for node in model.graph.node if node.op_type == "YolactFastNMS")
    del node.attribute[:]
    node.attribute.extend(
        onnx.helper.make_attribute(name, value) for name, value in fast_nms_attributes(postprocess).items()
    )
    return model


@pytest.mark.parametrize("changed", [{"score_threshold": 0.3}, {"iou_threshold": 0.9}])
def test_thresholds_that_are_not_those_of_the_metadata(
    changed: dict[str, float], nano_weights: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path
) -> None:
    postprocess = PostprocessConfig(**changed)  # type: ignore[arg-type]
    model = with_thresholds(onnx.load(nano_onnx), postprocess)
    onnx.save(model, tmp_path / "other.onnx")
    comparison = compare(nano_weights, tmp_path / "other.onnx", nano_image)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == "boxes"
    assert comparison.culprit is not None
    assert comparison.culprit.operator == "YolactFastNMS"
    assert comparison.culprit.reason == "B does not give what its own inputs ask for"


def test_the_tolerance_of_fp16_hides_no_wrong_threshold(nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    """What is lost scores too little to be missed, but the file does not do what it says."""
    model = with_thresholds(onnx.load(nano_onnx), PostprocessConfig(score_threshold=0.1))
    onnx.save(convert_precision(model, "fp16"), tmp_path / "other.onnx")
    comparison = compare(nano_onnx, tmp_path / "other.onnx", nano_image)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == "boxes"
    assert "lost" not in comparison.first_divergence.note
    assert comparison.culprit is not None
    assert comparison.culprit.reason == "B does not give what its own inputs ask for"


def exported_with(model: onnx.ModelProto, postprocess: PostprocessConfig) -> onnx.ModelProto:
    """`model` with another Fast NMS, as its metadata says."""
    entry = next(entry for entry in model.metadata_props if entry.key == "yolact_deploy.postprocess")
    entry.value = json.dumps(postprocess.to_dict())
    return with_thresholds(model, postprocess)


def test_a_detection_at_the_threshold_is_no_fault(nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    """B scores one a little higher, within tolerance, and the threshold lies between: both decide rightly."""
    found = open_probe(nano_onnx, "cpu", None, False).run(nano_image, PostprocessConfig()).detections
    index = np.flatnonzero(found.scores > 0.5)[-1]  # more than any other class of its prior
    score, column = float(found.scores[index]), 1 + int(found.classes[index])
    postprocess = PostprocessConfig(score_threshold=score + 4e-6)
    model = exported_with(onnx.load(nano_onnx), postprocess)
    onnx.save(model, tmp_path / "a.onnx")
    step = np.zeros(1 + ModelConfig.named("yolact_nano").num_classes, np.float32)
    step[column] = 5e-5  # of the logit: 1e-5 of the score
    bias = "model.prediction_layers.0.conf_layer.bias"
    change(model, bias, lambda values: values + np.tile(step, len(values) // len(step)))
    onnx.save(model, tmp_path / "b.onnx")
    comparison = compare(tmp_path / "a.onnx", tmp_path / "b.onnx", nano_image)
    assert comparison.first_divergence is None
    boxes = next(result for result in comparison.stages if result.stage == "boxes")
    assert "lost: rounding before it" in boxes.note


def test_thresholds_of_another_export(nano_weights: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    onnx.save(exported_with(onnx.load(nano_onnx), PostprocessConfig(iou_threshold=0.9)), tmp_path / "other.onnx")
    comparison = compare(nano_onnx, tmp_path / "other.onnx", nano_image)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == "boxes"
    assert comparison.notes == ("A has iou_threshold 0.5, not 0.9",)
    # A checkpoint has no thresholds, and takes those of the file.
    assert compare(nano_weights, tmp_path / "other.onnx", nano_image).first_divergence is None


def test_a_net_that_scores_masks(plus_exports: dict[str, ExportResult], nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(plus_exports["gridsample"].path)
    change(model, "postprocess/mask_scores/mask_iou_net.maskiou_net.4.weight", lambda weight: weight * 1.5)
    onnx.save(model, tmp_path / "faulty.onnx")
    comparison = compare(PLUS_NANO_WEIGHTS, tmp_path / "faulty.onnx", nano_image)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == "mask_scores"
    assert comparison.culprit is not None
    assert comparison.culprit.operator == "mask IoU net"


def test_nothing_that_matches_is_not_compared(nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    change(model, "model.prediction_layers.0.bbox_layer.bias", lambda bias: bias + 20)
    onnx.save(model, tmp_path / "faulty.onnx")
    boxes, scores, masks = compare(nano_onnx, tmp_path / "faulty.onnx", nano_image).stages[-3:]
    assert (boxes.difference, boxes.is_ok) == (None, False)
    for result in (scores, masks):
        assert (result.difference, result.is_ok, result.note) == (None, True, "nothing matches")
