"""The parity gate on half-precision files, all 64 images of the bundled data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.export.precision.rounded import round_everything
from yolact_deploy.artifacts.tensor_names import RAW_OUTPUTS
from yolact_deploy.benchmarks.accuracy.average_precision import Accuracy, GroundTruth
from yolact_deploy.benchmarks.accuracy.classes import map_classes
from yolact_deploy.benchmarks.accuracy.dataset import Dataset, bundled_nano, load_dataset
from yolact_deploy.benchmarks.accuracy.image_results import ImageResult, run_images
from yolact_deploy.benchmarks.accuracy.parity import compare, gate_for, judge
from yolact_deploy.export.precision.convert import PRECISIONS, convert_file
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import Image

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Found:
    """What a model finds in the whole data set, and how good that is."""

    results: list[ImageResult]
    accuracy: Accuracy


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(bundled_nano().folder, None, None)


@pytest.fixture(scope="module")
def reference(dataset: Dataset, nano_weights: Path) -> Found:
    return find(nano_weights, dataset)


@pytest.fixture(scope="module")
def files(nano_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The converted files, and their stand-ins that round every tensor as a GPU does."""
    folder = tmp_path_factory.mktemp("half")
    found = {}
    for name in PRECISIONS:
        found[name] = convert_file(nano_onnx, folder / f"{name}.onnx", name).path
        found[f"{name}, all rounded"] = folder / f"{name}-rounded.onnx"
        onnx.save(round_everything(onnx.load(found[name])), found[f"{name}, all rounded"])
    return found


def find(path: Path, dataset: Dataset) -> Found:
    with Predictor.open(path, device="cpu") as predictor:
        mapping = map_classes(predictor.metadata.config, dataset.categories)
        results = run_images(predictor, dataset.images)
    return Found(results, GroundTruth(dataset).evaluate(results, mapping))


@pytest.mark.parametrize("name", ["fp16", "fp16, all rounded", "bf16, all rounded"])
def test_gate(dataset: Dataset, reference: Found, files: dict[str, Path], name: str) -> None:
    found = find(files[name], dataset)
    parity = compare(reference.results, found.results, reference.accuracy, found.accuracy)
    gate = gate_for(name[:4])
    assert (gate.max_ap_difference, gate.min_match_rate) == (0.3, 0.98)
    assert parity.matches.total > 1000
    verdict = judge(parity, gate)
    assert verdict.passed, verdict.failures


@pytest.mark.parametrize("precision", PRECISIONS)
def test_stand_in_rounds_every_raw_output(files: dict[str, Path], precision: str, nano_image: Image) -> None:
    model = onnx.load(files[f"{precision}, all rounded"])
    rounded = [name for name in RAW_OUTPUTS if name in ("loc", "proto")]  # the others end in float32 operators
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in rounded)
    session = create_session(model.SerializeToString(), "the model", device="cpu")
    torch_type = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    for values in session.run(rounded, {"image": nano_image[None]}):
        np.testing.assert_array_equal(torch.from_numpy(values).to(torch_type).float().numpy(), values)
