"""Files whose masks have the image's size, one bit per pixel: contract, agreement with prototype masks, engines."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from tests.conftest import NANO_WEIGHTS, PLUS_NANO_WEIGHTS
from tests.export.graph.test_torch_to_onnx import assert_same, dims
from yolact_deploy.artifacts.onnx_file import metadata_of
from yolact_deploy.artifacts.operators import MASK_ASSEMBLY
from yolact_deploy.artifacts.tolerances import EXPORT_DETECTIONS
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import map_classes
from yolact_deploy.benchmarks.accuracy.dataset import bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import run_images
from yolact_deploy.errors import ConfigError, ModelFileError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.export.graph.check import check_export
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, ExportResult, export_onnx
from yolact_deploy.export.precision.convert import convert_file
from yolact_deploy.inspection.model_file import inspect_onnx
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, ImageSize

ODD_SIZES = [(40, 31), (50, 32), (40, 33), (384, 641), (1, 200), (1, 1), (300, 1)]  # in the last two nothing is found


@pytest.fixture(scope="module")
def plus_export(tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    output = tmp_path_factory.mktemp("plus") / "plus.onnx"
    return export_onnx(PLUS_NANO_WEIGHTS, ExportOptions(output, mask_size="image", batch=None))


def test_contract_of_the_graph(nano_image_masks_onnx: Path) -> None:
    model = onnx.load(nano_image_masks_onnx)
    (masks,) = (output for output in model.graph.output if output.name == "masks")
    assert masks.type.tensor_type.elem_type == onnx.TensorProto.INT32
    assert dims(masks) == ["B", 100, "H", "words"]
    (node,) = (node for node in model.graph.node if node.op_type == MASK_ASSEMBLY)
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert attributes == {"mask_size": b"image", "plugin_version": b"1", "plugin_namespace": b"yolact"}
    assert list(node.input) == ["proto", "kept_coefs", "boxes", "preprocess/float"]
    assert metadata_of(model, "nano").mask_size == "image"
    assert {entry.key: entry.value for entry in model.metadata_props}["yolact_deploy.format"] == "2"


@pytest.mark.parametrize("size", [None, *ODD_SIZES])
def test_the_same_pixels_as_from_prototype_size(
    nano_onnx: Path, nano_image_masks_onnx: Path, nano_image: Image, size: tuple[int, int] | None
) -> None:
    image = nano_image if size is None else np.asarray(cv2.resize(nano_image, size[::-1]), np.uint8)
    with Predictor.open(nano_onnx, device="cpu") as soft, Predictor.open(nano_image_masks_onnx, device="cpu") as packed:
        expected, found = soft(image), packed(image)
    assert (len(expected) > 0) == (size not in ODD_SIZES[-2:])
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.classes, expected.classes)
    assert found.masks.dtype == np.bool_
    assert found.masks.shape == (len(expected), *image.shape[:2])
    assert np.count_nonzero(found.masks ^ expected.masks) <= 1e-5 * expected.masks.size


def test_batches_and_the_score_threshold(nano_onnx: Path, nano_image_masks_onnx: Path, nano_image: Image) -> None:
    """Batches of 1 and 3, images of two sizes, and one without detections."""
    images = [nano_image, nano_image[:, ::-1], np.zeros_like(nano_image), nano_image[:90, :77]]
    with Predictor.open(nano_onnx, score_threshold=0.3) as soft:
        expected = [soft(image) for image in images]
    with Predictor.open(nano_image_masks_onnx, score_threshold=0.3) as packed:
        for found, wanted in zip(packed.batch(images), expected, strict=True):
            assert_same(found, wanted)
    assert [len(wanted) > 0 for wanted in expected][:3] == [True, True, False]


def test_the_whole_data_set(nano_onnx: Path, nano_image_masks_onnx: Path) -> None:
    """The same AP, within a tenth of a point."""
    expected, actual = accuracy_of(nano_onnx), accuracy_of(nano_image_masks_onnx)
    assert expected.mask.ap > 0.3
    assert actual.mask.ap == pytest.approx(expected.mask.ap, abs=0.001)
    assert actual.box.ap == pytest.approx(expected.box.ap, abs=0.001)


def accuracy_of(path: Path) -> Accuracy:
    dataset = load_dataset(bundled_nano().folder)
    with Predictor.open(path, device="cpu") as predictor:
        mapping = map_classes(predictor.metadata.config, dataset.categories)
        return GroundTruth(dataset).evaluate(run_images(predictor, dataset.images), mapping)


def test_yolact_plus_rescores_masks_at_prototype_size(plus_export: ExportResult, nano_image: Image) -> None:
    """The mask-IoU net still has its masks: as plain nodes, since a file has one function of a name."""
    assert plus_export.check.passed
    model = onnx.load(plus_export.path)
    assert [node.op_type for node in model.graph.node if node.domain] == ["YolactFastNMS", "YolactMaskAssembly"]
    assert [function.name for function in model.functions] == ["YolactFastNMS", "YolactMaskAssembly"]
    images = [nano_image, np.ascontiguousarray(nano_image[:, ::-1])]
    with Predictor.open(PLUS_NANO_WEIGHTS, device="cpu") as reference, Predictor.open(plus_export.path) as packed:
        for found, wanted in zip(packed.batch(images), reference.batch(images), strict=True):
            assert_same(found, wanted)
            np.testing.assert_allclose(found.mask_scores, wanted.mask_scores, atol=1e-4)
            assert (wanted.mask_scores != wanted.scores).any()


def test_the_check_compares_bits(plus_export: ExportResult, nano_image_masks_onnx: Path, nano_image: Image) -> None:
    """Where they differ from PyTorch's masks by more than rounding it does not pass."""
    assert plus_export.check.differences["masks"] <= EXPORT_DETECTIONS["masks"]
    model = onnx.load(nano_image_masks_onnx)
    metadata = metadata_of(model, "nano")
    network = Yolact(metadata.config).eval()
    network.load_state_dict(torch.load(NANO_WEIGHTS, weights_only=True), strict=False)
    assert check_export(network, model, metadata.postprocess, nano_image, None).passed
    (function,) = (function for function in model.functions if function.name == MASK_ASSEMBLY)
    (threshold,) = (node for node in function.node if node.output[0] == "threshold")
    threshold.attribute[0].t.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.55)))
    changed = check_export(network, model, metadata.postprocess, nano_image, None)
    assert changed.differences["masks"] == pytest.approx(0.05, abs=0.005)
    assert not changed.passed


