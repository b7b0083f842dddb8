"""Half-precision files: what is cast and what is not, by name and by value, and that nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from tests.export.precision.rounded import HALF, tensor_types
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.outputs import OUTPUT_NAMES, split_batch
from yolact_deploy.artifacts.tensor_names import RAW_OUTPUTS
from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.precision.convert import PRECISIONS, ConversionResult, convert_file, convert_precision
from yolact_deploy.export.precision.half_types import HALF_TYPES
from yolact_deploy.export.precision.rules import FP32_OPERATORS
from yolact_deploy.ops.postprocess import network_detections
from yolact_deploy.ops.preprocess import preprocess
from yolact_deploy.runtimes.onnxruntime import OnnxRuntime, create_session
from yolact_deploy.types import Image, RawOutputs

NEAR_BORDER = 0.05  # of the image
BORDER_TOLERANCE = 1e-4  # of the image
CONTRACT = ("network_input", "priors", *RAW_OUTPUTS)  # float32 under their own names in every exported file


@pytest.fixture(scope="module")
def fp32(nano_onnx: Path) -> onnx.ModelProto:
    return onnx.load(nano_onnx)


@pytest.fixture(scope="module")
def results(nano_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ConversionResult]:
    folder = tmp_path_factory.mktemp("half")
    return {name: convert_file(nano_onnx, folder / f"{name}.onnx", name) for name in PRECISIONS}


@pytest.fixture(scope="module")
def models(results: dict[str, ConversionResult]) -> dict[str, onnx.ModelProto]:
    return {name: onnx.load(result.path) for name, result in results.items()}


def run(model: onnx.ModelProto, feed: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Tensors of `model` by name, inner ones too."""
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    for name in set(names) - set(OUTPUT_NAMES):
        probed.graph.output.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = create_session(probed.SerializeToString(), "the model", device="cpu")
    return dict(zip(names, session.run(list(names), {model.graph.input[0].name: feed}), strict=True))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_only_the_network_is_cast(fp32: onnx.ModelProto, models: dict[str, onnx.ModelProto], precision: str) -> None:
    model = models[precision]
    types = tensor_types(model)
    half_operators = set()
    for node in model.graph.node:
        kinds = {types[name] for name in (*node.input, *node.output) if name in types}
        if node.op_type == "Cast" and kinds & set(HALF):
            assert node.name.startswith("network/cast_")
        elif kinds & set(HALF):
            assert node.name.startswith("network/")
            assert node.op_type not in FP32_OPERATORS
            half_operators.add(node.op_type)
    assert half_operators == {"Conv", "Relu", "MaxPool", "Add", "Resize", "Transpose", "Reshape", "Concat"}
    assert all(types[name] == TensorProto.FLOAT for name in CONTRACT)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert {types[name] for node in convolutions for name in (*node.input, *node.output)} == {
        HALF_TYPES[precision].element_type
    }
    assert len(convolutions) == sum(node.op_type == "Conv" for node in fp32.graph.node)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_surrounds_the_network_is_as_it_was(
    fp32: onnx.ModelProto, models: dict[str, onnx.ModelProto], precision: str
) -> None:
    model = models[precision]
    assert list(model.graph.input) == list(fp32.graph.input)
    assert list(model.graph.output) == list(fp32.graph.output)
    assert [function.node for function in model.functions] == [function.node for function in fp32.functions]
    kept = {node.name: node for node in model.graph.node}
    for node in fp32.graph.node:
        assert node.name in kept
        if not node.name.startswith("network/"):
            assert kept[node.name] == node
    before = {entry.key: entry.value for entry in fp32.metadata_props}
    after = {entry.key: entry.value for entry in model.metadata_props}
    assert after == {**before, "yolact_deploy.precision": precision}
    onnx.checker.check_model(model, full_check=True)


def test_pixels_reach_the_network_unrounded(
    fp32: onnx.ModelProto, models: dict[str, onnx.ModelProto], nano_image: Image
) -> None:
    expected, actual = (
        run(model, nano_image[None], ("network_input",))["network_input"] for model in (fp32, models["fp16"])
    )
    np.testing.assert_array_equal(actual, expected)


