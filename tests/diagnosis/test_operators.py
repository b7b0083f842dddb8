"""Operators of a model in PyTorch and of its export pair up by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.conftest import PLUS_NANO_WEIGHTS
from yolact_deploy.config import PostprocessConfig
from yolact_deploy.diagnosis.onnx_operators import OnnxGraph
from yolact_deploy.diagnosis.operators import Namer, Operator, Structure, module_name
from yolact_deploy.diagnosis.probes import Probe, open_probe
from yolact_deploy.export.torch_to_onnx import ExportResult
from yolact_deploy.stages import tensor_stages
from yolact_deploy.types import Image


def structure_of(path: Path, image: Image) -> tuple[Probe, Structure]:
    probe = open_probe(path, "cpu", None, False)
    probe.run(image, PostprocessConfig())
    structure = probe.structure()
    assert structure is not None
    return probe, structure


def assert_pairs_up(weights: Path, exported: Path, image: Image) -> Structure:
    """Every operator of the checkpoint is in the file, and gives the same."""
    reference, ours = structure_of(weights, image)
    suspect, theirs = structure_of(exported, image)
    assert list(ours.operators) == list(theirs.operators)
    assert ours.stages == theirs.stages
    assert [operator.label for operator in ours.operators.values()] == [
        operator.label for operator in theirs.operators.values()
    ]
    expected, actual = reference.values(image, ours.operators), suspect.values(image, ours.operators)
    assert list(expected) == list(ours.operators)
    for key, operator in ours.operators.items():
        scale = np.abs(expected[key]).max()
        np.testing.assert_allclose(actual[key], expected[key], rtol=0, atol=1e-5 * scale, err_msg=operator.label)
    return ours


def test_nano(nano_weights: Path, nano_onnx: Path, nano_image: Image) -> None:
    structure = assert_pairs_up(nano_weights, nano_onnx, nano_image)
    convolutions = [operator for operator in structure.operators.values() if operator.label.startswith("Conv ")]
    assert len(convolutions) == 62  # 29 of the backbone, 8 of the FPN, 5 of the prototype net, 4 on each of 5 levels
    names = tensor_stages(open_probe(nano_onnx, "cpu", None, False).metadata.config)
    assert set(structure.stages) == set(names)
    inside = [structure.inside(name, names[:index]) for index, name in enumerate(names)]
    keys = [operator.key for operators in inside for operator in operators]
    assert sorted(keys) == sorted(structure.operators)  # each in one stage
    p4 = [operator.label for operator in inside[names.index("P4")]]
    assert p4 == ["Conv fpn.pred_layers.1", "Relu after Conv fpn.pred_layers.1"]


def test_plus_nano(nano_image: Image, plus_exports: dict[str, ExportResult]) -> None:
    """Deformable convolutions too, to the last operator of their sampling grids."""
    structure = assert_pairs_up(PLUS_NANO_WEIGHTS, plus_exports["gridsample"].path, nano_image)
    assert any(operator.label.startswith("GridSample") for operator in structure.operators.values())


@pytest.mark.parametrize(
    ("weight", "module"),
    [
        ("fpn.lat_layers.0.weight", "fpn.lat_layers.0"),
        ("model.fpn.lat_layers.0.weight", "fpn.lat_layers.0"),
        ("model.fpn.lat_layers.0.weight_quantized", "fpn.lat_layers.0"),
        ("model.fpn.lat_layers.0.weight_DequantizeLinear_Output", "fpn.lat_layers.0"),
        ("model.fpn.lat_layers.0.weight/fp16", "fpn.lat_layers.0"),
        ("model.backbone.layers.1.0.conv2.layer.weight", "backbone.layers.1.0.conv2"),
        ("model.backbone.layers.1.0.conv2.layer.conv_offset_mask.weight", "backbone.layers.1.0.conv2.conv_offset_mask"),
    ],
)
def test_names_of_weights(weight: str, module: str) -> None:
    assert module_name(weight) == module


def test_names_depend_on_what_is_computed_alone() -> None:
    namer, known = Namer(["P3", "P4"]), dict[str, Operator]()
    first, second = (namer.layer("prediction_layers.0.upfeature.0.weight", ["x"]) for _ in range(2))
    assert [first.label, second.label] == [
        "Conv prediction_layers.0.upfeature.0 on P3",
        "Conv prediction_layers.0.upfeature.0 on P4",
    ]
    assert first.key != second.key
    known[first.key] = first
    relu = namer.operator("Relu", [first.key], known)
    assert relu.label == "Relu after Conv prediction_layers.0.upfeature.0 on P3"
    assert relu.key == namer.operator("Relu", [first.key], {}).key
    assert len({namer.operator(kind, [first.key], known).key for kind in ("Relu", "Tanh")}) == 2
    assert namer.operator("Add", ["a", "b"], {}).key == namer.operator("Add", ["b", "a"], {}).key
    assert namer.operator("Sub", ["a", "b"], {}).key != namer.operator("Sub", ["b", "a"], {}).key


def test_a_tensor_is_read_behind_its_quantiser() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 20]>
        g (float[1,2] x, float scale, uint8 zero) => (float[1,2] y, float[1,2] z) {
          a = Neg(x)
          q = QuantizeLinear(a, scale, zero)
          b = DequantizeLinear(q, scale, zero)
          y = Relu(b)
          c = Abs(x)
          r = QuantizeLinear(c, scale, zero)
          d = DequantizeLinear(r, scale, zero)
          e = Relu(d)
          z = Add(c, e)
        }"""
    )
    graph = OnnxGraph(model, [])
    assert graph.as_read("a") == "b"
    assert graph.as_read("c") == "c"  # somebody reads it as it is
    assert graph.as_read("y") == "y"
    assert graph.is_quantized
