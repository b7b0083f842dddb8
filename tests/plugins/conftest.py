"""What is compiled once for all tests: the host build, its TensorRT shell, the library for every GPU."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tests.once import made_once
from tests.plugins.host_build import HostBuild, compile_host_build, load_host_build
from tests.plugins.shell import Player, Toolchain, compile_player, player_in
from yolact_deploy.errors import MissingDependencyError
from yolact_deploy.trt.plugin_build import PluginBuild, build_plugins
from yolact_deploy.trt.plugin_toolchain import ARCHITECTURES, find_headers, find_nvcc


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the library for every GPU is slow: nvcc compiles each kernel for nine architectures."""
    for item in items:
        if "plugin_build" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def host_build(run_folder: Path) -> HostBuild:
    """Both operators on the host."""
    return load_host_build(made_once(run_folder / "host_build", compile_host_build))


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """nvcc and TensorRT's headers."""
    try:
        return Toolchain(find_nvcc(), find_headers())
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def player(toolchain: Toolchain, run_folder: Path) -> Player:
    """A program that plays TensorRT's part, with the host build behind the real TensorRT shell."""
    return player_in(made_once(run_folder / "player", lambda folder: compile_player(toolchain, folder)))


@pytest.fixture(scope="session")
def plugin_build(toolchain: Toolchain, run_folder: Path) -> PluginBuild:
    """The real library for every GPU, compiled once."""
    wanted = ",".join(str(number) for number in ARCHITECTURES if number in toolchain.nvcc.architectures)

    def build(folder: Path) -> None:
        built = build_plugins(wanted, output=folder / "libyolact_plugins.so", strict=True)
        (folder / "build.pickle").write_bytes(pickle.dumps(built))

    return pickle.loads((made_once(run_folder / "plugins", build) / "build.pickle").read_bytes())