def test_boxes_near_the_border_are_decoded_in_fp32(
    fp32: onnx.ModelProto, models: dict[str, onnx.ModelProto], nano_onnx: Path, nano_image: Image
) -> None:
    """The raw outputs of the fp16 network, decoded by the float32 reference, against the file's own boxes: what is left
    is what decode, NMS and mask assembly of the file lose, and that has to be nothing."""
    outputs = run(models["fp16"], nano_image[None], (*OUTPUT_NAMES, *RAW_OUTPUTS))
    (found,) = split_batch(outputs, 1)
    metadata = ModelMetadata.from_props({entry.key: entry.value for entry in fp32.metadata_props}, nano_onnx)
    priors = next(tensor for tensor in fp32.graph.initializer if tensor.name == "priors")
    raw = RawOutputs(
        **{name: torch.from_numpy(outputs[name]) for name in RAW_OUTPUTS},
        priors=torch.from_numpy(numpy_helper.to_array(priors).copy()),
    )
    (expected,) = network_detections(raw, metadata.postprocess)
    np.testing.assert_array_equal(found.classes, expected.classes)
    near = (expected.boxes > 1 - NEAR_BORDER) & (expected.boxes < 1 + NEAR_BORDER)
    assert near.any()
    np.testing.assert_allclose(found.boxes, expected.boxes, rtol=0, atol=BORDER_TOLERANCE / 10)
    np.testing.assert_allclose(found.masks, expected.masks, rtol=0, atol=1e-4)
    coarse = expected.boxes.astype(np.float16)  # what this test would see of a box that passed through fp16
    assert np.abs(coarse - expected.boxes)[near].max() > BORDER_TOLERANCE


def test_fp16_file_runs_with_float32_outputs(
    fp32: onnx.ModelProto, results: dict[str, ConversionResult], nano_image: Image
) -> None:
    runtime = OnnxRuntime(results["fp16"].path, "cpu", None)
    outputs = runtime.run(nano_image[None])
    expected = run(fp32, nano_image[None], OUTPUT_NAMES)
    assert {name: value.dtype for name, value in outputs.items()} == {
        name: value.dtype for name, value in expected.items()
    }
    assert outputs["boxes"].dtype == outputs["scores"].dtype == outputs["masks"].dtype == np.float32
    assert runtime.metadata.precision == "fp16"


def test_onnx_runtime_has_no_bf16_convolution_for_the_cpu(results: dict[str, ConversionResult]) -> None:
    """When this fails, ONNX Runtime has learned it: precision.PRECISIONS_WITHOUT_CPU can go."""
    assert results["fp16"].runs_on_cpu
    assert not results["bf16"].runs_on_cpu
    with pytest.raises(ModelFileError, match="Conv"):
        OnnxRuntime(results["bf16"].path, "cpu", None)


def test_weights_take_half_the_bytes(fp32: onnx.ModelProto, results: dict[str, ConversionResult]) -> None:
    weights = [
        tensor
        for tensor in fp32.graph.initializer
        if tensor.name.startswith("model.") and tensor.data_type == TensorProto.FLOAT
    ]
    for result in results.values():
        halves = {tensor.name: tensor for tensor in onnx.load(result.path).graph.initializer}
        assert all(len(halves[tensor.name].raw_data) * 2 == len(tensor.raw_data) for tensor in weights)
        assert (result.weights.tensors, result.weights.values) == (
            len(weights),
            sum(int(np.prod(tensor.dims)) for tensor in weights),
        )
        assert result.output_bytes == result.path.stat().st_size < 0.52 * result.source_bytes


def test_dynamic_batch(nano_dynamic_onnx: Path, nano_image: Image) -> None:
    model = convert_precision(onnx.load(nano_dynamic_onnx), "fp16")
    casts = {name for node in model.graph.node if node.op_type == "Cast" for name in node.output}
    assert not [
        node for node in model.graph.node if node.op_type == "Shape" and node.input[0] in casts - {"preprocess/float"}
    ]
    images = np.stack([nano_image, nano_image[:, ::-1], nano_image[::-1]])
    together = split_batch(run(model, images, OUTPUT_NAMES), 3)
    for image, found in zip(images, together, strict=True):
        (alone,) = split_batch(run(model, image[None], OUTPUT_NAMES), 1)
        np.testing.assert_array_equal(found.classes, alone.classes)
        np.testing.assert_allclose(found.boxes, alone.boxes, rtol=0, atol=2e-3)


def test_tensor_input_stays_float32(nano_onnx: Path, fp32: onnx.ModelProto, nano_image: Image) -> None:
    bare = onnx.ModelProto()
    bare.CopyFrom(fp32)
    network = [node for node in fp32.graph.node if not node.name.startswith("preprocess/")]
    del bare.graph.node[:], bare.graph.input[:]
    bare.graph.node.extend(network)
    bare.graph.input.append(onnx.helper.make_tensor_value_info("network_input", TensorProto.FLOAT, [1, 3, 256, 256]))
    model = convert_precision(bare, "fp16")
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    metadata = ModelMetadata.from_props({entry.key: entry.value for entry in fp32.metadata_props}, nano_onnx)
    tensor = preprocess(nano_image[None], metadata.config).numpy()
    assert run(model, tensor, OUTPUT_NAMES)["num_detections"][0] > 0


def test_the_model_that_is_given_is_not_changed(fp32: onnx.ModelProto) -> None:
    before = fp32.SerializeToString(deterministic=True)
    convert_precision(fp32, "fp16")
    assert fp32.SerializeToString(deterministic=True) == before
