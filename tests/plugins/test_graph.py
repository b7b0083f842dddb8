"""The exported file with its two nodes computed by the host build: the same detections as with its functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest

from tests.conftest import NANO
from tests.plugins.host_build import HostBuild
from yolact_deploy.export.domain import DOMAIN
from yolact_deploy.export.onnx_file import metadata_of
from yolact_deploy.runtimes.onnxruntime import OUTPUT_NAMES

RAW = ("loc", "conf", "coef", "proto")


@pytest.fixture(scope="module")
def raw_outputs(nano_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same file, ending where its nodes of our domain begin."""
    model = onnx.load(nano_onnx)
    types = {value.name: value for value in model.graph.value_info}
    nodes = [node for node in model.graph.node if node.domain != DOMAIN]
    del model.graph.node[:], model.graph.output[:], model.functions[:]
    model.graph.node.extend(nodes)
    model.graph.output.extend(types[name] for name in RAW)
    path = tmp_path_factory.mktemp("raw") / "raw.onnx"
    onnx.save(model, path)
    return path


def images() -> Iterator[np.ndarray]:
    for path in sorted((NANO / "images").glob("*.jpg")):
        image = cv2.imread(str(path))
        assert image is not None
        yield image[None]


def test_the_whole_data_set(host_build: HostBuild, nano_onnx: Path, raw_outputs: Path) -> None:
    """Equal counts, classes and order, and so the same AP: everything that AP is made of is compared."""
    model = onnx.load(nano_onnx)
    config = metadata_of(model, nano_onnx).postprocess
    priors = next(onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == "priors")
    whole, network = (
        ort.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in (nano_onnx, raw_outputs)
    )
    total = 0
    for image in images():
        expected = dict(zip(OUTPUT_NAMES, whole.run(list(OUTPUT_NAMES), {"image": image}), strict=True))
        loc, conf, coef, proto = network.run(list(RAW), {"image": image})
        actual = host_build.fast_nms(loc, conf, coef, priors, config)
        actual["masks"] = host_build.mask_assembly(proto, actual["coefs"], actual["boxes"])
        for name in ("num_detections", "classes"):
            np.testing.assert_array_equal(actual[name], expected[name])
        for name in ("scores", "boxes", "masks"):
            np.testing.assert_allclose(actual[name], expected[name], rtol=1e-5, atol=1e-5)
        total += int(actual["num_detections"][0])
    assert total > 100
