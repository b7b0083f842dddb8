"""The parser's CMake file, as its user calls it, and what the library does when nvinfer loads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.once import made_once
from tests.packages.deepstream.parser_host import HERE
from tests.plugins.shell import Toolchain, compile_player, player_in
from tests.real_tensorrt.releases import REGISTRIES, Release
from tests.shared_library import named_plugin_library
from yolact_deploy.errors import MissingDependencyError
from yolact_deploy.packages.deepstream.package import PLUGINS, DeepStreamOptions, package_deepstream
from yolact_deploy.trt.plugin_toolchain import find_headers, find_nvcc, find_tool

LOAD = """
import ctypes, sys
import tensorrt
library = ctypes.CDLL(sys.argv[1])
library.NvDsInferParseYolact
registry = tensorrt.get_plugin_registry()
print(*sorted(one.name for one in registry.all_creators if one.plugin_namespace == "yolact"))
"""


@pytest.fixture(scope="module")
def release() -> Release:
    """A TensorRT with a registry, of the headers' major version."""
    (release,) = (one for one in REGISTRIES if one.major == 10)
    return release if release.is_installed else pytest.skip(release.missing)


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    try:
        return Toolchain(find_nvcc(), find_headers())
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def folder(
    nano_planar_onnx: Path, release: Release, toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A package whose parser is built, with warnings as errors."""
    place = tmp_path_factory.mktemp("deepstream")
    tensorrt, package = place / "tensorrt", place / "package"
    (tensorrt / "lib").mkdir(parents=True)
    (tensorrt / "include").symlink_to(toolchain.headers.folder, target_is_directory=True)
    (library,) = release.folder.rglob("libnvinfer_lean.so.10")
    (tensorrt / "lib/libnvinfer.so").symlink_to(library)
    (place / "sources").mkdir()
    (place / "sources/includes").symlink_to(HERE / "interface", target_is_directory=True)
    package_deepstream(nano_planar_onnx, DeepStreamOptions(package))
    cmake = find_tool("cmake", "pip install cmake")
    environment = {**os.environ, "TENSORRT_ROOT": str(tensorrt), "CUDA_HOME": str(toolchain.nvcc.root)}
    build = ["-S", "parser", "-B", "parser/build", "-DCMAKE_CXX_FLAGS=-Werror", f"-DDEEPSTREAM_DIR={place}"]
    for command in ([cmake, *build], [cmake, "--build", "parser/build"]):
        done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return package


def load(folder: Path, release: Release) -> subprocess.CompletedProcess[str]:
    done = release.run(["-c", LOAD, folder / "libnvdsinfer_yolact.so"])
    assert done.returncode == 0, done.stderr
    return done


def test_without_plugins_nothing_is_registered(folder: Path, release: Release) -> None:
    done = load(folder, release)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_plugins_beside_it_are_registered(
    folder: Path, release: Release, toolchain: Toolchain, run_folder: Path, tmp_path: Path
) -> None:
    built = made_once(run_folder / "unchecked", lambda place: compile_player(toolchain, place, checks=()))
    shutil.copy(folder / "libnvdsinfer_yolact.so", tmp_path)
    shutil.copy(player_in(built).library, tmp_path / PLUGINS)
    assert load(tmp_path, release).stdout.split() == ["YolactFastNMS", "YolactMaskAssembly"]


def test_a_wrong_plugin_library_is_told(folder: Path, release: Release, tmp_path: Path) -> None:
    shutil.copy(folder / "libnvdsinfer_yolact.so", tmp_path)
    named_plugin_library(tmp_path / PLUGINS, 11)
    done = load(tmp_path, release)
    assert done.stdout.strip() == ""
    assert "was compiled for TensorRT 11, here is 10: run yolact-deploy build-plugins" in done.stderr
    (tmp_path / PLUGINS).write_text("no library")
    assert "cannot be loaded" in load(tmp_path, release).stderr


def test_what_was_built_in_the_folder_goes_with_it(folder: Path, nano_planar_onnx: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "model.onnx_b1_gpu0_fp32.engine").touch()
    package_deepstream(nano_planar_onnx, DeepStreamOptions(copy, batch=2, force=True))
    assert not (copy / "parser/build").exists()
    assert not (copy / "model.onnx_b1_gpu0_fp32.engine").exists()
