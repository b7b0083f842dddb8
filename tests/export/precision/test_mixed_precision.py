"""The rules for float32 nodes, on small graphs with operators that the bundled model does not have."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from tests.export.precision.rounded import tensor_types
from yolact_deploy.export.precision.half_types import HALF_TYPES
from yolact_deploy.export.precision.mixed_precision import cast_network

# A deformable sampling step: a learned offset becomes a grid, the grid samples the input, a convolution follows.
DEFORMABLE = """
<ir_version: 10, opset_import: ["" : 20]>
deformable (float[1,4,8,8] x) => (float[1,4,8,8] y)
<float[2,4,1,1] offset_weight, float[4,4,1,1] weight, float[1,8,8,2] base, float step, float[2] unused>
{
  activation = Relu(x)
  offset = Conv(activation, offset_weight)
  last = Transpose<perm = [0, 2, 3, 1]>(offset)
  shift = Mul(last, step)
  grid = Add(base, shift)
  sampled = GridSample<mode = "linear">(activation, grid)
  scaled = Mul(sampled, step)
  y = Conv(scaled, weight)
}
"""
EXACT = ("last", "shift", "grid", "sampled", "base", "step")  # float32 in the converted graph


def deformable() -> onnx.ModelProto:
    """The graph above with weights, its nodes named as the network's."""
    model = onnx.parser.parse_model(DEFORMABLE)
    for node in model.graph.node:
        node.name = f"network/{node.output[0]}"
    random = np.random.default_rng(5)
    ticks = (np.arange(8, dtype=np.float32) * 2 + 1) / 8 - 1
    values = {
        "offset_weight": random.standard_normal((2, 4, 1, 1)),
        "weight": random.standard_normal((4, 4, 1, 1)),
        "base": np.stack(np.meshgrid(ticks, ticks), axis=-1)[None],
        "step": np.array(0.013),
    }
    del model.graph.initializer[:]
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, x: np.ndarray, *names: str) -> list[np.ndarray]:
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    types = tensor_types(model)
    probed.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, types[name], None) for name in names if name != "y"
    )
    session = ort.InferenceSession(probed.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(list(names), {"x": x})


@pytest.mark.parametrize("precision", list(HALF_TYPES))
def test_sampling_grids_stay_float32_back_to_the_layer_that_learned_them(precision: str) -> None:
    model = deformable()
    half = HALF_TYPES[precision]
    cast_network(model, half, "the model")
    onnx.checker.check_model(model, full_check=True)
    types = tensor_types(model)
    assert {name: types[name] for name in EXACT} == dict.fromkeys(EXACT, TensorProto.FLOAT)
    (sample,) = (node for node in model.graph.node if node.op_type == "GridSample")
    assert [types[name] for name in sample.input] == [TensorProto.FLOAT] * 2
    for node in model.graph.node:
        if node.op_type == "Conv":
            assert {types[name] for name in (*node.input, *node.output)} == {half.element_type}
    # `step` is read by the grid in float32 and by the product after the sampling in half precision.
    assert types[f"step/{precision}"] == half.element_type


def test_grid_is_as_exact_as_the_offset_that_it_comes_from() -> None:
    exact, half = deformable(), deformable()
    cast_network(half, HALF_TYPES["fp16"], "the model")
    x = np.random.default_rng(6).standard_normal((1, 4, 8, 8)).astype(np.float32)
    offset, grid, y = run(half, x, "offset", "grid", "y")
    initializers = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in exact.graph.initializer}
    expected = initializers["base"] + offset.astype(np.float32).transpose(0, 2, 3, 1) * initializers["step"]
    np.testing.assert_allclose(grid, expected, rtol=0, atol=1e-7)
    assert np.abs(grid.astype(np.float16) - grid).max() > 1e-4  # a half-precision grid would show
    np.testing.assert_allclose(y, run(exact, x, "y")[0], rtol=0, atol=0.02)


def test_float32_readers_keep_the_name_and_the_rest_takes_the_twin() -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 20]>
        both (float[1,2,4,4] x) => (float[1,2,4,4] y, float[1,2,4,4] probabilities, int64[4] shape)
        <float[2,2,1,1] weight = {1.0, 2.0, 3.0, 4.0}>
        {
          features = Conv(x, weight)
          probabilities = Softmax<axis = 1>(features)
          inner = Relu(features)
          shape = Shape(inner)
          y = Conv(inner, weight)
        }""")
    for node in model.graph.node:
        node.name = f"network/{node.output[0]}"
    loss = cast_network(model, HALF_TYPES["fp16"], "the model")
    assert (loss.tensors, loss.values) == (1, 4)  # shared by two convolutions, converted once
    onnx.checker.check_model(model, full_check=True)
    types = tensor_types(model)
    kinds = {"features": TensorProto.FLOAT, "features/fp16": TensorProto.FLOAT16, "inner": TensorProto.FLOAT16}
    assert {name: types[name] for name in kinds} == kinds
    readers = {node.name: list(node.input) for node in model.graph.node}
    assert readers["network/probabilities"] == ["features"]
    assert readers["network/inner"] == ["features/fp16"]
    assert readers["network/shape"] == ["inner"]
    assert [node.name for node in model.graph.node if node.op_type == "Cast"] == [
        "network/cast_x_to_fp16",
        "network/cast_features_to_fp32",
        "network/cast_y_to_fp32",
    ]
