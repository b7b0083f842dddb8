"""Faults planted in an exported file: `compare` names the stage and, inside it, the operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.conftest import PLUS_NANO_WEIGHTS
from tests.diagnosis.planted import align_corners, bypass, change, compare, disturb, in_function, initializer, poison
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.diagnosis.differences import difference
from yolact_deploy.diagnosis.opening import open_probe
from yolact_deploy.export.graph.torch_to_onnx import ExportResult
from yolact_deploy.export.precision.convert import convert_precision
from yolact_deploy.types import Image

FAULTS = {
    "lat 0": (disturb("fpn.lat_layers.0"), "P3", "Conv fpn.lat_layers.0"),
    "lat 1": (disturb("fpn.lat_layers.1"), "P3", "Conv fpn.lat_layers.1"),
    "pred 0": (disturb("fpn.pred_layers.0"), "P5", "Conv fpn.pred_layers.0"),
    "pred 1": (disturb("fpn.pred_layers.1"), "P4", "Conv fpn.pred_layers.1"),
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
    "anchors": (initializer("priors", lambda priors: priors * 1.02), "boxes", "priors"),
    "no crop": (in_function("YolactMaskAssembly", "masks", 1, "one"), "masks", "YolactMaskAssembly"),
    "crop too tight": (in_function("YolactMaskAssembly", "low_padded_x", 1, "zero"), "masks", "YolactMaskAssembly"),
    "NaN": (initializer("model.fpn.downsample_layers.0.bias", poison), "P6", "Conv fpn.downsample_layers.0"),
}


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


@pytest.mark.parametrize("fault", ["lat 1", "proto activation", "corners, P5 to P4", "channel order", "no crop"])
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


def test_a_batch_norm_that_was_not_folded(
    plus_exports: dict[str, ExportResult], nano_image: Image, tmp_path: Path
) -> None:
    """It belongs to the layer before it, as in a checkpoint. Exports of 0.1.0 have one behind each DeformConv."""
    healthy = plus_exports["onnx"].path
    model = onnx.load(healthy)
    layer = next(node for node in model.graph.node if node.op_type == "DeformConv")
    channels = next(tensor.dims[0] for tensor in model.graph.initializer if tensor.name == layer.input[1])
    values = {"scale": 1.5, "shift": 0.0, "mean": 0.0, "variance": 1.0}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.full(channels, value, np.float32), name) for name, value in values.items()
    )
    result = layer.output[0]
    layer.output[0] = "before the norm"
    norm = helper.make_node("BatchNormalization", [layer.output[0], *values], [result], name="norm")
    model.graph.node.insert(list(model.graph.node).index(layer) + 1, norm)
    onnx.save(model, tmp_path / "faulty.onnx")
    comparison = compare(healthy, tmp_path / "faulty.onnx", nano_image)
    assert comparison.culprit is not None
    assert comparison.culprit.operator == "Conv backbone.layers.1.0.conv2"


DEFORMED = "backbone.layers.1.0.conv2"
PLUS_FAULTS = {
    "kernel": (disturb(f"{DEFORMED}.layer"), f"Conv {DEFORMED}"),
    "offsets": (disturb(f"{DEFORMED}.layer.conv_offset_mask"), f"Conv {DEFORMED}.conv_offset_mask"),
    "factors": (bypass("Sigmoid", reader="sigmoid"), f"Conv {DEFORMED}"),
    "before": (disturb("backbone.layers.1.0.conv1"), "Conv backbone.layers.1.0.conv1"),
    "behind": (disturb("backbone.layers.1.0.conv3"), "Conv backbone.layers.1.0.conv3"),
}


@pytest.mark.parametrize("fault", PLUS_FAULTS)
@pytest.mark.parametrize("reference", ["checkpoint", "gridsample"])
def test_a_deformable_convolution_that_is_one_node(
    fault: str, reference: str, plus_exports: dict[str, ExportResult], nano_image: Image, tmp_path: Path
) -> None:
    """It pairs with one that is written out."""
    plant, operator = PLUS_FAULTS[fault]
    model = onnx.load(plus_exports["onnx"].path)
    plant(model)
    onnx.save(model, tmp_path / "faulty.onnx")
    healthy = PLUS_NANO_WEIGHTS if reference == "checkpoint" else plus_exports[reference].path
    for pair in ((healthy, tmp_path / "faulty.onnx"), (tmp_path / "faulty.onnx", healthy)):
        comparison = compare(*pair, nano_image)
        assert comparison.first_divergence is not None
        assert comparison.first_divergence.stage == "C3"
        assert comparison.culprit is not None
        assert comparison.culprit.operator == operator
        assert comparison.culprit.reason.endswith("and what it reads agrees")


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
