"""Operators of a model in PyTorch and of its export pair up by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.conftest import PLUS_NANO_WEIGHTS
from yolact_deploy.artifacts.tensor_names import tensor_stages
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.diagnosis.onnx_operators import OnnxGraph
from yolact_deploy.diagnosis.opening import open_probe
from yolact_deploy.diagnosis.operators import Namer, Operator, Structure, module_name
from yolact_deploy.diagnosis.probes import Probe
from yolact_deploy.export.graph.torch_to_onnx import ExportResult
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


def reordered(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph, its nodes in the order in which a walk back from its last outputs finds them."""
    writers = {name: node for node in model.graph.node for name in node.output}
    order: dict[int, onnx.NodeProto] = {}

    def visit(node: onnx.NodeProto) -> None:
        for name in reversed(node.input):
            if name in writers and id(writers[name]) not in order:
                visit(writers[name])
        order[id(node)] = node

    for node in reversed(model.graph.node):
        if id(node) not in order:
            visit(node)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    copy.graph.node.extend(order.values())
    return copy


def test_the_order_of_nodes_does_not_matter(nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    onnx.save(reordered(model), tmp_path / "reordered.onnx")
    reference, ours = structure_of(nano_onnx, nano_image)
    suspect, theirs = structure_of(tmp_path / "reordered.onnx", nano_image)
    heads = [[key for key in names.operators if "prediction_layers" in key] for names in (ours, theirs)]
    assert heads[0] != heads[1]  # P3 is not the first of both
    assert ours.operators == {key: theirs.operators[key] for key in ours.operators}
    assert ours.stages == theirs.stages
    expected, actual = reference.values(nano_image, heads[0]), suspect.values(nano_image, heads[0])
    for key in heads[0]:
        np.testing.assert_allclose(actual[key], expected[key], rtol=1e-4, atol=1e-4, err_msg=key)


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
    namer, known = Namer(["P3", "P4", "P5", "P6"]), dict[str, Operator]()
    levels = {
        name: namer.layer(f"fpn.{module}.weight", ["x"])
        for name, module in (
            *(("P5", "pred_layers.0"), ("P4", "pred_layers.1"), ("P3", "pred_layers.2")),
            ("P6", "downsample_layers.0"),
        )
    }
    heads = {
        name: namer.layer(
            "prediction_layers.0.upfeature.0.weight", [namer.operator("Relu", [levels[name].key], {}).key]
        )
        for name in ("P6", "P3", "P5", "P4")
    }
    assert {name: head.label for name, head in heads.items()} == {
        name: f"Conv prediction_layers.0.upfeature.0 on {name}" for name in heads
    }
    again = namer.layer("prediction_layers.0.upfeature.0.weight", [levels["P4"].key])
    assert again.label == heads["P4"].label
    assert again.key != heads["P4"].key
    assert namer.layer("prediction_layers.0.upfeature.0.weight", ["x"]).label == "Conv prediction_layers.0.upfeature.0"
    first, second = heads["P3"], heads["P4"]
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
