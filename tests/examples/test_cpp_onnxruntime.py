"""The C++ example for ONNX Runtime, built by its own CMake file against real headers and the wheel's real library."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from tests.conftest import ROOT
from tests.examples.cpp_build import COMPILER, SANITIZERS, Example
from tests.examples.onnxruntime_headers import find_onnxruntime_headers
from tests.examples.test_cpp import printed
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.predictor import Predictor
from yolact_deploy.trt.plugin_toolchain import find_tool
from yolact_deploy.types import Image

HEADERS = find_onnxruntime_headers()
LIBRARIES = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
STB = Path("/usr/include/stb/stb_image.h")

pytestmark = [
    pytest.mark.skipif(HEADERS is None, reason="needs headers: python -m tests.examples.onnxruntime_headers"),
    pytest.mark.skipif(not LIBRARIES, reason="needs ONNX Runtime's library in its wheel"),
    pytest.mark.skipif(not STB.is_file(), reason="needs stb_image.h: apt install libstb-dev"),
]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    folder = tmp_path_factory.mktemp("onnxruntime")
    (folder / "lib").mkdir()
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / "lib" / name).symlink_to(LIBRARIES[0])
    (folder / "include").symlink_to(HEADERS, target_is_directory=True)  # type: ignore[arg-type]
    environment = {**os.environ, "ONNXRUNTIME_ROOT": str(folder), "CXX": COMPILER}
    cmake = find_tool("cmake", "pip install cmake")
    options = [f"-DCMAKE_CXX_FLAGS=-Werror {SANITIZERS}", "-DCMAKE_BUILD_TYPE=Debug"]
    for command in (
        [cmake, "-S", ROOT / "examples/cpp-onnxruntime", "-B", folder / "build", *options],
        [cmake, "--build", folder / "build"],
    ):
        done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return Example(folder / "build/detect")


def run(example: Example, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return example.run(*arguments, ASAN_OPTIONS="detect_leaks=0")  # ONNX Runtime keeps what it holds until the end


@pytest.mark.parametrize("model", ["nano_onnx", "nano_image_masks_onnx", "nano_dynamic_onnx"])
def test_it_prints_what_predictor_finds(
    example: Example, model: str, nano_image: Image, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(model)
    cv2.imwrite(str(tmp_path / "picture.png"), nano_image)
    done = run(example, path, tmp_path / "picture.png", "--score", "0.25")
    assert (done.returncode, done.stderr) == (0, "")
    with Predictor.open(path, score_threshold=0.25) as predictor:
        found = predictor(nano_image)
    assert len(found) > 1
    expected = np.column_stack((found.classes, found.scores, found.boxes, found.masks.mean(axis=(1, 2)) * 100))
    lines = np.array(printed(done.stdout))
    np.testing.assert_allclose(lines[:, :6], expected[:, :6], atol=5.1e-4)
    np.testing.assert_allclose(lines[:, 6], expected[:, 6], atol=0.5)  # prototype masks are counted before scaling


def test_a_jpeg_file(example: Example, nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "picture.jpg"), nano_image, [cv2.IMWRITE_JPEG_QUALITY, 100])
    done = run(example, nano_onnx, tmp_path / "picture.jpg", "--score", "0.7")
    assert [line[0] for line in printed(done.stdout)] == [0, 1, 1]


def test_wrong_input_is_one_line(
    example: Example, nano_onnx: Path, nano_weights: Path, nano_image: Image, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), nano_image)
    (tmp_path / "notes.txt").write_text("no picture")
    tensor = export_onnx(nano_weights, ExportOptions(tmp_path / "tensor.onnx", input_kind="tensor")).path
    wrong = {
        (nano_onnx, tmp_path / "none.png"): "none.png: ",
        (nano_onnx, tmp_path / "notes.txt"): "notes.txt: ",
        (tensor, tmp_path / "picture.png"): "export it without --input",
        (tmp_path / "none.onnx", tmp_path / "picture.png"): "none.onnx",
        (nano_onnx,): "usage: ",
    }
    for words, fact in wrong.items():
        done = run(example, *words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert fact in done.stderr
