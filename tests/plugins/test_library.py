"""The real library: compiled by nvcc for every GPU, and loaded into TensorRT for RTX's plugin registry."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.plugins.host_build import PLUGINS
from tests.plugins.shell import Toolchain
from yolact_deploy.errors import ModelFileError
from yolact_deploy.files import sha256_of
from yolact_deploy.trt.engine_file import load_plugins
from yolact_deploy.trt.plugin_build import PluginBuild
from yolact_deploy.trt.plugin_library import compiled_major, read_record
from yolact_deploy.trt.plugin_toolchain import ARCHITECTURES

MAX_REGISTERS = 72  # 900 threads of that many fill a multiprocessor's registers

# In a process of its own: TensorRT keeps what was registered.
REGISTRY = """
import json, sys
import numpy as np
import tensorrt_rtx_bindings as trt

registry = trt.get_plugin_registry()
registry.load_library(sys.argv[1])
ours = [creator for creator in registry.all_creators if creator.plugin_namespace == "yolact"]
found = {creator.name: [creator.plugin_version, creator.plugin_namespace] for creator in ours}
TYPES = {"f": (np.float32, trt.PluginFieldType.FLOAT32), "i": (np.int32, trt.PluginFieldType.INT32),
         "s": (np.int8, trt.PluginFieldType.CHAR)}

def created(name, **attributes):
    creator = registry.get_creator(name, "1", "yolact")
    fields = []
    for key, (kind, value) in attributes.items():
        dtype, field_type = TYPES[kind]
        values = list(value) if kind == "s" else [value]
        fields.append(trt.PluginField(key, np.array(values, dtype), field_type))
    phase = trt.TensorRTPhase.BUILD
    return creator.create_plugin("node", trt.PluginFieldCollection(fields), phase) is not None

good = dict(score_threshold=("f", 0.05), iou_threshold=("f", 0.5), top_k=("i", 200), max_detections=("i", 100),
            cross_class=("i", 0))
print(json.dumps({
    "creators": found,
    "fields": {name: [[f.name, f.type.name] for f in registry.get_creator(name, "1", "yolact").field_names]
               for name in found},
    "good": created("YolactFastNMS", **good),
    "bad top_k": created("YolactFastNMS", **{**good, "top_k": ("i", 5000)}),
    "no threshold": created("YolactFastNMS", **{k: v for k, v in good.items() if k != "score_threshold"}),
    "masks": created("YolactMaskAssembly"),
    "image masks": created("YolactMaskAssembly", mask_size=("s", b"image")),
    "prototype masks": created("YolactMaskAssembly", mask_size=("s", b"prototype")),
    "bad masks": created("YolactMaskAssembly", mask=("i", 1)),
    "bad mask size": created("YolactMaskAssembly", mask_size=("s", b"huge")),
}))
"""


def test_the_library_is_recorded(plugin_build: PluginBuild, toolchain: Toolchain) -> None:
    build = plugin_build
    assert build.record == read_record(build.path)
    assert build.record.sha256 == sha256_of(build.path)
    assert build.record.tensorrt == toolchain.headers.version
    assert build.record.architectures[-1].endswith("-virtual")


def test_no_kernel_spills(plugin_build: PluginBuild) -> None:
    """On any GPU; plugins/ptxas.md has the numbers."""
    build = plugin_build
    kernels = {usage.kernel for usage in build.usage}
    names = ("filter", "suppress", "finish", "assemble", "image_masks")
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
    assert set(exported) == {"getCreators", "setLoggerFinder", "yolact_plugins_tensorrt_major", *ours}


def test_another_major_version_of_tensorrt(plugin_build: PluginBuild, toolchain: Toolchain) -> None:
    """The registry's table of functions differs between them: nothing is loaded into the wrong one."""
    major = toolchain.headers.major
    assert compiled_major(plugin_build.path) == major
    other: Any = SimpleNamespace(major=major + 1, title=f"TensorRT {major + 1}.4.1")
    message = (
        rf"was compiled for TensorRT {major}, here is TensorRT {major + 1}\.4\.1: run `yolact-deploy build-plugins`"
    )
    with pytest.raises(ModelFileError, match=message):
        load_plugins(other, plugin_build.path)
    assert compiled_major(PLUGINS / "README.md") is None


def test_it_loads_in_a_real_registry(plugin_build: PluginBuild) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    command = [sys.executable, "-c", REGISTRY, str(plugin_build.path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["creators"] == {"YolactFastNMS": ["1", "yolact"], "YolactMaskAssembly": ["1", "yolact"]}
    assert result["fields"] == {
        "YolactFastNMS": [
            ["score_threshold", "FLOAT32"],
            ["iou_threshold", "FLOAT32"],
            ["top_k", "INT32"],
            ["max_detections", "INT32"],
            ["cross_class", "INT32"],
        ],
        "YolactMaskAssembly": [["mask_size", "CHAR"]],
    }
    assert result["good"]
    assert result["masks"]
    assert not result["bad top_k"]
    assert not result["no threshold"]
    assert result["image masks"]
    assert result["prototype masks"]
    assert not result["bad masks"]
    assert not result["bad mask size"]
