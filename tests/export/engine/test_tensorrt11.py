"""Building with TensorRT proper: a stand-in that has only the names of 11.x (tests/tensorrt_stand_in.py)."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.conftest import PLUS_NANO_WEIGHTS
from tests.gpu_stand_in import FakeGpu
from tests.machine_stand_in import machine_with_gpu
from tests.shared_library import named_plugin_library
from tests.tensorrt_stand_in import (
    Builder,
    BuilderFlag,
    DeviceType,
    IBuilderConfig,
    MemoryPoolType,
)
from yolact_deploy import machine
from yolact_deploy.artifacts.manifest import PluginRecord
from yolact_deploy.errors import ConfigError, ModelFileError, YolactDeployError
from yolact_deploy.export.engine.build import EngineResult, build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.export.graph.assemble import PROTOTYPE_MASKS
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.files import sha256_of
from yolact_deploy.inspection.model_file import inspect_file
from yolact_deploy.machine import Machine
from yolact_deploy.predictor import Predictor
from yolact_deploy.trt.plugin_library import LibraryRecord, library_path, write_record
from yolact_deploy.types import ImageSize


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGpu]:
    with machine_with_gpu(monkeypatch, tmp_path / "cache", "cuda-python") as gpu:
        yield gpu


def build(source: Path, tmp_path: Path, **options: Any) -> tuple[EngineResult, IBuilderConfig]:
    result = build_engine(source, EngineOptions(tmp_path / "model.engine", force=True, **options))
    assert Builder.last_config is not None
    return result, Builder.last_config


def loaded() -> list[str]:
    """The plugin libraries that TensorRT has."""
    libraries: list[str] = sys.modules["tensorrt"].get_plugin_registry().loaded
    return libraries


def test_every_option(nano_dynamic_onnx: Path, tmp_path: Path) -> None:
    result, config = build(
        nano_dynamic_onnx,
        tmp_path,
        precision="fp16",
        opt_size=ImageSize(800, 600),
        batch=(1, 2, 4),
        workspace_bytes=1 << 28,
        timing_cache=tmp_path / "my.cache",
        optimization_level=5,
        version_compatible=True,
        hardware_compatibility="same-compute-capability",
        dla_core=1,
    )
    assert config.seen.flags == {BuilderFlag.VERSION_COMPATIBLE, BuilderFlag.GPU_FALLBACK}
    assert config.seen.pools == {MemoryPoolType.WORKSPACE: 1 << 28}
    assert config.builder_optimization_level == 5
    assert (config.default_device_type, config.DLA_core) == (DeviceType.DLA, 1)
    assert config.hardware_compatibility_level.name == "SAME_COMPUTE_CAPABILITY"
    assert config.seen.profiles[0].shapes == {"image": [[1, 32, 32, 3], [2, 600, 800, 3], [4, 1920, 1920, 3]]}
    assert (tmp_path / "my.cache").read_bytes() == b"+"
    manifest = result.manifest
    assert manifest.built_on == Machine("tensorrt", "11.4.1.2", "13.2", "Orin", "8.7")
    assert manifest.metadata.precision == "fp16"
    assert manifest.version_compatible
    for words in (
        "--hardware-compatibility same-compute-capability",
        "--dla 1",
        "--version-compatible",
        "--batch 1,2,4",
    ):
        assert words in manifest.command


def test_tf32_is_a_choice(nano_onnx: Path, tmp_path: Path) -> None:
    _, config = build(nano_onnx, tmp_path)
    assert config.seen.flags == set()
    _, config = build(nano_onnx, tmp_path, tf32=True)
    assert config.seen.flags == {BuilderFlag.TF32}


def test_the_timing_cache_is_kept_by_version_and_gpu(nano_onnx: Path, tmp_path: Path) -> None:
    for expected in (b"+", b"++"):
        build(nano_onnx, tmp_path)
        (cache,) = (tmp_path / "cache" / "yolact-deploy" / "timing").iterdir()
        assert cache.name == "tensorrt-11.4.1.2-orin-8.7.cache"
        assert cache.read_bytes() == expected
    cache.write_bytes(b"bad")  # the library refuses it, and starts afresh
    build(nano_onnx, tmp_path)
    assert cache.read_bytes() == b"+"


def test_a_timing_cache_that_cannot_be_kept(nano_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result, _ = build(nano_onnx, tmp_path, timing_cache=tmp_path / "file" / "my.cache", plugins="none")
    (note,) = result.notes
    assert note.startswith("the timing cache was not kept: cannot write into")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compute_capabilities": ("8.6",)}, "--compute-capability (an engine of it runs on the GPU here) is not"),
        ({"dla_core": 2}, "--dla 2: this machine's deep-learning accelerators are 0 to 1"),
        ({"plugins": Path("nowhere.so")}, "no such plugin library: nowhere.so"),
    ],
)
def test_refusals(nano_onnx: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(YolactDeployError) as error:
        build(nano_onnx, tmp_path, **options)
    assert message in str(error.value)
    assert not (tmp_path / "model.engine").exists()


def test_hardware_compatibility_is_not_for_jetson(
    nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "TEGRA_RELEASE", tmp_path)
    monkeypatch.setattr(machine, "is_jetson", lambda: True)
    monkeypatch.setattr("yolact_deploy.export.engine.options.is_jetson", lambda: True)
    with pytest.raises(YolactDeployError, match="on a Jetson is not supported by TensorRT 11"):
        build(nano_onnx, tmp_path, hardware_compatibility="ampere+")


def test_dla_where_there_is_none(nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Builder, "num_DLA_cores", 0)
    with pytest.raises(ConfigError, match="accelerators are none"):
        build(nano_onnx, tmp_path, dla_core=0)


def test_plugins_take_the_place_of_functions(nano_onnx: Path, tmp_path: Path) -> None:
    library = named_plugin_library(tmp_path / "libplugins.so", 11)
    result, _ = build(nano_onnx, tmp_path, plugins=library)
    assert loaded() == [str(library)]
    plan = onnx.load_from_string(result.path.read_bytes().partition(b"\n")[2])
    assert [node.op_type for node in plan.graph.node if node.domain == "yolact"] == [
        "YolactFastNMS",
        "YolactMaskAssembly",
    ]
    assert len(plan.functions) == 0
    assert result.manifest.plugins is not None
    assert result.manifest.plugins == PluginRecord("libplugins.so", sha256_of(library), "", "11")


def test_plugins_that_opening_does_not_find_are_said(nano_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    library = named_plugin_library(tmp_path / "elsewhere" / "libplugins.so", 11)
    (note,) = build(nano_onnx, tmp_path, plugins=library)[0].notes
    assert f"--plugins {library}" in note
    assert "beside the engine" in note


def test_plugins_take_masks_at_the_images_size(tmp_path: Path) -> None:
    """Of YOLACT++, too: its masks at prototype size stay in the graph as plain nodes."""
    exported = export_onnx(PLUS_NANO_WEIGHTS, ExportOptions(tmp_path / "plus.onnx", mask_size="image"))
    library = named_plugin_library(tmp_path / "libplugins.so", 11)
    result, _ = build(exported.path, tmp_path, plugins=library)
    plan = onnx.load_from_string(result.path.read_bytes().partition(b"\n")[2])
    assert len(plan.functions) == 0
    nodes = {node.op_type: node for node in plan.graph.node if node.domain == "yolact"}
    assert list(nodes) == ["YolactFastNMS", "YolactMaskAssembly"]
    assert onnx.helper.get_node_attr_value(nodes["YolactMaskAssembly"], "mask_size") == b"image"
    written = {name for node in plan.graph.node for name in node.output}
    assert PROTOTYPE_MASKS in written
    assert PROTOTYPE_MASKS not in nodes["YolactMaskAssembly"].output
    (masks,) = (output for output in result.manifest.outputs if output.name == "masks")
    assert (masks.min, masks.max) == ((1, 100, 32, 1), (1, 100, 1920, 60))


def test_without_plugins_the_functions_stay(nano_onnx: Path, tmp_path: Path) -> None:
    result, _ = build(nano_onnx, tmp_path, plugins="none")
    assert loaded() == []
    assert len(onnx.load_from_string(result.path.read_bytes().partition(b"\n")[2]).functions) == 2


def kept_library(monkeypatch: pytest.MonkeyPatch, cache: Path, architectures: tuple[str, ...]) -> Path:
    """What `build-plugins` leaves in the user's cache for TensorRT 11."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    library = library_path(11)
    library.parent.mkdir(parents=True)
    named_plugin_library(library, 11)
    write_record(library, LibraryRecord(sha256_of(library), "11.4.0", "13.0", architectures, "0"))
    return library


