"""Faults planted in an exported file: `compare` names the stage and, inside it, the operator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.conftest import PLUS_NANO_WEIGHTS
from yolact_deploy.config import ModelConfig, PostprocessConfig
from yolact_deploy.diagnosis.compare import CompareOptions, compare_models
from yolact_deploy.diagnosis.differences import difference
from yolact_deploy.diagnosis.probes import open_probe
from yolact_deploy.diagnosis.walk import Comparison
from yolact_deploy.export.fast_nms import fast_nms_attributes, fast_nms_function
from yolact_deploy.export.precision import convert_precision
from yolact_deploy.export.torch_to_onnx import ExportResult
from yolact_deploy.types import Image

Fault = Callable[[onnx.ModelProto], None]


def change(model: onnx.ModelProto, name: str, edit: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replace the values of an initializer."""
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array(edit(values).astype(values.dtype), name))


def disturb(name: str, share: float = 0.1) -> Fault:
    """Add noise to a layer's weights, a `share` of their own size."""

    def plant(model: onnx.ModelProto) -> None:
        noise = np.random.default_rng(1)
        change(model, f"model.{name}.weight", lambda w: w + share * w.std() * noise.standard_normal(w.shape))

    return plant


def bypass(operator: str, reader: str | None = None, after: str | None = None) -> Fault:
    """Leave out the node `operator` whose result is `reader`'s input, or that reads the layer `after`."""

    def plant(model: onnx.ModelProto) -> None:
        graph = model.graph
        writers = {name: node for node in graph.node for name in node.output}
        for node in graph.node:
            if node.op_type != operator:
                continue
            layer = writers.get(node.input[0])
            weight = layer.input[1] if layer is not None and len(layer.input) > 1 else ""
            if weight == f"model.{after}.weight" or (after is None and node.output[0] == reader):
                node.op_type = "Identity"
                del node.attribute[:]
                return
        raise AssertionError("no such node")

    return plant


def align_corners(after: str) -> Fault:
    """Change where the Resize reads that follows the layer `after`, a Relu between them or not."""

    def plant(model: onnx.ModelProto) -> None:
        writers = {name: node for node in model.graph.node for name in node.output}
        for node in model.graph.node:
            source = writers.get(node.input[0]) if node.op_type == "Resize" else None
            while source is not None and source.op_type == "Relu":
                source = writers[source.input[0]]
            if source is not None and len(source.input) > 1 and source.input[1] == f"model.{after}.weight":
                mode = next(a for a in node.attribute if a.name == "coordinate_transformation_mode")
                mode.s = b"align_corners"
                return
        raise AssertionError("no such node")

    return plant


def in_function(function: str, output: str, slot: int, name: str) -> Fault:
    """Let the node of a model-local function that writes `output` read `name`."""

    def plant(model: onnx.ModelProto) -> None:
        body = next(body for body in model.functions if body.name == function)
        next(node for node in body.node if output in node.output).input[slot] = name

    return plant


def initializer(name: str, edit: Callable[[np.ndarray], np.ndarray]) -> Fault:
    return lambda model: change(model, name, edit)


