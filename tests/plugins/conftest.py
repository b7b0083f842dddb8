"""What is compiled once for all tests: the host build, its TensorRT shell, the library for every GPU."""

from __future__ import annotations

import pytest

from tests.plugins.host_build import HostBuild, compile_host_build
from tests.plugins.shell import Player, Toolchain, compile_player
from yolact_deploy.errors import MissingDependencyError
from yolact_deploy.trt.plugin_build import PluginBuild, build_plugins
from yolact_deploy.trt.plugin_toolchain import ARCHITECTURES, find_headers, find_nvcc


@pytest.fixture(scope="session")
def host_build(tmp_path_factory: pytest.TempPathFactory) -> HostBuild:
    """Both operators on the host."""
    return compile_host_build(tmp_path_factory.mktemp("host_build"))


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    """nvcc and TensorRT's headers."""
    try:
        return Toolchain(find_nvcc(), find_headers())
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def player(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Player:
    """A program that plays TensorRT's part, with the host build behind the real TensorRT shell."""
    return compile_player(toolchain, tmp_path_factory.mktemp("player"))


@pytest.fixture(scope="session")
def plugin_build(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> PluginBuild:
    """The real library for every GPU, compiled once."""
    wanted = ",".join(str(number) for number in ARCHITECTURES if number in toolchain.nvcc.architectures)
    return build_plugins(wanted, output=tmp_path_factory.mktemp("plugins") / "libyolact_plugins.so", strict=True)