def test_the_plugins_that_were_built_here_are_found(
    nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = kept_library(monkeypatch, tmp_path / "cache", ("75-real", "75-virtual"))
    result, _ = build(nano_onnx, tmp_path)
    assert loaded() == [str(library)]
    assert result.notes == ()
    library.write_bytes(b"other code")
    with pytest.raises(ModelFileError, match="is not the library that was built here: run `yolact-deploy build-plugi"):
        build(nano_onnx, tmp_path)


def test_plugins_for_another_gpu_are_not_used(nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_library(monkeypatch, tmp_path / "cache", ("120-real", "120-virtual"))
    with pytest.raises(ModelFileError, match=r"was built for other GPUs \(120-real, 120-virtual\) than"):
        build(nano_onnx, tmp_path)


def test_without_plugins_the_command_that_makes_them_is_named(
    nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result, _ = build(nano_onnx, tmp_path)
    assert loaded() == []
    assert "`yolact-deploy build-plugins` makes one" in result.notes[0]


def test_a_plugin_library_that_does_not_load(nano_onnx: Path, tmp_path: Path) -> None:
    library = named_plugin_library(tmp_path / "broken.so", 11)
    with pytest.raises(ModelFileError, match=r"cannot load this plugin library"):
        build(nano_onnx, tmp_path, plugins=library)


def test_tensorrt_that_does_not_start(nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(logger: Any) -> None:
        logger.log(type("Severity", (), {"name": "ERROR"}), "CUDA initialization failure with error: 35")
        raise TypeError("pybind11::init(): factory function returned nullptr")

    monkeypatch.setattr(sys.modules["tensorrt"], "Builder", fails)
    with pytest.raises(YolactDeployError, match=r"does not start \(CUDA initialization failure with error: 35\)"):
        build(nano_onnx, tmp_path)


@pytest.mark.parametrize(
    "text", ["Requested memory exceeds: out of memory", "OutOfMemory (Requested size was 1 bytes.)"]
)
def test_out_of_memory(nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def fails(self: Builder, network: Any, config: Any) -> None:
        from yolact_deploy.trt.library import load_tensorrt

        load_tensorrt().logger.receive("ERROR", text)

    monkeypatch.setattr(Builder, "build_serialized_network", fails)
    with pytest.raises(YolactDeployError, match=r"out of memory while building .* \(workspace: 256 MiB\)"):
        build(nano_onnx, tmp_path, workspace_bytes=1 << 28)


def test_another_gpu(nano_onnx: Path, tmp_path: Path, gpu: FakeGpu) -> None:
    result, _ = build(nano_onnx, tmp_path)
    gpu.name, gpu.capability = "Thor", (11, 0)
    with pytest.raises(
        ModelFileError, match=r"was built for Orin \(compute capability 8\.7\); here is Thor \(.* 11\.0\)"
    ):
        Predictor.open(result.path)
    assert gpu.live == {}


def test_inspection_opens_nothing(
    nano_onnx: Path, tmp_path: Path, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _ = build(nano_onnx, tmp_path)
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # whoever imports it fails
    monkeypatch.setattr(ctypes, "CDLL", None)
    info = inspect_file(result.path)
    assert info.manifest == result.manifest
    assert info.notes == ()
    (tmp_path / "model.engine.json").unlink()
    info = inspect_file(result.path)
    assert info.manifest is None
    assert "no manifest" in info.notes[0]
