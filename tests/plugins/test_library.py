"""The real library: compiled by nvcc for every GPU."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.plugins.shell import Toolchain
from yolact_deploy.files import sha256_of
from yolact_deploy.trt.plugin_build import PluginBuild
from yolact_deploy.trt.plugin_library import read_origin, read_record
from yolact_deploy.trt.plugin_toolchain import ARCHITECTURES

MAX_REGISTERS = 72  # 900 threads of that many fill a multiprocessor's registers


def test_the_library_is_recorded(plugin_build: PluginBuild, toolchain: Toolchain) -> None:
    build = plugin_build
    assert build.record == read_record(build.path)
    assert build.record.sha256 == sha256_of(build.path)
    assert build.record.tensorrt == toolchain.headers.version
    assert build.record.architectures[-1].endswith("-virtual")
    origin = read_origin(build.path)
    assert origin.tensorrt_major == toolchain.headers.major
    assert re.fullmatch("[0-9a-f]{16}", origin.source_version)


def test_no_kernel_spills(plugin_build: PluginBuild) -> None:
    """On any GPU; plugins/ptxas.md has the numbers."""
    build = plugin_build
    kernels = {usage.kernel for usage in build.usage}
    names = ("filter", "limit", "suppress", "finish", "assemble", "image_masks")
    assert kernels >= {f"{name}_kernel<{kind}>" for name in names for kind in ("float", "half")}
    machine_code = [name for name in build.record.architectures if name.endswith("-real")]
    assert len(build.usage) == len(kernels) * len(machine_code)
    for usage in build.usage:
        assert usage.spill_bytes == usage.stack_bytes == 0, usage
        assert usage.registers <= MAX_REGISTERS, usage


def test_every_gpu_is_compiled_for(plugin_build: PluginBuild, toolchain: Toolchain) -> None:
    if tuple(int(part) for part in toolchain.nvcc.version.split(".")) < (13, 0):
        pytest.skip("nvcc before 13.0 knows fewer GPUs")
    built = {usage.architecture for usage in plugin_build.usage}
    assert built == {f"sm_{number}" for number in ARCHITECTURES}


def test_it_needs_neither_tensorrt_nor_cuda_libraries(plugin_build: PluginBuild) -> None:
    path = str(plugin_build.path)
    needed = subprocess.run(["readelf", "--dynamic", path], capture_output=True, text=True, check=True).stdout
    assert "nvinfer" not in needed
    assert "cudart" not in needed
    symbols = subprocess.run(["nm", "--dynamic", path], capture_output=True, text=True, check=True).stdout
    undefined = [line.split()[1] for line in symbols.splitlines() if line.split()[0] == "U"]
    assert not [name for name in undefined if "nvinfer" in name or name.startswith(("cuda", "cu_", "getPlugin"))]
    exported = [line.split()[2] for line in symbols.splitlines() if line.split()[1:2] == ["T"]]
    launchers = ("fast_nms", "fast_nms_kernel", "mask_assembly", "image_masks")
    ours = {"yolact_fast_nms_workspace_bytes", *(f"yolact_launch_{name}" for name in launchers)}
    assert set(exported) == {
        *("getCreators", "setLoggerFinder", "yolact_plugins_tensorrt_major", "yolact_plugins_source_version"),
        *ours,
    }
