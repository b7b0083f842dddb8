"""Runs the parser library as nvinfer does, in a program of its own with sanitizers: layers in, objects out."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.conftest import ROOT

SOURCES = ROOT / "yolact_deploy/packages/deepstream/sources"
HERE = Path(__file__).parent
COMPILER = shutil.which("g++") or shutil.which("clang++")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
TYPES = {"float32": 0, "float16": 1, "int8": 2, "int32": 3}  # NvDsInferDataType
MAX_DIMS = 8


@dataclass(frozen=True)
class Layer:
    """An output layer of one frame, without the batch."""

    name: str  # empty: none
    data: np.ndarray | None  # None: no buffer
    dims: tuple[int, ...] | None = None  # None: those of data
    elements: int | None = None  # None: as many as dims say
    dtype: int | None = None  # None: that of data

    def packed(self) -> bytes:
        dims = self.dims if self.dims is not None else np.shape(self.data)
        elements = self.elements if self.elements is not None else int(np.prod(dims, dtype=np.int64)) & 0xFFFFFFFF
        dtype = self.dtype if self.dtype is not None else TYPES[str(np.asarray(self.data).dtype)]
        padded = [*dims, *[0] * MAX_DIMS][:MAX_DIMS]
        bytes_ = b"" if self.data is None else np.ascontiguousarray(self.data).tobytes()
        name = self.name.encode()
        head = struct.pack("I", len(name)) + name + struct.pack(f"II{MAX_DIMS}II", dtype, len(dims), *padded, elements)
        return head + struct.pack("i", -1 if self.data is None else len(bytes_)) + bytes_


@dataclass(frozen=True)
class Frame:
    """One call of the parser."""

    layers: Sequence[Layer]
    width: int = 256  # of the network's input, px
    height: int = 256
    classes: int = 6
    threshold: float = 0.0
    thresholds: int | None = None  # how many; None: one per class

    def packed(self) -> bytes:
        count = self.classes if self.thresholds is None else self.thresholds
        head = struct.pack("IIIIfI", self.width, self.height, self.classes, count, self.threshold, len(self.layers))
        return head + b"".join(layer.packed() for layer in self.layers)


@dataclass(frozen=True)
class Found:
    """One NvDsInferInstanceMaskInfo."""

    number: int  # of the class
    left: float  # px of the network's input
    top: float
    width: float
    height: float
    confidence: float
    mask: np.ndarray  # [h,w] float32


def build_host(folder: Path) -> Path:
    """The program. Raises CalledProcessError with the compiler's output."""
    assert COMPILER is not None
    program = folder / "host"
    files = [str(HERE / "host.cc"), *map(str, sorted(SOURCES.glob("*.cc")))]
    files.remove(str(SOURCES / "plugins.cc"))  # needs TensorRT
    include = ["-isystem", str(HERE / "interface"), "-I", str(SOURCES)]
    command = [COMPILER, "-std=c++17", "-O1", *SANITIZERS, *WARNINGS, *include, *files, "-o", str(program)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return program


def parse(program: Path, frames: Sequence[Frame], folder: Path) -> tuple[list[list[Found] | None], str]:
    """What the parser gives for each frame, None for a refusal, and what it said on stderr.

    An error that a sanitizer finds ends the program, and raises CalledProcessError.
    """
    source, target = folder / "frames.bin", folder / "objects.bin"
    source.write_bytes(struct.pack("I", len(frames)) + b"".join(frame.packed() for frame in frames))
    done = subprocess.run([str(program), str(source), str(target)], capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"status {done.returncode}: {done.stderr}")
    file = io.BytesIO(target.read_bytes())
    return [_read_frame(file) for _ in frames], done.stderr


def _read_frame(file: io.BytesIO) -> list[Found] | None:
    accepted, count = struct.unpack("II", file.read(8))
    objects = []
    for _ in range(count):
        number, left, top, width, height, confidence, columns, rows, size = struct.unpack("I5f3I", file.read(36))
        assert size == 4 * rows * columns
        mask = np.frombuffer(bytearray(file.read(size)), np.float32).reshape(rows, columns)
        objects.append(Found(number, left, top, width, height, confidence, mask))
    assert accepted or not objects
    return objects if accepted else None
