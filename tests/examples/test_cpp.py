"""The C++ example from end to end, with stand-ins for TensorRT and CUDA that return known tensors."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from tests.examples.cpp_build import Example, write_engine
from tests.shared_library import compile_library, named_plugin_library
from yolact_deploy.predictor import Predictor
from yolact_deploy.trt.plugin_toolchain import find_headers
from yolact_deploy.types import Image

LINE = re.compile(
    r"class (\d+)  score ([\d.]+)  box (-?\d+) (-?\d+) (-?\d+) (-?\d+)(?:  mask ([\d.]+) % of the picture)?"
)


def write_ppm(path: Path, image: Image) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def printed(text: str) -> list[tuple[float, ...]]:
    """Class, score, box and, where it is said, the mask's share of each line."""
    *lines, last = text.splitlines()
    assert last == f"{len(lines)} detections"
    found = []
    for line in lines:
        match = LINE.fullmatch(line)
        assert match is not None, line
        found.append(tuple(float(value) for value in match.groups() if value is not None))
    return found


def outputs_of(boxes: object, scores: object, classes: object, count: int, **more: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "boxes": np.array([boxes], np.float32),
        "scores": np.array([scores], np.float32),
        "classes": np.array([classes], np.int32),
        "num_detections": np.array([count], np.int32),
        **more,
    }


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """40 px wide, 30 px high."""
    return write_ppm(tmp_path / "picture.ppm", np.full((30, 40, 3), 90, np.uint8))


ONE = outputs_of([[0.1, 0.2, 0.5, 0.8]], [0.9], [7], 1)


def test_the_bundled_model_as_python_sees_it(
    example: Example, nano_onnx: Path, nano_image: Image, tmp_path: Path
) -> None:
    """What ONNX Runtime returns goes through the example, and through `Predictor`."""
    session = onnxruntime.InferenceSession(nano_onnx)
    names = [value.name for value in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"image": nano_image[None]}), strict=True))
    wanted = {name: outputs[name] for name in ("boxes", "scores", "classes", "masks", "num_detections")}
    engine = write_engine(tmp_path / "nano.engine", wanted, (1, 1), (2000, 2000), f"saves {tmp_path / 'input'}")
    done = example.run(engine, write_ppm(tmp_path / "nano.ppm", nano_image), "--score", "0.25")
    assert done.returncode == 0, done.stderr
    with Predictor.open(nano_onnx, score_threshold=0.25) as predictor:
        found = predictor(nano_image)
    assert len(found) > 1
    expected = np.column_stack((found.classes, found.scores, found.boxes, found.masks.mean(axis=(1, 2)) * 100))
    lines = np.array(printed(done.stdout))
    np.testing.assert_allclose(lines[:, :6], expected[:, :6], atol=5.1e-4)
    np.testing.assert_allclose(lines[:, 6], expected[:, 6], atol=0.5)  # counted before masks are scaled up
    assert (np.fromfile(tmp_path / "input", np.uint8).reshape(nano_image.shape) == nano_image).all()