def test_half_precision_keeps_them(nano_image_masks_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    half = convert_file(nano_image_masks_onnx, tmp_path / "half.onnx", "fp16")
    assert half.metadata.mask_size == "image"
    with Predictor.open(half.path) as predictor, Predictor.open(nano_image_masks_onnx) as whole:
        found, expected = predictor(nano_image), whole(nano_image)
    best = min(len(found), len(expected), 10)
    assert best == 10
    assert np.count_nonzero(found.masks[:best] ^ expected.masks[:best]) <= 2e-3 * expected.masks[:best].size


def test_inspect_says_so(nano_image_masks_onnx: Path) -> None:
    info = inspect_onnx(nano_image_masks_onnx)
    assert info.metadata is not None
    assert info.metadata.mask_size == "image"
    assert info.domain_nodes[1].attributes["mask_size"] == "image"
    assert ("masks", "int32", ("B", 100, "H", "words")) in [(t.name, t.dtype, t.shape) for t in info.outputs]


def test_files_of_before_have_masks_at_prototype_size(nano_onnx: Path, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    entries = {entry.key: entry for entry in model.metadata_props}
    assert entries["yolact_deploy.format"].value == "1"
    model.metadata_props.remove(entries["yolact_deploy.masks"])
    assert metadata_of(model, "old").mask_size == "prototype"
    model.metadata_props.add(key="yolact_deploy.masks", value="huge")
    with pytest.raises(ModelFileError, match="damaged yolact-deploy metadata"):
        metadata_of(model, "damaged")


def test_refusals(tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    with pytest.raises(ConfigError, match=r"input tensor leaves it out: use --input image, or --masks prototype"):
        export_onnx(NANO_WEIGHTS, ExportOptions(output, mask_size="image", input_kind="tensor"))
    with pytest.raises(ConfigError, match="unknown size of masks 'half': use one of prototype, image"):
        export_onnx(NANO_WEIGHTS, ExportOptions(output, mask_size="half"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("model", ["nano", "plus"])
def test_tensorrt_rtx_builds_them(
    nano_image_masks_onnx: Path, plus_export: ExportResult, model: str, precision: str, tmp_path: Path
) -> None:
    """From the smallest image to a large one, with sizes that are no multiples of a word."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX: the extra rtx")
    options = EngineOptions(
        tmp_path / "model.engine",
        runtime="tensorrt-rtx",
        precision=precision,
        compute_capabilities=("8.6",),
        min_size=ImageSize(1, 1),
        opt_size=ImageSize(641, 480),
        max_size=ImageSize(1921, 1080),
        batch=(1, 1, 2),
    )
    source = nano_image_masks_onnx if model == "nano" else plus_export.path
    manifest = build_engine(source, options).manifest
    (masks,) = (output for output in manifest.outputs if output.name == "masks")
    assert (masks.dtype, masks.min, masks.opt, masks.max) == (
        "int32",
        (1, 100, 1, 1),
        (1, 100, 480, 21),
        (2, 100, 1080, 61),
    )
    assert manifest.metadata.mask_size == "image"
