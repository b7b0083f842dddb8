"""ONNX Runtime is quiet."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from yolact_deploy.runtimes.onnxruntime import create_session


def test_its_own_log_lines_reach_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    """Of the default logger, too, which writes past the session's."""
    doubles = helper.make_tensor("value", TensorProto.DOUBLE, [1], [1.0])
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [1 << 61])
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"], value=doubles)
    output = helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)
    graph = helper.make_graph([node], "too large", [], [output], [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    with pytest.raises(Exception, match="overflow"):
        create_session(model.SerializeToString(), "a model", "cpu").run(None, {})
    assert capfd.readouterr().err == ""