def test_masks_at_image_size_are_counted_bit_by_bit(example: Example, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    height, width = 30, 70  # three words per row, the last of 6 px
    masks = rng.random((2, height, width)) < 0.3
    words = np.packbits(np.pad(masks, ((0, 0), (0, 0), (0, 26))), axis=-1, bitorder="little").view("<i4")
    outputs = outputs_of([[0, 0, 1, 1]] * 2, [0.9, 0.8], [1, 2], 2, masks=words[None].astype(np.int32))
    picture = write_ppm(tmp_path / "p.ppm", np.zeros((height, width, 3), np.uint8))
    done = example.run(write_engine(tmp_path / "e", outputs), picture)
    assert [line[6] for line in printed(done.stdout)] == [round(mask.mean() * 100, 2) for mask in masks]


def test_masks_at_prototype_size_are_counted_above_a_half(example: Example, picture: Path, tmp_path: Path) -> None:
    above = np.nextafter(np.float32(0.5), np.float32(1))
    masks = np.array([[[[0.5, above, 1.0, 0.0]], [[0, 0, 0, 0.5]]]], np.float32)  # [1,2,1,4]
    outputs = outputs_of([[0, 0, 1, 1]] * 2, [0.9, 0.8], [1, 2], 2, masks=masks)
    done = example.run(write_engine(tmp_path / "e", outputs), picture)
    assert [line[6] for line in printed(done.stdout)] == [50.0, 0.0]


def test_an_engine_without_masks(example: Example, picture: Path, tmp_path: Path) -> None:
    done = example.run(write_engine(tmp_path / "e", ONE), picture)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "class 7  score 0.900  box 4 6 20 24\n1 detections\n"


def test_boxes_are_put_in_order_and_inside_the_picture(example: Example, picture: Path, tmp_path: Path) -> None:
    boxes = [[0.5, 0.8, 0.1, 0.2], [-0.5, -0.1, 1.5, 2.0], [0.26, 0.26, 0.49, 0.49]]
    done = example.run(write_engine(tmp_path / "e", outputs_of(boxes, [0.9, 0.8, 0.7], [0, 0, 0], 3)), picture)
    assert [line[2:] for line in printed(done.stdout)] == [(4, 6, 20, 24), (0, 0, 40, 30), (10, 7, 19, 14)]


def test_boxes_that_are_nowhere(example: Example, picture: Path, tmp_path: Path) -> None:
    far = [[np.nan] * 4, [np.inf] * 4, [-np.inf] * 4, [1e30, 1e30, 2e30, 2e30]]
    done = example.run(write_engine(tmp_path / "e", outputs_of(far, [0.9] * 4, [0] * 4, 4)), picture)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(printed(done.stdout)) == 4


def test_rows_past_the_count_and_below_the_score_are_left_out(example: Example, picture: Path, tmp_path: Path) -> None:
    outputs = outputs_of([[0, 0, 1, 1]] * 5, [0.9, 0.3, np.nan, 0.2999, 0.9], [0, 1, 2, 3, 4], 4)
    engine = write_engine(tmp_path / "e", outputs)
    assert [line[0] for line in printed(example.run(engine, picture).stdout)] == [0, 1]
    assert [line[0] for line in printed(example.run(engine, picture, "--score", "0").stdout)] == [0, 1, 3]
    assert printed(example.run(engine, picture, "--score", "0.95").stdout) == []


def test_no_detections_are_no_error(example: Example, picture: Path, tmp_path: Path) -> None:
    done = example.run(write_engine(tmp_path / "e", outputs_of(np.zeros((3, 4)), [0] * 3, [0] * 3, 0)), picture)
    assert (done.returncode, done.stdout) == (0, "0 detections\n")


def test_a_plugin_library(example: Example, picture: Path, tmp_path: Path) -> None:
    engine = write_engine(tmp_path / "e", ONE, (1, 1), (99, 99), "needs getCreators")
    library = named_plugin_library(tmp_path / "plugins.so", find_headers().major)
    assert "cannot find the plugin" in example.run(engine, picture).stderr
    assert example.run(engine, picture, "--plugins", library).returncode == 0
    assert example.run(engine, picture, "--plugins", library.name, folder=library.parent).returncode == 0


def test_what_is_no_plugin_library_for_this_tensorrt(example: Example, picture: Path, tmp_path: Path) -> None:
    engine = write_engine(tmp_path / "e", ONE)
    major = find_headers().major
    libraries = {
        tmp_path / "none.so": "cannot be loaded (",
        compile_library(tmp_path / "foreign.so", "int anything(void) { return 1; }"): "is no plugin library of yolact",
        named_plugin_library(tmp_path / "other.so", 99): f"was compiled for TensorRT 99, this program for {major}: ",
        compile_library(
            tmp_path / "null.so", f"int yolact_plugins_tensorrt_major(void) {{ return {major}; }}"
        ): "TensorRT cannot load this plugin library",
    }
    for library, error in libraries.items():
        done = example.run(engine, picture, "--plugins", library)
        assert done.stderr.startswith(f"error: {library}: {error}")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("more", "environment", "error"),
    [
        ("", {"NO_DRIVER": "1"}, "TensorRT does not start: is there an NVIDIA GPU and its driver? (CUDA init"),
        ("fails", {}, "TensorRT failed to run the engine (the kernel was not for this GPU)"),
        ("input 0", {}, "has no uint8 input named image: export the model with --input image"),
        ("", {"FAILS": "cudaMalloc"}, "allocating GPU memory: out of memory"),
        ("", {"FAILS": "cudaStreamCreateWithFlags"}, "creating a CUDA stream: out of memory"),
        ("", {"FAILS": "to device"}, "copying the image to the GPU: an illegal memory access"),
        ("", {"FAILS": "to host"}, "copying the results from the GPU: an illegal memory access"),
        ("", {"FAILS": "cudaStreamSynchronize"}, "running the engine: an illegal memory access"),
    ],
)
def test_what_fails_is_said_in_one_line(
    example: Example, picture: Path, tmp_path: Path, more: str, environment: dict[str, str], error: str
) -> None:
    done = example.run(write_engine(tmp_path / "e", ONE, (1, 1), (99, 99), more), picture, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert error in done.stderr


@pytest.mark.parametrize(
    ("smallest", "largest"), [((31, 1), (99, 99)), ((1, 1), (29, 99)), ((1, 1), (99, 39)), ((1, 41), (99, 99))]
)
def test_a_picture_outside_the_profile(
    example: Example, picture: Path, tmp_path: Path, smallest: tuple[int, int], largest: tuple[int, int]
) -> None:
    done = example.run(write_engine(tmp_path / "e", ONE, smallest, largest), picture)
    assert done.returncode == 2
    limits = f"1x{smallest[0]}x{smallest[1]}x3 to 1x{largest[0]}x{largest[1]}x3"
    assert f"an image of 30x40 px (height x width), one at a time, is outside what the engine takes: {limits}" in (
        done.stderr
    )


def test_an_engine_of_something_else(example: Example, picture: Path, tmp_path: Path) -> None:
    for name in ONE:
        outputs = {key: array for key, array in ONE.items() if key != name}
        done = example.run(write_engine(tmp_path / "e", outputs), picture)
        assert f"the engine has no output {name}" in done.stderr
    other = {**ONE, "scores": ONE["scores"].astype(np.float16)}
    assert "output scores is neither float32" in example.run(write_engine(tmp_path / "e", other), picture).stderr
    for name, short in {name: array[:, :-1] for name, array in ONE.items() if name in ("boxes", "classes")}.items():
        done = example.run(write_engine(tmp_path / "e", {**ONE, name: short}), picture)
        assert f"the engine has no output {name}" in done.stderr
    (tmp_path / "text").write_text("hello")
    done = example.run(tmp_path / "text", picture)
    assert "TensorRT cannot open this engine: was it built here? (magic tag does not match)" in done.stderr
    (tmp_path / "empty").touch()
    assert "cannot be read, or is empty" in example.run(tmp_path / "empty", picture).stderr
    assert "cannot be read, or is empty" in example.run(tmp_path / "none", picture).stderr


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "not a binary PPM file"),
        (b"\xff\xd8\xff\xe0 a JPEG", "not a binary PPM file (convert photo.jpg photo.ppm)"),
        (b"P3\n1 1\n255\n0 0 0\n", "not a binary PPM file"),
        (b"P6\n", "needs 1 to"),
        (b"P6\n0 5\n255\n", "needs 1 to"),
        (b"P6\n-3 5\n255\n", "needs 1 to"),
        (b"P6\n99999999 99999999\n255\n", "needs 1 to"),
        (b"P6\n99999999999999 1\n255\n", "needs 1 to 16384 px a side"),
        (b"P6\n1 1\n65535\n000000", "8 bits a channel"),
        (b"P6\n2 2\n255\n" + bytes(11), "ends before its last pixel"),
    ],
)
def test_pictures_that_are_none(example: Example, tmp_path: Path, content: bytes, error: str) -> None:
    (tmp_path / "bad.ppm").write_bytes(content)
    done = example.run(write_engine(tmp_path / "e", ONE), tmp_path / "bad.ppm")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert error in done.stderr


def test_a_picture_that_is_not_there(example: Example, tmp_path: Path) -> None:
    assert "none.ppm: cannot be read" in example.run(write_engine(tmp_path / "e", ONE), tmp_path / "none.ppm").stderr


def test_comments_in_a_header_and_white_space_as_pixels(example: Example, tmp_path: Path) -> None:
    pixels = b"\n #" * 4  # RGB; what looks like white space and a comment is none any more
    (tmp_path / "p.ppm").write_bytes(b"P6 # made by hand\n# 9 9\n 2 #x\n2\n255\n" + pixels)
    engine = write_engine(tmp_path / "e", ONE, (1, 1), (9, 9), f"saves {tmp_path / 'input'}")
    assert example.run(engine, tmp_path / "p.ppm").returncode == 0
    assert (tmp_path / "input").read_bytes() == b"# \n" * 4


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["one"],
        ["a", "b", "c"],
        ["a", "b", "--score"],
        ["a", "b", "--score", "x"],
        ["a", "b", "--score", "nan"],
        ["a", "b", "--what"],
    ],
)
def test_usage(example: Example, words: list[str]) -> None:
    done = example.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: usage: detect ENGINE PICTURE.ppm [--plugins LIBRARY] [--score 0.3]\n"
