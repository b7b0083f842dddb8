"""The TensorRT shell of the plugins without TensorRT: a C++ program that plays its part through the real interfaces."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.plugins.host_build import COMPILER, FLAGS, PLUGINS
from yolact_deploy.plugin_toolchain import Nvcc, TensorRTHeaders

SOURCES = (
    *(f"common/{name}.cc" for name in ("attributes", "exports", "host_launch", "log", "plugin")),
    *(f"{folder}/{name}.cc" for folder in ("fast_nms", "mask_assembly") for name in ("plugin", "host", "host_launch")),
)
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PLAYER = Path(__file__).parent / "play_tensorrt.cc"
TYPES = {"f4": np.float32, "f2": np.float16, "i4": np.int32}


@dataclass(frozen=True)
class Toolchain:
    """What the plugins are compiled with."""

    nvcc: Nvcc
    headers: TensorRTHeaders


@dataclass(frozen=True)
class Result:
    """How the program ended: outputs, or what the plugin said when it refused."""

    status: int
    outputs: list[np.ndarray]
    log: list[str]  # messages through TensorRT's logger
    text: str


@dataclass(frozen=True)
class Player:
    """The program and the plugin library that it loads."""

    program: Path
    library: Path
    prefix: tuple[str, ...] = ()  # words before the program's, such as those of compute-sanitizer

    def run(
        self, folder: Path, operator: str, attributes: dict[str, float | int | str], inputs: list[np.ndarray]
    ) -> Result:
        """One node, from its creation to its outputs; values may be anything, shapes too."""
        lines = []
        for index, array in enumerate(inputs):
            lines.append(f"{_type_name(array)} {array.ndim} {' '.join(map(str, array.shape))}\n")
            array.tofile(folder / f"input{index}.bin")
        (folder / "inputs.txt").write_text("".join(lines))
        words = [f"{name}={type(value).__name__[0]}:{value}" for name, value in attributes.items()]
        command = [*self.prefix, self.program, self.library, operator, folder, *words]
        done = subprocess.run(command, capture_output=True, text=True)
        printed = done.stdout.splitlines()
        described = [line.split()[1:] for line in printed if line.startswith("output ")]
        return Result(
            done.returncode,
            [
                np.fromfile(folder / f"output{index}.bin", TYPES[name]).reshape([int(size) for size in sizes])
                for index, (name, *sizes) in enumerate(described)
            ],
            [line.removeprefix("log: ") for line in printed if line.startswith("log: ")],
            done.stdout + done.stderr,
        )


def compile_player(toolchain: Toolchain, folder: Path) -> Player:
    """The program, and a plugin library of shell and host build, both with address and undefined-behaviour checks."""
    cuda = toolchain.nvcc.root / "include"
    flags = [COMPILER, *FLAGS, *SANITIZERS, "-isystem", toolchain.headers.folder, "-isystem", cuda]
    sources = [PLUGINS / name for name in SOURCES]
    program, library = folder / "play_tensorrt", folder / "libyolact_plugins_host.so"
    _compile([*flags, "-shared", "-o", library, *sources])
    _compile([*flags, "-o", program, PLAYER, "-ldl"])
    return Player(program, library)


def compile_cuda_player(toolchain: Toolchain, library: Path, folder: Path) -> Player:
    """The same program for a library that was built by nvcc, with memory of the GPU."""
    cuda, headers = toolchain.nvcc.root, toolchain.headers.folder
    static = next(path for path in sorted(cuda.glob("lib*/libcudart_static.a")))
    flags = [COMPILER, *FLAGS, "-DWITH_CUDA", "-isystem", headers, "-isystem", cuda / "include"]
    program = folder / "play_tensorrt_cuda"
    _compile([*flags, "-o", program, PLAYER, static, "-ldl", "-lrt", "-lpthread"])
    return Player(program, library)


def compile_c_interface(toolchain: Toolchain, folder: Path) -> Path:
    """The C interface of the plugin library, with the host build behind it."""
    headers, cuda = toolchain.headers.folder, toolchain.nvcc.root / "include"
    names = [name for name in SOURCES if name.endswith(("host.cc", "host_launch.cc"))]
    sources = [PLUGINS / name for name in (*names, "common/c_interface.cc")]
    library = folder / "libyolact_plugins_c.so"
    _compile([COMPILER, *FLAGS, "-isystem", headers, "-isystem", cuda, "-shared", "-o", library, *sources])
    return library


def _compile(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _type_name(array: np.ndarray) -> str:
    return next(name for name, dtype in TYPES.items() if array.dtype == dtype)
