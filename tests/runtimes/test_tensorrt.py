"""Running engines, on a stand-in GPU (and for real where there is one: `pytest -m gpu`)."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.gpu_stand_in import FakeGpu
from yolact_deploy.artifacts.manifest import manifest_path
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ImageError, ModelFileError, YolactDeployError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.predictor import Predictor
from yolact_deploy.runtimes.tensorrt import TensorRTRuntime
from yolact_deploy.trt.cuda import find_gpu
from yolact_deploy.trt.library import installed_runtimes
from yolact_deploy.types import Detections, Image, ImageSize


def assert_same(actual: Detections, expected: Detections) -> None:
    np.testing.assert_array_equal(actual.boxes, expected.boxes)
    np.testing.assert_array_equal(actual.classes, expected.classes)
    np.testing.assert_array_equal(actual.masks, expected.masks)
    np.testing.assert_allclose(actual.scores, expected.scores, rtol=1e-4)


def test_an_engine_detects_what_the_onnx_file_detects(engine: Path, nano_onnx: Path, nano_image: Image) -> None:
    with Predictor.open(engine) as predictor, Predictor.open(nano_onnx, device="cpu") as reference:
        found = predictor(nano_image)
        assert len(found) > 0
        assert_same(found, reference(nano_image))
        assert predictor.metadata == reference.metadata
        assert predictor.description == "TensorRT 11.4.1.2, fp32, Orin"


def test_an_engine_with_planes_as_its_input(
    gpu: FakeGpu, nano_planar_onnx: Path, nano_image: Image, tmp_path: Path
) -> None:
    """Its counts are [B,1]; without a manifest the name of its input says what it wants."""
    engine = build_engine(nano_planar_onnx, EngineOptions(tmp_path / "planar.engine", batch=(1, 2, 3))).path
    with Predictor.open(nano_planar_onnx, device="cpu") as predictor:
        expected = predictor(nano_image)
    with Predictor.open(engine) as predictor:
        for found in predictor.batch([nano_image] * 4):
            assert_same(found, expected)
    manifest_path(engine).unlink()
    with Predictor.open(engine, trust=True, config=ModelConfig.named("yolact_nano")) as predictor:
        assert predictor.metadata.input_kind == "planar"
        assert_same(predictor(nano_image), expected)


def test_memory_is_reused_and_freed(engine: Path, gpu: FakeGpu, nano_image: Image) -> None:
    assert gpu.live == {}
    with Predictor.open(engine) as predictor:
        first = predictor(nano_image)
        assert len(first) > 0
        live = set(gpu.memory)
        sizes = [nano_image, nano_image[:200, :300], nano_image]
        results = [predictor(np.ascontiguousarray(image)) for image in sizes]
        assert set(gpu.memory) == live
        assert_same(results[0], first)
        assert_same(results[2], first)  # no result is the memory that a later call overwrote
    gc.collect()
    assert gpu.live == {}
    predictor.close()  # twice is fine
    with pytest.raises(YolactDeployError, match="closed"):
        predictor(nano_image)


def test_what_is_not_closed_is_freed_when_it_is_collected(engine: Path, gpu: FakeGpu, nano_image: Image) -> None:
    predictor = Predictor.open(engine)
    predictor(nano_image)
    del predictor
    gc.collect()
    assert gpu.live == {}


def test_a_repeated_shape_runs_as_a_graph(engine: Path, gpu: FakeGpu, binding: str, nano_image: Image) -> None:
    other = np.ascontiguousarray(nano_image[:100, :120])
    with Predictor.open(engine) as predictor:
        results = [predictor(image) for image in (nano_image, nano_image, nano_image, other, nano_image)]
    executed, launched = gpu.calls.count("execute_async_v3"), gpu.calls.count("cudaGraphLaunch")
    # Of five calls: plain, captured and launched, launched, plain (another shape), plain.
    assert (executed, launched) == ((4, 2) if binding == "cuda-python" else (5, 0))
    for result in (*results[1:3], results[4]):
        assert_same(result, results[0])


@pytest.mark.parametrize("binding", ["cuda-python"], indirect=True)
@pytest.mark.parametrize(
    "function", ["cudaStreamBeginCapture", "capture", "cudaStreamEndCapture", "cudaGraphInstantiate"]
)
def test_work_that_cannot_be_captured_runs_without(
    engine: Path, gpu: FakeGpu, nano_image: Image, function: str
) -> None:
    gpu.fails.add(function)
    with Predictor.open(engine) as predictor:
        results = [predictor(nano_image) for _ in range(4)]
        assert not {"graphs", "executables"} & set(gpu.live)
    assert_same(results[3], results[0])
    assert gpu.calls.count("cudaStreamBeginCapture") == 1  # and never again
    assert "cudaGraphLaunch" not in gpu.calls


@pytest.mark.parametrize("binding", ["cuda-python"], indirect=True)
def test_a_graph_goes_with_its_shape(engine: Path, gpu: FakeGpu, nano_image: Image) -> None:
    """A folder of pictures in several sizes takes no more than one."""
    other = np.ascontiguousarray(nano_image[:100, :120])
    with Predictor.open(engine) as predictor:
        for image in (nano_image, nano_image, other, other) * 3:
            predictor(image)
        assert gpu.calls.count("cudaGraphInstantiate") == 6
        assert (gpu.live.get("graphs", 0), gpu.live["executables"]) == (0, 1)


def test_batches_within_the_profile(batch_engine: Path, nano_onnx: Path, nano_image: Image) -> None:
    flipped = np.ascontiguousarray(nano_image[:, ::-1])
    small = np.ascontiguousarray(nano_image[:200, :200])
    images = [nano_image, flipped, nano_image, flipped, small]
    with Predictor.open(batch_engine) as predictor, Predictor.open(nano_onnx, device="cpu") as reference:
        for found, image in zip(predictor.batch(images), images, strict=True):
            assert_same(found, reference(image))
        assert predictor.batch([]) == []


@pytest.mark.parametrize("binding", ["cuda-python"], indirect=True)
def test_masks_at_the_images_size(
    gpu: FakeGpu, nano_image_masks_onnx: Path, nano_onnx: Path, nano_image: Image, tmp_path: Path
) -> None:
    """Buffers for the largest image, bits unpacked for each, and the manifest says what they are."""
    options = EngineOptions(
        tmp_path / "bits.engine", min_size=ImageSize(1, 1), max_size=ImageSize(641, 400), batch=(1, 2, 3)
    )
    built = build_engine(nano_image_masks_onnx, options)
    (masks,) = (output for output in built.manifest.outputs if output.name == "masks")
    assert (masks.dtype, masks.min, masks.max) == ("int32", (1, 100, 1, 1), (3, 100, 400, 21))
    sizes = [(384, 300), (33, 641), (1, 31), (1, 1)]
    images = [nano_image, nano_image[:, ::-1], *(np.resize(nano_image, (*size, 3)) for size in sizes[1:])]
    with Predictor.open(built.path) as predictor, Predictor.open(nano_onnx, device="cpu") as reference:
        assert predictor.metadata.mask_size == "image"
        for found, image in zip(predictor.batch(images), images, strict=True):
            expected = reference(image)
            np.testing.assert_array_equal(found.boxes, expected.boxes)
            assert found.masks.shape == expected.masks.shape
            assert np.count_nonzero(found.masks ^ expected.masks) <= 1e-5 * expected.masks.size
        predictor.score_threshold = 0.5
        best = predictor(nano_image)
    assert 0 < len(best) == len(best.masks) < 36
    manifest_path(built.path).unlink()  # then the tensors tell
    config = ModelConfig.named("yolact_nano")
    with Predictor.open(built.path, trust=True, config=config) as trusted:
        assert trusted.metadata.mask_size == "image"


@pytest.mark.parametrize(
    ("height", "width", "option"), [(500, 300, "--max 320x500"), (100, 30, "--min 30x64"), (10, 321, "--max 321x400")]
)
def test_a_shape_outside_the_profile(engine: Path, height: int, width: int, option: str) -> None:
    with Predictor.open(engine) as predictor, pytest.raises(YolactDeployError) as error:
        predictor(np.zeros((height, width, 3), np.uint8))
    text = str(error.value)
    assert f"[1,{height},{width},3]" in text
    assert "profile image [1,64,64,3] to [1,400,320,3]" in text
    assert option in text


def test_times_by_events(engine: Path, nano_image: Image) -> None:
    with Predictor.open(engine) as predictor:
        predictor(nano_image)
        runtime = predictor.runtime
        assert isinstance(runtime, TensorRTRuntime)
        times = runtime.stage_times()
    assert (times.host_to_device, times.gpu, times.device_to_host) == (1.0, 1.0, 1.0)  # the stand-in's clock
    assert times.enqueue > 0


def test_one_predictor_a_thread(engine: Path, gpu: FakeGpu, binding: str, nano_image: Image) -> None:
    results: list[Detections] = []

    def work() -> None:
        with Predictor.open(engine) as predictor:
            results.extend(predictor(nano_image) for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 9
    for result in results[1:]:
        assert_same(result, results[0])
    gc.collect()
    assert gpu.live == {}


def test_a_fixed_size_engine(gpu: FakeGpu, nano_onnx: Path, nano_image: Image, tmp_path: Path) -> None:
    height, width = nano_image.shape[:2]
    size = ImageSize(width, height)
    options = EngineOptions(tmp_path / "fixed.engine", min_size=size, opt_size=size, max_size=size)
    engine = build_engine(nano_onnx, options).path
    with Predictor.open(engine) as predictor:
        assert len(predictor(nano_image)) > 0
        with pytest.raises(ImageError, match="outside the engine's profile"):  # `infer` goes on without it
            predictor(nano_image[:100])


def test_not_enough_memory(engine: Path, gpu: FakeGpu) -> None:
    gpu.memory_limit = 1000
    with pytest.raises(YolactDeployError, match=r"out of GPU memory: 0\.4 MiB more were asked for"):
        Predictor.open(engine)
    gc.collect()
    assert gpu.live == {}


def test_an_engine_that_fails_while_running(engine: Path, gpu: FakeGpu, nano_image: Image) -> None:
    with Predictor.open(engine) as predictor:
        gpu.fails.add("execute_async_v3")
        with pytest.raises(YolactDeployError, match="TensorRT failed to run input"):
            predictor(nano_image)


def test_an_engine_needs_a_gpu(engine: Path) -> None:
    with pytest.raises(YolactDeployError, match="runs on an NVIDIA GPU only"):
        Predictor.open(engine, device="cpu")


def test_without_a_binding_of_cuda(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(YolactDeployError, match="needs PyCUDA or cuda-python: pip install"):
        Predictor.open(engine)


def test_an_engine_without_a_manifest_is_a_matter_of_trust(engine: Path, nano_image: Image) -> None:
    with Predictor.open(engine) as predictor:
        expected = predictor(nano_image)
    manifest_path(engine).unlink()
    with pytest.raises(ModelFileError, match=r"can run any code.*--trust"):
        Predictor.open(engine)
    with pytest.raises(ModelFileError, match="nothing says what it detects"):
        Predictor.open(engine, trust=True)
    with Predictor.open(engine, trust=True, config=ModelConfig.named("yolact_nano")) as predictor:
        assert_same(predictor(nano_image), expected)


def test_a_foreign_engine(gpu: FakeGpu, tmp_path: Path) -> None:
    engine = tmp_path / "foreign.engine"
    engine.write_bytes(b"no engine at all")
    with pytest.raises(ModelFileError, match=r"cannot open it .*magic tag does not match"):
        Predictor.open(engine, trust=True, config=ModelConfig.named("yolact_nano"))
    gc.collect()
    assert gpu.live == {}


def test_neither_torch_nor_onnx_is_imported() -> None:
    script = (
        "import sys\n"
        "import yolact_deploy.predictor, yolact_deploy.runtimes.tensorrt, yolact_deploy.trt.cuda\n"
        "import yolact_deploy.inspection.engine\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'tensorrt', 'pycuda', 'cuda'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_on_a_real_gpu(nano_onnx: Path, nano_image: Image, tmp_path: Path, precision: str) -> None:
    if find_gpu() is None or not installed_runtimes():
        pytest.skip("needs an NVIDIA GPU, TensorRT or TensorRT for RTX, and PyCUDA or cuda-python")
    engine = build_engine(nano_onnx, EngineOptions(tmp_path / "nano.engine", precision=precision)).path
    with Predictor.open(engine) as predictor, Predictor.open(nano_onnx, device="cpu") as reference:
        for image in (nano_image, nano_image, nano_image, nano_image[:200, :200].copy()):
            found, expected = predictor(image), reference(image)
            assert len(found) == len(expected)
            np.testing.assert_array_equal(found.classes, expected.classes)
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3 if precision == "fp32" else 2e-2)
            assert np.abs(found.boxes - expected.boxes).max() <= 2
