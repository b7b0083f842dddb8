"""The compiled plugin library: where `build-plugins` keeps it, what it says of itself, and the record of its build.

A shared library runs its code in whoever loads it, so a library that was only found, not named, has to be the one that
was built here.
"""

from __future__ import annotations

import ctypes
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..dependencies import BUILD_COMMAND
from ..errors import ModelFileError
from ..files import sha256_of, user_cache, write_json
from ..machine import GpuInfo

RECORD_SUFFIX = ".json"  # after the library's whole name
RECORD_MARK = '"tool_version": '  # in every record
ORIGIN_SYMBOL = "yolact_plugins_tensorrt_major"  # of every library of ours


@dataclass(frozen=True)
class LibraryRecord:
    """What `build-plugins` notes beside a library."""

    sha256: str
    tensorrt: str  # version of the headers
    cuda: str  # version of nvcc
    architectures: tuple[str, ...]  # such as "87-real", and "87-virtual" for newer GPUs
    tool_version: str

    def runs_on(self, gpu: GpuInfo) -> bool:
        """Whether it has code for `gpu`: machine code of its generation, not newer than it, or PTX."""
        wanted = int(gpu.compute_capability.replace(".", ""))
        for architecture in self.architectures:
            number, _, kind = architecture.partition("-")
            if int(number) <= wanted and (kind == "virtual" or int(number) // 10 == wanted // 10):
                return True
        return False


@dataclass(frozen=True)
class LibraryOrigin:
    """What a plugin library says of itself."""

    tensorrt_major: int  # of the headers that it was compiled with
    source_version: str  # the same for all that were compiled from the same sources; empty: it does not say


def read_origin(library: Path) -> LibraryOrigin:
    """Ask a plugin library what it is. This loads it, and so runs its code, but registers nothing with TensorRT.

    Raises ModelFileError when it does not load or is not one of ours.
    """
    try:
        loaded = ctypes.CDLL(str(library.absolute()))
    except OSError as error:
        raise ModelFileError(f"{library} does not load as a shared library ({error}): run `{BUILD_COMMAND}`") from None
    try:
        major = int(getattr(loaded, ORIGIN_SYMBOL)())
    except AttributeError:
        raise ModelFileError(f"{library} is no plugin library of yolact-deploy: `{BUILD_COMMAND}` makes one") from None
    version = getattr(loaded, "yolact_plugins_source_version", None)
    if version is None:  # of 0.1.0
        return LibraryOrigin(major, "")
    version.restype = ctypes.c_char_p
    return LibraryOrigin(major, (version() or b"").decode("ascii", errors="replace"))


def library_path(major: int) -> Path:
    """Where the library for a major version of TensorRT is kept."""
    return user_cache() / "plugins" / f"libyolact_plugins-trt{major}.so"


def record_path(library: Path) -> Path:
    """Where the record of `library` is."""
    return library.with_name(library.name + RECORD_SUFFIX)


def write_record(library: Path, record: LibraryRecord) -> None:
    """Note what `library` is. Raises OutputError."""
    write_json(record_path(library), asdict(record))


def read_record(library: Path) -> LibraryRecord:
    """The record of `library`. Raises ModelFileError when it is missing or damaged."""
    path = record_path(library)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        architectures = tuple(str(value) for value in values.pop("architectures"))
        return LibraryRecord(architectures=architectures, **{name: str(value) for name, value in values.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ModelFileError(f"{library} has no record of its build ({path.name}): run `{BUILD_COMMAND}`") from None


def find_library(major: int, gpu: GpuInfo | None = None) -> Path | None:
    """The library that was built here for a major version of TensorRT; None when there is none.

    Raises ModelFileError when it is not the one of its record any more, or has no code for `gpu`.
    """
    path = library_path(major)
    if not path.is_file():
        return None
    record = read_record(path)
    if sha256_of(path) != record.sha256:
        raise ModelFileError(
            f"{path} is not the library that was built here: run `{BUILD_COMMAND}`, or name it with --plugins if you "
            "know where it comes from"
        )
    if gpu is not None and not record.runs_on(gpu):
        built = ", ".join(record.architectures)
        raise ModelFileError(
            f"{path} was built for other GPUs ({built}) than {gpu.name} (compute capability "
            f"{gpu.compute_capability}): run `{BUILD_COMMAND}`"
        )
    return path
