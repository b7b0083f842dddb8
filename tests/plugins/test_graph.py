"""The exported file with its two nodes computed by the host build: the same detections and AP as with its functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.plugins.host_build import HostBuild
from yolact_deploy.artifacts.onnx_file import metadata_of
from yolact_deploy.artifacts.operators import DOMAIN
from yolact_deploy.artifacts.outputs import split_batch
from yolact_deploy.artifacts.tensor_names import RAW_OUTPUTS
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import map_classes
from yolact_deploy.benchmarks.accuracy.dataset import bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, image_result
from yolact_deploy.ops.postprocess import network_detections
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import Detections, Image, NetworkDetections, PackedMasks, RawOutputs

CLOSE = 1e-5


class HostRuntime:
    """An exported file whose network runs in ONNX Runtime and whose nodes of our domain are the host build."""

    description = "the host build"

    def __init__(self, path: Path, host_build: HostBuild) -> None:
        model = onnx.load(path)
        self.metadata = metadata_of(model, path)
        self.priors = next(
            onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == "priors"
        )
        self._host_build = host_build
        self._network = create_session(_raw_graph(model).SerializeToString(), path, "cpu")

    def raw(self, image: Image) -> list[np.ndarray]:
        """RAW_OUTPUTS of one image."""
        return self._network.run(list(RAW_OUTPUTS), {"image": image[None]})

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """See `Runtime.detect`."""
        return [found for image in images for found in self.postprocess(self.raw(image), image)]

    def postprocess(self, raw: list[np.ndarray], image: Image) -> list[NetworkDetections]:
        """The nodes of our domain."""
        loc, conf, coef, proto = raw
        outputs = self._host_build.fast_nms(loc, conf, coef, self.priors, self.metadata.postprocess)
        inputs = (proto, outputs["coefs"], outputs["boxes"])
        if self.metadata.mask_size == "image":
            outputs["masks"] = self._host_build.image_masks(*inputs, *image.shape[:2])
        else:
            outputs["masks"] = self._host_build.mask_assembly(*inputs)
        return split_batch(outputs, 1)

    def close(self) -> None:
        """See `Runtime.close`."""


def _raw_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same file, ending where its nodes of our domain begin."""
    raw = onnx.ModelProto()
    raw.CopyFrom(model)
    types = {value.name: value for value in raw.graph.value_info}
    nodes = [node for node in raw.graph.node if node.domain != DOMAIN]
    del raw.graph.node[:], raw.graph.output[:], raw.functions[:]
    raw.graph.node.extend(nodes)
    raw.graph.output.extend(types[name] for name in RAW_OUTPUTS)
    return raw


def check_network_detections(actual: NetworkDetections, expected: NetworkDetections) -> None:
    np.testing.assert_array_equal(actual.classes, expected.classes)
    for name in ("scores", "boxes"):
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), rtol=CLOSE, atol=CLOSE)
    if not isinstance(expected.masks, PackedMasks):
        np.testing.assert_allclose(actual.masks, expected.masks, rtol=CLOSE, atol=CLOSE)


def check_detections(actual: Detections, expected: Detections) -> None:
    """Pixels too: only a value within rounding of the threshold may fall on the other side."""
    np.testing.assert_array_equal(actual.boxes, expected.boxes)
    assert np.count_nonzero(actual.masks ^ expected.masks) <= CLOSE * expected.masks.size


@pytest.mark.parametrize("model", ["nano_onnx", "nano_image_masks_onnx"])
def test_the_whole_data_set(host_build: HostBuild, model: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(model)
    dataset = load_dataset(bundled_nano().folder)
    results: dict[str, list[ImageResult]] = {"functions": [], "host build": []}
    with Predictor.open(path, device="cpu") as functions:
        host = Predictor(HostRuntime(path, host_build))
        for record in dataset.images:
            image = record.read()
            (expected,), (actual,) = functions.runtime.detect([image]), host.runtime.detect([image])
            check_network_detections(actual, expected)
            finished = [functions.finish(expected, *image.shape[:2]), host.finish(actual, *image.shape[:2])]
            check_detections(finished[1], finished[0])
            for found, kept in zip(finished, results.values(), strict=True):
                kept.append(image_result(record.id, found))
        truth, mapping = GroundTruth(dataset), map_classes(functions.metadata.config, dataset.categories)
    expected_ap, actual_ap = (truth.evaluate(found, mapping) for found in results.values())
    assert expected_ap.mask.ap > 0.3
    for kind in ("box", "mask"):
        assert ap_of(actual_ap, kind) == pytest.approx(ap_of(expected_ap, kind), abs=1e-4)


def test_raw_outputs_of_the_whole_data_set(host_build: HostBuild, nano_onnx: Path) -> None:
    """Against PyTorch: classes and order exactly, everything else to 1e-5."""
    host = HostRuntime(nano_onnx, host_build)
    total = 0
    for record in load_dataset(bundled_nano().folder).images:
        image = record.read()
        raw = host.raw(image)
        tensors = RawOutputs(*(torch.tensor(array) for array in (*raw, host.priors)))
        (expected,) = network_detections(tensors, host.metadata.postprocess)
        (actual,) = host.postprocess(raw, image)
        check_network_detections(actual, expected)
        total += len(expected)
    assert total > 1000


def ap_of(accuracy: Accuracy, kind: str) -> tuple[float, ...]:
    """AP, AP50 and AP75."""
    values = getattr(accuracy, kind)
    return values.ap, values.ap50, values.ap75
