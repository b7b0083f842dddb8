"""The C++ example, built by its own CMake file against TensorRT's real headers and stand-ins for the two libraries."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.conftest import ROOT
from yolact_deploy.trt.plugin_toolchain import Nvcc, TensorRTHeaders, find_tool

SOURCE = ROOT / "examples/cpp"
HERE = Path(__file__).parent
COMPILER = "c++"
SANITIZERS = "-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all"
TYPES = {"float32": 0, "float16": 1, "int32": 3}  # nvinfer1::DataType by NumPy's names
INTERFACES = {  # TensorRT's interfaces: name of the class whose functions end the program
    "apiv::VRuntime": "UnusedRuntime",
    "apiv::VCudaEngine": "UnusedCudaEngine",
    "apiv::VExecutionContext": "UnusedExecutionContext",
    "IPluginRegistry": "UnusedPluginRegistry",
}


@dataclass(frozen=True)
class Example:
    """The program."""

    program: Path
    prefix: tuple[str, ...] = ()  # words before the program's, such as those of an emulator

    def run(
        self, *arguments: str | Path, folder: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Its exit status and what it prints, started in `folder`."""
        command = [str(word) for word in (*self.prefix, self.program, *arguments)]
        variables = {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder)


def build_example(
    nvcc: Nvcc, headers: TensorRTHeaders, folder: Path, compiler: str = COMPILER, checks: str = SANITIZERS
) -> Example:
    """Make the stand-ins, then configure and compile as a user does who names the two packages' folders."""
    tensorrt, cuda = folder / "tensorrt", folder / "cuda"
    for package, include in ((tensorrt, headers.folder), (cuda, nvcc.root / "include")):
        (package / "lib").mkdir(parents=True)
        (package / "include").symlink_to(include, target_is_directory=True)
    (folder / "unused.h").write_text(unused_classes(headers.folder))
    flags = [compiler, "-std=c++17", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-isystem", folder]
    flags += ["-isystem", tensorrt / "include", "-isystem", cuda / "include"]
    _run([*flags, "-o", tensorrt / "lib/libnvinfer.so", HERE / "play_nvinfer.cc", "-ldl"])
    _run([*flags, "-o", cuda / "lib/libcudart.so", HERE / "play_cudart.cc"])
    cmake = find_tool("cmake", "pip install cmake")
    environment = {**os.environ, "TENSORRT_ROOT": str(tensorrt), "CUDA_HOME": str(cuda), "CXX": compiler}
    options = [f"-DCMAKE_CXX_FLAGS=-Werror {checks}", "-DCMAKE_BUILD_TYPE=Debug"]
    _run([cmake, "-S", SOURCE, "-B", folder / "build", *options], environment)
    _run([cmake, "--build", folder / "build", "--parallel", "2"], environment)
    return example_in(folder)


def example_in(folder: Path) -> Example:
    """What `build_example` left in `folder`."""
    return Example(folder / "build/detect")


def unused_classes(include: Path) -> str:
    """C++ of classes with the functions of INTERFACES, each of which says its name and ends the program."""
    text = "\n".join(path.read_text(errors="replace") for path in sorted(include.glob("NvInfer*.h")))
    parts = ["#pragma once", "#include <NvInferRuntime.h>", "#include <cstdio>", "#include <cstdlib>"]
    parts.append(
        '[[noreturn]] inline void unused(char const* name) { std::printf("called %s\\n", name); std::abort(); }'
    )
    parts.append("using namespace nvinfer1;")
    for interface, name in INTERFACES.items():
        body = re.search(
            rf"^class {interface.rpartition(':')[2]}\b[^;{{]*\{{(.*?)^\}};", text, re.MULTILINE | re.DOTALL
        )
        assert body is not None, interface
        plain = re.sub(r"//.*|TRT_DEPRECATED|TRT_NODISCARD", "", body[1])
        plain = re.sub(r"^#if ENABLE_FEATURE.*?^#endif", "", plain, flags=re.MULTILINE | re.DOTALL)
        functions = re.findall(r"virtual\s+([^;]*?\b(\w+)\([^;]*?\)[^;()]*?)\s*=\s*0\s*;", plain)
        assert functions, interface
        lines = [f'    {declaration} override {{ unused("{function}"); }}' for declaration, function in functions]
        parts.append(f"class {name} : public {interface} {{\npublic:\n" + "\n".join(lines) + "\n};")
    return "\n".join(parts) + "\n"


def write_engine(
    path: Path,
    outputs: Mapping[str, np.ndarray],
    smallest: tuple[int, int] = (1, 1),
    largest: tuple[int, int] = (2000, 2000),
    *more: str,
) -> Path:
    """An "engine" of the stand-in that returns `outputs` for images between two sizes (height, width)."""
    lines = [f"FAKE {smallest[0]} {smallest[1]} {largest[0]} {largest[1]}", *more]
    for name, array in outputs.items():
        values = path.with_name(f"{path.name}.{name}")
        array.tofile(values)
        sizes = " ".join(map(str, (array.ndim, *array.shape)))
        lines.append(f"output {name} {TYPES[array.dtype.name]} {sizes} {values}")
    path.write_text("\n".join(lines) + "\n")
    return path


def _run(command: list[str | Path], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