def poison(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flat[0] = np.nan
    return values


FAULTS = {
    "lat 0": (disturb("fpn.lat_layers.0"), "P3", "Conv fpn.lat_layers.0"),
    "lat 1": (disturb("fpn.lat_layers.1"), "P3", "Conv fpn.lat_layers.1"),
    "lat 2": (disturb("fpn.lat_layers.2"), "P3", "Conv fpn.lat_layers.2"),
    "pred 0": (disturb("fpn.pred_layers.0"), "P5", "Conv fpn.pred_layers.0"),
    "pred 1": (disturb("fpn.pred_layers.1"), "P4", "Conv fpn.pred_layers.1"),
    "pred 2": (disturb("fpn.pred_layers.2"), "P3", "Conv fpn.pred_layers.2"),
    "P6": (disturb("fpn.downsample_layers.0"), "P6", "Conv fpn.downsample_layers.0"),
    "P7": (disturb("fpn.downsample_layers.1"), "P7", "Conv fpn.downsample_layers.1"),
    "stem": (disturb("backbone.conv1"), "C3", "Conv backbone.conv1"),
    "C3": (disturb("backbone.layers.1.0.conv2"), "C3", "Conv backbone.layers.1.0.conv2"),
    "C4": (disturb("backbone.layers.2.0.downsample.0"), "C4", "Conv backbone.layers.2.0.downsample.0"),
    "C5": (disturb("backbone.layers.3.1.conv1"), "C5", "Conv backbone.layers.3.1.conv1"),
    "proto layer": (disturb("proto_net.8"), "proto", "Conv proto_net.8"),
    "box layer": (disturb("prediction_layers.0.bbox_layer"), "loc", "Conv prediction_layers.0.bbox_layer on P3"),
    "class layer": (disturb("prediction_layers.0.conf_layer"), "conf", "Conv prediction_layers.0.conf_layer on P3"),
    "coef layer": (disturb("prediction_layers.0.mask_layer"), "coef", "Conv prediction_layers.0.mask_layer on P3"),
    "proto activation": (bypass("Relu", after="proto_net.10"), "proto", "Relu after Conv proto_net.10"),
    "inner activation": (bypass("Relu", after="proto_net.2"), "proto", "Relu after Conv proto_net.2"),
    "P4 activation": (bypass("Relu", after="fpn.pred_layers.1"), "P4", "Relu after Conv fpn.pred_layers.1"),
    "softmax": (bypass("Softmax", reader="conf"), "conf", "Softmax after Conv prediction_layers.0.conf_layer on P3"),
    "tanh": (bypass("Tanh", reader="coef"), "coef", "Tanh after Conv prediction_layers.0.mask_layer on P3"),
    "corners, P5 to P4": (align_corners("fpn.lat_layers.0"), "P3", "Resize after Conv fpn.lat_layers.0"),
    "corners, proto": (align_corners("proto_net.4"), "proto", "Resize after Conv proto_net.4"),
    "channel order": (initializer("preprocess/rgb", lambda order: order[::-1]), "network_input", "Gather"),
    "mean": (initializer("preprocess/mean", lambda mean: mean + 2), "network_input", "Sub"),
    "std": (initializer("preprocess/std", lambda std: std * 1.02), "network_input", "Div"),
    "anchors": (initializer("priors", lambda priors: priors * 1.02), "boxes", "priors"),
    "no crop": (in_function("YolactMaskAssembly", "masks", 1, "one"), "masks", "YolactMaskAssembly"),
    "crop too tight": (in_function("YolactMaskAssembly", "low_padded_x", 1, "zero"), "masks", "YolactMaskAssembly"),
    "NaN": (initializer("model.fpn.downsample_layers.0.bias", poison), "P6", "Conv fpn.downsample_layers.0"),
}


def compare(reference: Path, suspect: Path, image: Image) -> Comparison:
    return compare_models(reference, suspect, image, CompareOptions())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_checkpoint_and_a_file_with_a_fault(
    fault: str, nano_weights: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path
) -> None:
    plant, stage, operator = FAULTS[fault]
    model = onnx.load(nano_onnx)
    plant(model)
    onnx.save(model, tmp_path / "faulty.onnx")
    comparison = compare(nano_weights, tmp_path / "faulty.onnx", nano_image)
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == stage
    assert comparison.culprit is not None
    assert comparison.culprit.operator == operator
    assert all(result.is_ok for result in comparison.stages[: comparison.stages.index(comparison.first_divergence)])


@pytest.mark.parametrize(
    "fault", ["lat 1", "pred 0", "C4", "proto activation", "corners, P5 to P4", "channel order", "softmax", "no crop"]
)
def test_two_files_of_which_one_is_fp16_and_has_a_fault(
    fault: str, nano_onnx: Path, nano_image: Image, tmp_path: Path
) -> None:
    plant, stage, operator = FAULTS[fault]
    model = onnx.load(nano_onnx)
    plant(model)
    onnx.save(convert_precision(model, "fp16"), tmp_path / "faulty.onnx")
    comparison = compare(nano_onnx, tmp_path / "faulty.onnx", nano_image)
    assert comparison.tolerances == "fp16"
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == stage
    assert comparison.culprit is not None
    assert comparison.culprit.operator == operator


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


@pytest.mark.parametrize("is_swapped", [False, True])
def test_what_is_not_finite_is_said(is_swapped: bool, nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    change(model, "model.backbone.layers.0.0.conv1.weight", poison)
    onnx.save(model, tmp_path / "faulty.onnx")
    pair = (tmp_path / "faulty.onnx", nano_onnx) if is_swapped else (nano_onnx, tmp_path / "faulty.onnx")
    comparison = compare(*pair, nano_image)
    first = comparison.first_divergence
    assert first is not None
    assert (first.stage, first.note) == ("C3", f"not finite in {'A' if is_swapped else 'B'}")
    assert comparison.culprit is not None
    assert comparison.culprit.reason == "what it gives is not finite, and what it reads agrees"


def test_nothing_that_matches_is_not_compared(nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    change(model, "model.prediction_layers.0.bbox_layer.bias", lambda bias: bias + 20)
    onnx.save(model, tmp_path / "faulty.onnx")
    boxes, scores, masks = compare(nano_onnx, tmp_path / "faulty.onnx", nano_image).stages[-3:]
    assert (boxes.difference, boxes.is_ok) == (None, False)
    for result in (scores, masks):
        assert (result.difference, result.is_ok, result.note) == (None, True, "nothing matches")


def test_a_node_too_many(nano_weights: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    node = next(node for node in model.graph.node if list(node.input[1:2]) == ["model.proto_net.2.weight"])
    extra = onnx.helper.make_node("Tanh", [node.input[0]], ["extra"], name="network/extra")
    node.input[0] = "extra"
    model.graph.node.insert(list(model.graph.node).index(node), extra)
    onnx.save(model, tmp_path / "faulty.onnx")
    comparison = compare(nano_weights, tmp_path / "faulty.onnx", nano_image)
    assert comparison.culprit is not None
    assert (comparison.culprit.operator, comparison.culprit.node) == ("Tanh after Conv proto_net.0", "network/extra")


def test_background_hides_nothing(nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    """Nearly all of conf is background near 1: with it, what happens to the classes would be lost in fp16's noise."""
    model = onnx.load(nano_onnx)
    disturb("prediction_layers.0.conf_layer", share=0.02)(model)
    onnx.save(convert_precision(model, "fp16"), tmp_path / "faulty.onnx")
    comparison = compare(nano_onnx, tmp_path / "faulty.onnx", nano_image)
    first = comparison.first_divergence
    assert first is not None
    assert first.stage == "conf"
    a, b = (
        open_probe(path, "cpu", None, False).run(nano_image, PostprocessConfig()).tensors["conf"]
        for path in (nano_onnx, tmp_path / "faulty.onnx")
    )
    assert difference(a, b).relative < first.tolerance
