"""The parser, compiled once, and what the bundled models give for some pictures."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NANO, PLUS_NANO_WEIGHTS
from tests.once import made_once
from tests.packages.deepstream.parser_host import COMPILER, Frame, Layer, build_host
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.images import read_image
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.base import graph_input
from yolact_deploy.types import Detections

PICTURES = 12


@dataclass(frozen=True)
class Case:
    """One picture: what nvinfer would get from the model, and what Predictor makes of it."""

    frame: Frame
    detections: Detections


@pytest.fixture(scope="session")
def parser(run_folder: Path) -> Path:
    """A program with the parser and sanitizers: see parser_host."""
    if COMPILER is None:
        pytest.skip("needs g++ or clang++")
    try:
        return made_once(run_folder / "parser", build_host) / "host"
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stderr)


@pytest.fixture(scope="session")
def plus_planar_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The YOLACT++ nano for nvinfer."""
    output = tmp_path_factory.mktemp("plus") / "planar.onnx"
    return export_onnx(PLUS_NANO_WEIGHTS, ExportOptions(output, input_kind="planar")).path


@pytest.fixture(scope="session", params=["nano_planar_onnx", "plus_planar_onnx"])
def cases(request: pytest.FixtureRequest) -> list[Case]:
    """Outputs of a model, cut into frames as nvinfer cuts a batch."""
    path = request.getfixturevalue(request.param)
    found = []
    with Predictor.open(path, device="cpu") as predictor:
        side = predictor.metadata.config.image_size
        for file in sorted((NANO / "images").glob("*.jpg"))[:PICTURES]:
            image = read_image(file)
            outputs = predictor.runtime.run(graph_input(image[None], predictor.metadata))  # type: ignore[attr-defined]
            layers = [Layer(name, array[0]) for name, array in outputs.items()]
            found.append(Case(Frame(layers, side, side), predictor(image)))
    return found
