"""TensorRT for RTX takes half-precision files: strongly typed, without a GPU, for two compute capabilities."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from yolact_deploy.export.precision.convert import PRECISIONS, convert_precision

trt = pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX: the extra rtx")

pytestmark = pytest.mark.slow

SIZES = ((1, 64, 64, 3), (1, 480, 640, 3), (1, 1080, 1920, 3))  # smallest, typical, largest


def batched(size: tuple[int, ...], batch: int) -> tuple[int, ...]:
    return (batch, *size[1:])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batches", [(1, 1, 1), (1, 2, 4)], ids=["batch-1", "dynamic-batch"])
def test_parses_and_builds(
    nano_onnx: Path, nano_dynamic_onnx: Path, precision: str, batches: tuple[int, int, int]
) -> None:
    source = nano_onnx if batches[2] == 1 else nano_dynamic_onnx
    model = convert_precision(onnx.load(source), precision)
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model.SerializeToString()), [str(parser.get_error(i)) for i in range(parser.num_errors)]
    outputs = {network.get_output(i).name: network.get_output(i).dtype for i in range(network.num_outputs)}
    real, whole = trt.DataType.FLOAT, trt.DataType.INT32
    assert outputs == {"boxes": real, "scores": real, "classes": whole, "masks": real, "num_detections": whole}
    half = {"fp16": trt.DataType.HALF, "bf16": trt.DataType.BF16}[precision]
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    convolutions = [layer for layer in layers if layer.type == trt.LayerType.CONVOLUTION]
    assert {layer.get_output(0).dtype for layer in convolutions} == {half}
    softmax = [layer for layer in layers if layer.type == trt.LayerType.SOFTMAX]
    assert [layer.get_output(0).dtype for layer in softmax] == [real]
    config = builder.create_builder_config()
    config.num_compute_capabilities = 2
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    config.set_compute_capability(trt.ComputeCapability.SM120, 1)
    profile = builder.create_optimization_profile()
    profile.set_shape("image", *(batched(size, batch) for size, batch in zip(SIZES, batches, strict=True)))
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config) is not None
