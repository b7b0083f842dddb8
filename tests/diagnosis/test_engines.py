"""Comparing engines, on a stand-in GPU: with the stages that --debug-outputs adds, and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.conftest import NANO
from tests.gpu_stand_in import FakeGpu
from tests.running import Captured, fails, succeeds
from tests.runtimes.conftest import LARGE, SMALL, binding, gpu
from yolact_deploy import cli
from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.artifacts.tensor_names import tensor_stages
from yolact_deploy.diagnosis.compare import CompareOptions, compare_models
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.tensorrt import TensorRTRuntime
from yolact_deploy.types import Image

__all__ = ["binding", "gpu"]  # fixtures
pytestmark = pytest.mark.parametrize("binding", ["cuda-python"], indirect=True)


def built(source: Path, output: Path, debug_outputs: bool = True) -> Path:
    options = EngineOptions(output, min_size=SMALL, max_size=LARGE, debug_outputs=debug_outputs, tf32=False)
    return build_engine(source, options).path


def test_a_healthy_engine(gpu: FakeGpu, nano_weights: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    engine = built(nano_onnx, tmp_path / "nano.engine")
    for pair in ((nano_weights, engine), (nano_onnx, engine), (engine, nano_weights)):
        comparison = compare_models(*pair, nano_image, CompareOptions())
        assert comparison.first_divergence is None
        assert all(result.difference is not None for result in comparison.stages)
    assert gpu.live == {}


def test_a_faulty_engine(gpu: FakeGpu, nano_weights: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "model.fpn.pred_layers.1.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, bias.name))
    onnx.save(model, tmp_path / "faulty.onnx")
    comparison = compare_models(
        nano_weights, built(tmp_path / "faulty.onnx", tmp_path / "faulty.engine"), nano_image, CompareOptions()
    )
    assert comparison.first_divergence is not None
    assert comparison.first_divergence.stage == "P4"
    assert comparison.culprit is None  # an engine does not tell its operators


def test_a_plain_engine_says_how_to_get_more(
    gpu: FakeGpu, nano_weights: Path, nano_onnx: Path, tmp_path: Path, capsys: Captured
) -> None:
    engine = built(nano_onnx, tmp_path / "nano.engine", debug_outputs=False)
    small = NANO / "images/000000001000.jpg"
    assert cli.run(["compare", str(nano_weights), str(engine), "--image", str(small)]) == 0
    captured = capsys.readouterr()
    assert captured.err.endswith("gives its final outputs only: build it again with --debug-outputs\n")
    assert "skipped network_input, C3, C4" in captured.err
    assert captured.out.splitlines()[-1] == "all 3 stages that were compared are within tolerance"


def test_a_plain_engine_that_finds_something_else(
    gpu: FakeGpu, nano_weights: Path, nano_onnx: Path, tmp_path: Path, capsys: Captured
) -> None:
    model = onnx.load(nano_onnx)
    mean = next(tensor for tensor in model.graph.initializer if tensor.name == "preprocess/mean")
    mean.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(mean) + 40, mean.name))
    onnx.save(model, tmp_path / "faulty.onnx")
    engine = built(tmp_path / "faulty.onnx", tmp_path / "faulty.engine", debug_outputs=False)
    assert cli.run(["compare", str(nano_weights), str(engine)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "error: first divergence in boxes, which operator in it cannot be told from these files"


def test_debug_outputs_cost_ordinary_calls_no_copies(
    gpu: FakeGpu, nano_onnx: Path, nano_image: Image, tmp_path: Path
) -> None:
    engine = built(nano_onnx, tmp_path / "nano.engine")
    manifest = Manifest.read(engine)
    stages = set(tensor_stages(manifest.metadata.config))
    assert stages <= {tensor.name for tensor in manifest.outputs}
    assert manifest.options["debug_outputs"] is True
    assert "--debug-outputs" in manifest.command
    ordinary = TensorRTRuntime(engine)
    outputs = ordinary.run(nano_image[None])
    assert not stages & set(outputs)
    ordinary.close()
    curious = TensorRTRuntime(engine, with_debug_outputs=True)
    assert stages <= set(curious.run(nano_image[None]))
    curious.close()
    with Predictor.open(engine) as predictor, Predictor.open(nano_onnx, device="cpu") as reference:
        np.testing.assert_array_equal(predictor(nano_image).masks, reference(nano_image).masks)


def test_an_engine_that_may_round_to_tf32_is_held_to_fp16(
    gpu: FakeGpu, nano_weights: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path
) -> None:
    output = tmp_path / "tf32.engine"
    engine = build_engine(nano_onnx, EngineOptions(output, min_size=SMALL, max_size=LARGE, tf32=True)).path
    comparison = compare_models(nano_weights, engine, nano_image, CompareOptions())
    assert (comparison.suspect.precision, comparison.tolerances) == ("fp16", "fp16")


def test_wrong_input(gpu: FakeGpu, nano_weights: Path, nano_onnx: Path, tmp_path: Path, capsys: Captured) -> None:
    engine = built(nano_onnx, tmp_path / "nano.engine")
    model = onnx.load(nano_onnx)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["unnamed" if name == "P4" else name for name in names]
    onnx.save(model, tmp_path / "old.onnx")
    line = fails(capsys, "build-engine", tmp_path / "old.onnx", "--debug-outputs")
    assert "names no tensors P4: export it again for --debug-outputs" in line
    (tmp_path / "nano.engine.json").unlink()
    assert "has no manifest" in fails(capsys, "compare", nano_weights, engine)
    succeeds(capsys, "compare", nano_weights, engine, "--trust", "--config", "yolact_nano")
