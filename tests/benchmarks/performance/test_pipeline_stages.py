"""A graph in parts does what it does in one piece; and what is called how often while it is timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import NANO_WEIGHTS
from yolact_deploy.benchmarks.performance import pipeline_stages as stages_module
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES, OnnxStages, RuntimeStages, open_stages
from yolact_deploy.benchmarks.performance.split import extract, split_graph
from yolact_deploy.benchmarks.performance.timed_model import time_model
from yolact_deploy.benchmarks.performance.timing import Schedule
from yolact_deploy.errors import ModelFileError, YolactDeployError
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import Image, NetworkDetections, PackedMasks

ONCE = Schedule(iterations=2, warmup=1)


@pytest.fixture(scope="module")
def nano_tensor_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint exported with a bare network input."""
    output = tmp_path_factory.mktemp("nano") / "tensor.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, input_kind="tensor")).path


@pytest.fixture(scope="module")
def nano_batch_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint exported for three images a call."""
    output = tmp_path_factory.mktemp("nano") / "batch.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, batch=3)).path


def assert_same(actual: NetworkDetections, expected: NetworkDetections) -> None:
    np.testing.assert_array_equal(actual.classes, expected.classes)
    for name in ("boxes", "scores", "masks", "mask_scores"):
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), rtol=0, atol=1e-5)


def test_stages_of_masks_at_the_images_size(nano_image_masks_onnx: Path, nano_image: Image) -> None:
    """Their post-processing takes the image's size past the network."""
    images = [nano_image, np.ascontiguousarray(nano_image[:, ::-1])]
    with Predictor.open(nano_image_masks_onnx, threads=1) as predictor:
        staged = open_stages(predictor, nano_image_masks_onnx, "auto", 1)
        found = staged.postprocess(staged.network(staged.preprocess(np.stack(images))))
        for actual, expected in zip(found, predictor.runtime.detect(images), strict=True):
            assert isinstance(actual.masks, PackedMasks)
            assert isinstance(expected.masks, PackedMasks)
            np.testing.assert_array_equal(actual.masks.words, expected.masks.words)
            np.testing.assert_array_equal(actual.classes, expected.classes)
        timing = time_model(predictor, nano_image_masks_onnx, images, ONCE)
    assert timing.stages is not None, timing.stages_note


@pytest.mark.parametrize("kind", ["nano_weights", "nano_onnx", "nano_dynamic_onnx", "nano_tensor_onnx"])
def test_stages_in_a_row_equal_the_whole(kind: str, request: pytest.FixtureRequest, nano_image: Image) -> None:
    path = request.getfixturevalue(kind)
    with Predictor.open(path, threads=1) as predictor:
        staged = open_stages(predictor, path, "auto", 1)
        assert isinstance(staged, RuntimeStages if kind == "nano_weights" else OnnxStages)
        (found,) = staged.postprocess(staged.network(staged.preprocess(nano_image[None])))
        (expected,) = predictor.runtime.detect([nano_image])
    assert len(found) == 36
    assert_same(found, expected)


def test_every_part_is_timed(nano_onnx: Path, nano_image: Image) -> None:
    steps: list[tuple[str, int, int]] = []
    with Predictor.open(nano_onnx, threads=1) as predictor:
        timing = time_model(predictor, nano_onnx, [nano_image], ONCE, progress=lambda *step: steps.append(step))
    assert timing.stages is not None
    assert tuple(timing.stages) == STAGES
    assert timing.network is timing.stages["network"]
    assert [what for what, done, total in steps if done == total] == ["end to end", *STAGES]
    assert timing.images_per_call == 1
    assert "run apart" in timing.stages_note


