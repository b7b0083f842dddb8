"""What inspect says of checkpoints and of ONNX files, ours and foreign."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.conftest import NANO_WEIGHTS
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import CheckpointError, ModelFileError
from yolact_deploy.files import sha256_of
from yolact_deploy.inspection.model_file import (
    CheckpointInfo,
    DomainNode,
    OnnxFunction,
    OnnxInfo,
    TensorInfo,
    inspect_file,
)


def inspect_onnx(path: Path) -> OnnxInfo:
    info = inspect_file(path)
    assert isinstance(info, OnnxInfo)
    return info


@pytest.fixture
def foreign() -> onnx.ModelProto:
    """A small model of somebody else's: one standard node, one of a domain, one function."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "w"], ["sum"]),
            helper.make_node("Twice", ["sum"], ["y"], domain="theirs", name="twice", times=2, note="hi", rate=0.5),
        ],
        "graph",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["N", 3, None]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT16, [3, 2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)],
        [helper.make_tensor("w", TensorProto.FLOAT16, [3, 2], [0.0] * 6)],
    )
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    function = helper.make_function("theirs", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 20)])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("theirs", 3)]
    return helper.make_model(graph, functions=[function], opset_imports=opsets, producer_name="them", ir_version=9)


def test_a_checkpoint() -> None:
    info = inspect_file(NANO_WEIGHTS)
    assert isinstance(info, CheckpointInfo)
    assert info.config == ModelConfig.named("yolact_nano")
    assert info.sha256 == sha256_of(NANO_WEIGHTS)
    assert info.size_bytes == NANO_WEIGHTS.stat().st_size
    assert (info.file_format, info.backbone) == ("zip", "ResNet-26 of width 16")
    assert (info.num_priors, info.proto_size, info.parameters) == (4092, 64, 1_382_903)
    assert info.notes == ()


def test_a_foreign_onnx_file(tmp_path: Path, foreign: onnx.ModelProto) -> None:
    path = tmp_path / "theirs.onnx"
    onnx.save(foreign, path)
    info = inspect_onnx(path)
    assert (info.is_ours, info.metadata, info.notes) == (False, None, ())
    assert (info.producer, info.ir_version) == ("them", 9)
    assert info.opsets == {"ai.onnx": 20, "theirs": 3}
    assert info.inputs == (TensorInfo("x", "float16", ("N", 3, "?")),)
    assert info.outputs == (TensorInfo("y", "float16", ()),)
    assert info.operators == {"Add": 1, "theirs.Twice": 1}
    assert info.domain_nodes == (DomainNode("theirs", "Twice", "twice", {"times": 2, "note": "hi", "rate": 0.5}),)
    assert info.functions == (OnnxFunction("theirs", "Twice", 1),)
    assert info.parameters == 6
    assert info.sha256 == sha256_of(path)


def test_metadata_of_ours(tmp_path: Path, foreign: onnx.ModelProto) -> None:
    metadata = ModelMetadata(
        ModelConfig.named("yolact_nano"), PostprocessConfig(0.2), "tensor", "fp32", "a.pth", "0" * 64, "0.1.0"
    )
    helper.set_model_props(foreign, metadata.to_props())
    onnx.save(foreign, tmp_path / "ours.onnx")
    info = inspect_onnx(tmp_path / "ours.onnx")
    assert info.is_ours
    assert info.metadata == metadata


def test_damaged_metadata_of_ours_are_a_note(tmp_path: Path, foreign: onnx.ModelProto) -> None:
    helper.set_model_props(foreign, {"yolact_deploy.format": "1", "yolact_deploy.config": "{"})
    onnx.save(foreign, tmp_path / "ours.onnx")
    info = inspect_onnx(tmp_path / "ours.onnx")
    assert (info.is_ours, info.metadata) == (True, None)
    assert "damaged" in info.notes[0]
    assert info.operators["Add"] == 1


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"plain text, no model", bytes(range(256))])
def test_what_is_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not an ONNX file, or truncated") as caught:
        inspect_file(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_onnx_file(tmp_path: Path, foreign: onnx.ModelProto) -> None:
    data = foreign.SerializeToString()
    path = tmp_path / "a.onnx"
    for length in range(0, len(data) - 1, 7):
        path.write_bytes(data[:length])
        try:
            inspect_file(path)
        except ModelFileError:
            continue
        # A cut between two fields leaves a shorter, valid message: it must at least hold the whole graph.
        assert onnx.load(path).graph.node == foreign.graph.node


def test_a_truncated_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "yolact_nano_1_2.pth"
    path.write_bytes(NANO_WEIGHTS.read_bytes()[:100_000])
    with pytest.raises(CheckpointError):
        inspect_file(path)


def test_other_paths(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such file"):
        inspect_file(tmp_path / "a.onnx")
    with pytest.raises(ModelFileError, match="folder"):
        inspect_file(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ModelFileError, match="unknown kind of model file"):
        inspect_file(tmp_path / "a.txt")
