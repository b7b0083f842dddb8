"""The TensorRT shell of the plugins without TensorRT: a C++ program that plays its part through the real interfaces."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.plugins.host_build import COMPILER, FLAGS, HOST, PLUGINS
from yolact_deploy.trt.plugin_toolchain import Nvcc, TensorRTHeaders

OPERATORS = ("fast_nms", "mask_assembly")
SHELL = (
    *(PLUGINS / f"common/{name}.cc" for name in ("attributes", "exports", "log", "plugin")),
    *(PLUGINS / operator / "plugin.cc" for operator in OPERATORS),
)
HOST_LAUNCHERS = (
    HOST / "error_text.cc",
    *(HOST / f"{operator}{part}.cc" for operator in OPERATORS for part in ("", "_launch")),
)
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SOURCES = '-DYOLACT_PLUGINS_SOURCE_VERSION="host build"'
PLAYER = Path(__file__).parent / "play_tensorrt.cc"
FAILING = Path(__file__).parent / "failing_launch.cc"
TYPES = {"f4": np.float32, "f2": np.float16, "i4": np.int32}


@dataclass(frozen=True)
class Toolchain:
    """What the plugins are compiled with."""

    nvcc: Nvcc
    headers: TensorRTHeaders

    @property
    def includes(self) -> tuple[str | Path, ...]:
        """Words for the host's compiler."""
        return "-isystem", self.headers.folder, "-isystem", self.nvcc.root / "include"

    @property
    def runtime(self) -> tuple[str | Path, ...]:
        """CUDA's static runtime and what it needs, for the host's linker."""
        return next(iter(sorted(self.nvcc.root.glob("lib*/libcudart_static.a")))), "-ldl", "-lrt", "-lpthread"


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
        self,
        folder: Path,
        operator: str,
        attributes: dict[str, float | int | str | list[int]],
        inputs: list[np.ndarray],
    ) -> Result:
        """One node, from its creation to its outputs; values may be anything, shapes too."""
        lines = []
        for index, array in enumerate(inputs):
            lines.append(f"{_type_name(array)} {array.ndim} {' '.join(map(str, array.shape))}\n")
            array.tofile(folder / f"input{index}.bin")
        (folder / "inputs.txt").write_text("".join(lines))
        words = [f"{name}={_attribute_text(value)}" for name, value in attributes.items()]
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


def compile_player(
    toolchain: Toolchain, folder: Path, compiler: str = COMPILER, checks: tuple[str, ...] = SANITIZERS
) -> Player:
    """The program, and a plugin library of shell and host build, both with address and undefined-behaviour checks."""
    flags = [compiler, *FLAGS, *checks, SOURCES, *toolchain.includes]
    player = player_in(folder)
    _compile([*flags, "-shared", "-o", player.library, *SHELL, *HOST_LAUNCHERS])
    _compile([*flags, "-o", player.program, PLAYER, "-ldl"])
    return player


def player_in(folder: Path) -> Player:
    """What `compile_player` left in `folder`."""
    return Player(folder / "play_tensorrt", folder / "libyolact_plugins_host.so")


def compile_cuda_player(toolchain: Toolchain, library: Path, folder: Path) -> Player:
    """The same program for a library that was built by nvcc, with memory of the GPU."""
    program = folder / "play_tensorrt_cuda"
    flags = [COMPILER, *FLAGS, "-DWITH_CUDA", *toolchain.includes]
    _compile([*flags, "-o", program, PLAYER, *toolchain.runtime])
    return Player(program, library)


def compile_failing_library(toolchain: Toolchain, folder: Path) -> Path:
    """A plugin library whose launchers fail as the environment variable CUDA_ERROR says, with CUDA's own texts."""
    library = folder / "libyolact_plugins_failing.so"
    sources = [*SHELL, FAILING, "-x", "c++", PLUGINS / "common/launch.cu", "-x", "none"]
    _compile([COMPILER, *FLAGS, *toolchain.includes, "-shared", "-o", library, *sources, *toolchain.runtime])
    return library


def compile_c_interface(toolchain: Toolchain, folder: Path) -> Path:
    """The C interface of the plugin library, with the host build behind it."""
    sources = [*HOST_LAUNCHERS, PLUGINS / "common/c_interface.cc"]
    library = folder / "libyolact_plugins_c.so"
    _compile([COMPILER, *FLAGS, *toolchain.includes, "-shared", "-o", library, *sources])
    return library


def _compile(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _attribute_text(value: float | int | str | list[int]) -> str:
    if isinstance(value, list):
        return f"i:{','.join(map(str, value))}"
    return f"{type(value).__name__[0]}:{value}"


def _type_name(array: np.ndarray) -> str:
    return next(name for name, dtype in TYPES.items() if array.dtype == dtype)