def test_images_are_cycled_through(nano_onnx: Path, nano_image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    images = [nano_image, nano_image[:200], nano_image[:100]]
    with Predictor.open(nano_onnx, threads=1) as predictor:
        whole = predictor.batch
        monkeypatch.setattr(predictor, "batch", lambda items: seen.append(items[0].shape) or whole(items))
        time_model(predictor, nano_onnx, images, Schedule(iterations=4, warmup=0))
    assert seen == [image.shape for image in (*images, nano_image)]


def test_a_fixed_batch_is_given_whole_batches(nano_batch_onnx: Path, nano_image: Image) -> None:
    with Predictor.open(nano_batch_onnx, threads=1) as predictor:
        timing = time_model(predictor, nano_batch_onnx, [nano_image], ONCE)
        staged = open_stages(predictor, nano_batch_onnx, "auto", 1)
        found = staged.postprocess(staged.network(staged.preprocess(np.stack([nano_image] * 3))))
    assert timing.images_per_call == 3
    assert timing.stages is not None
    assert [len(item) for item in found] == [36] * 3


def test_stages_know_of_failures(nano_onnx: Path) -> None:
    with Predictor.open(nano_onnx, threads=1) as predictor:
        staged = open_stages(predictor, nano_onnx, "cpu", 1)
    with pytest.raises(YolactDeployError, match=r"nano\.onnx: a stage failed in ONNX Runtime: .*[Ii]nvalid"):
        staged.network({"network_input": np.zeros((1, 3, 5, 5), np.float32)})


def test_a_model_in_one_piece_is_timed_end_to_end_only(
    nano_onnx: Path, nano_image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise ModelFileError("it has no joints")

    monkeypatch.setattr(stages_module, "OnnxStages", refuse)
    with Predictor.open(nano_onnx, threads=1) as predictor:
        timing = time_model(predictor, nano_onnx, [nano_image], ONCE)
        assert timing.stages is None
        assert timing.network is None
        assert timing.stages_note == "stages were not measured: it has no joints"
        with pytest.raises(YolactDeployError, match="runs as one piece"):
            open_stages(predictor, Path("model.engine"), "auto", None)


# ---- cutting


def test_parts_hold_only_their_own_weights_and_functions(nano_onnx: Path) -> None:
    parts = split_graph(nano_onnx)
    assert parts.preprocess is not None
    preprocess, network, postprocess = (
        onnx.load_from_string(part) for part in (parts.preprocess, parts.network, parts.postprocess)
    )
    assert [value.name for value in network.graph.input] == ["network_input"]
    assert [value.name for value in network.graph.output] == ["loc", "conf", "coef", "proto"]
    assert not network.functions
    assert not preprocess.functions
    assert {function.name for function in postprocess.functions} >= {"YolactFastNMS", "YolactMaskAssembly"}
    assert [tensor.name for tensor in postprocess.graph.initializer] == ["priors"]
    whole = onnx.load(nano_onnx)
    nodes = [part.graph.node for part in (preprocess, network, postprocess)]
    assert sum(map(len, nodes)) == len(whole.graph.node)


def test_a_bare_network_input_needs_no_preprocessing_part(nano_tensor_onnx: Path) -> None:
    assert split_graph(nano_tensor_onnx).preprocess is None


def small_model() -> onnx.ModelProto:
    """y = If(flag, x + weight, x - weight): branches read x and weight from outside; z needs nothing of it."""

    def branch(name: str, operator: str) -> onnx.GraphProto:
        node = helper.make_node(operator, ["doubled", "weight"], [f"{name}/out"])
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}/out", 1, [2])])

    nodes = [
        helper.make_node("Add", ["x", "x"], ["doubled"]),
        helper.make_node("If", ["flag"], ["y"], then_branch=branch("then", "Add"), else_branch=branch("else", "Sub")),
        helper.make_node("Neg", ["x"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("y", "z")],
        [
            numpy_helper.from_array(np.array([1, 2], np.float32), "weight"),
            numpy_helper.from_array(np.array(True), "flag"),
            numpy_helper.from_array(np.zeros(1000, np.float32), "unused"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_what_branches_read_from_outside_comes_along() -> None:
    part = extract(small_model(), ["doubled"], ["y"], Path("small.onnx"))
    model = onnx.load_from_string(part)
    assert [node.op_type for node in model.graph.node] == ["If"]
    assert sorted(tensor.name for tensor in model.graph.initializer) == ["flag", "weight"]
    (y,) = create_session(part, "small", "cpu").run(["y"], {"doubled": np.array([10, 10], np.float32)})
    np.testing.assert_array_equal(y, [11, 12])


def test_a_cut_that_does_not_separate_is_refused() -> None:
    message = r"small\.onnx cannot be cut into stages: no tensor x; export it again"
    with pytest.raises(ModelFileError, match=message):
        extract(small_model(), ["doubled"], ["y", "z"], Path("small.onnx"))
    with pytest.raises(ModelFileError, match="no tensor loc"):
        extract(small_model(), ["x"], ["loc"], Path("small.onnx"))


def test_a_damaged_file_is_refused(tmp_path: Path, nano_onnx: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(nano_onnx.read_bytes()[:5000])
    with pytest.raises(ModelFileError, match=r"cut\.onnx: cannot read it"):
        split_graph(path)
