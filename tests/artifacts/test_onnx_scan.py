"""A file's structure without the onnx package, against what onnx itself says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.conftest import DATA
from yolact_deploy.artifacts.metadata import FORMAT_KEY
from yolact_deploy.artifacts.onnx_file import props_of, read_exported, read_metadata
from yolact_deploy.artifacts.onnx_scan import MAX_NESTING, scan_onnx
from yolact_deploy.errors import AssumptionWarning, ModelFileError

TINY = DATA / "version_0_1_0/tiny.onnx"
OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]


def saved(path: Path, nodes: list[onnx.NodeProto], functions: list[onnx.FunctionProto] | None = None) -> Path:
    graph = helper.make_graph(nodes, "graph", [], [])
    onnx.save(helper.make_model(graph, functions=functions or [], opset_imports=OPSETS), path)
    return path


def test_what_onnx_says_of_an_exported_file() -> None:
    model = onnx.load(TINY)
    structure = scan_onnx(TINY)
    assert structure.operators == {(node.domain, node.op_type) for node in model.graph.node}
    assert structure.functions == {
        (body.domain, body.name): {(node.domain, node.op_type) for node in body.node} for body in model.functions
    }
    assert structure.props == props_of(model)
    assert (structure.has_external_data, structure.is_quantised) == (False, False)


def calling(name: str, *called: str) -> onnx.FunctionProto:
    nodes = [helper.make_node(other, ["a"], [f"b{index}"], domain="f") for index, other in enumerate(called)]
    return helper.make_function("f", name, ["a"], ["b0"], nodes, OPSETS)


@pytest.mark.parametrize(
    "functions",
    [
        [calling("A", "A")],
        [calling("A", "B"), calling("B", "A")],
        [calling("A", "B"), calling("B", "C"), calling("C", "D", "B"), calling("D")],
    ],
)
def test_functions_that_call_one_another_in_a_circle(tmp_path: Path, functions: list[onnx.FunctionProto]) -> None:
    path = saved(tmp_path / "a.onnx", [helper.make_node("A", ["x"], ["y"], domain="f")], functions)
    with pytest.raises(ModelFileError, match="in a circle"):
        scan_onnx(path)


def test_functions_that_share_another_are_no_circle(tmp_path: Path) -> None:
    functions = [calling("A", "B", "C"), calling("B", "D"), calling("C", "D"), calling("D")]
    path = saved(tmp_path / "a.onnx", [helper.make_node("A", ["x"], ["y"], domain="f")], functions)
    assert scan_onnx(path).functions["f", "A"] == {("f", "B"), ("f", "C")}


def nested(depth: int) -> onnx.NodeProto:
    node = helper.make_node("QuantizeLinear", ["x", "s"], ["y"])
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["y"], then_branch=helper.make_graph([node], "inner", [], []))
    return node


def test_operators_of_inner_graphs_count(tmp_path: Path) -> None:
    assert scan_onnx(saved(tmp_path / "a.onnx", [nested(3)])).is_quantised
    with pytest.raises(ModelFileError, match="nested"):
        scan_onnx(saved(tmp_path / "b.onnx", [nested(MAX_NESTING + 1)]))


@pytest.mark.parametrize(
    ("domain", "operator", "expected"),
    [
        ("", "DequantizeLinear", True),
        ("", "QLinearConv", True),
        ("", "ConvInteger", True),
        ("com.microsoft", "QLinearAdd", True),
        ("com.microsoft", "QGemm", True),
        ("", "Conv", False),
        ("", "Cast", False),
    ],
)
def test_what_quantises(tmp_path: Path, domain: str, operator: str, expected: bool) -> None:
    path = saved(tmp_path / "a.onnx", [helper.make_node(operator, ["x"], ["y"], domain=domain)])
    assert scan_onnx(path).is_quantised is expected


def quantised(path: Path) -> Path:
    """The tiny file with one pair of quantising nodes behind the image's first use, still labelled fp32."""
    model = onnx.load(TINY)
    model.graph.node.add(op_type="QuantizeLinear", input=["scores", "one", "zero"], output=["q"])
    model.graph.node.add(op_type="DequantizeLinear", input=["q", "one", "zero"], output=["back"])
    model.graph.initializer.append(helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]))
    model.graph.initializer.append(helper.make_tensor("zero", TensorProto.INT8, [], [0]))
    onnx.save(model, path)
    return path


def test_the_precision_is_that_of_the_nodes(tmp_path: Path) -> None:
    """A file that another tool quantised keeps our label."""
    path = quantised(tmp_path / "a.onnx")
    with pytest.warns(AssumptionWarning, match="says that it is fp32, but its nodes quantise: taken as int8"):
        assert read_metadata(path).precision == "int8"
    with pytest.warns(AssumptionWarning):
        assert props_of(read_exported(path))["yolact_deploy.precision"] == "int8"
    model = onnx.load(TINY)
    helper.set_model_props(model, {**props_of(model), "yolact_deploy.precision": "int8"})
    onnx.save(model, path)
    with pytest.warns(AssumptionWarning, match="none of its nodes quantises"):
        assert read_metadata(path).precision == "fp32"


def test_weights_in_other_files_are_refused(tmp_path: Path) -> None:
    model = onnx.load(TINY)
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="x" * 5000)
    path = tmp_path / "a.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelFileError, match="weights in other files"):
        read_metadata(path)


@pytest.mark.parametrize(
    "text", ["null", "[]", "{", '{"name": null}', '{"image_size": 1e999}', "[" * 9999, '"\\ud800"']
)
def test_damaged_metadata(tmp_path: Path, text: str) -> None:
    for key in ("yolact_deploy.config", "yolact_deploy.postprocess"):
        model = onnx.load(TINY)
        helper.set_model_props(model, {**props_of(model), key: text})
        onnx.save(model, tmp_path / "a.onnx")
        with pytest.raises(ModelFileError, match="damaged yolact-deploy metadata"):
            read_metadata(tmp_path / "a.onnx")


@pytest.mark.parametrize("data", [b"", b"\xff" * 100, b"\x3a\xff\xff\xff\xff\x0f", b"\x3a\x7f", b"\x0b", b"\x08"])
def test_bytes_that_are_no_message(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(ModelFileError, match="not an ONNX file, or truncated"):
        scan_onnx(tmp_path / "a.onnx")


def test_a_file_of_others_says_so() -> None:
    assert FORMAT_KEY in scan_onnx(TINY).props
    with pytest.raises(ModelFileError, match="no such file"):
        scan_onnx(Path("missing.onnx"))
